// The experiment `segmentation`: its plan, its verdicts on made-up scores, a short run.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { segmentation } from '../../src/experiments/runs/segmentation.ts';
import {
  madeUp,
  numbersOf,
  settingsOf,
  TINY_MASKS,
  tinyRun,
  verdictOn,
  wiggle,
} from '../support/madeUp.ts';

const withScores = (scores: Readonly<Record<string, number>>) =>
  madeUp(segmentation, (s) => {
    const meanIou = scores[`${s.norm} ${s.replicaBatch}`]! * (1 + wiggle(s));
    return { values: { meanIou, error: 0.1, losses: new Array(10).fill(1) } };
  });

describe('segmentation', () => {
  it('plans three norms with two batches for each seed, all different', () => {
    const settings = settingsOf(segmentation);
    expect(settings).toHaveLength(3 * 2 * 3);
    expect(new Set(settings).size).toBe(settings.length);
  });

  it('judges each batch by the scores', () => {
    const results = withScores({
      ...{ 'sync 2': 0.6, 'local 2': 0.4, 'group 2': 0.605 },
      ...{ 'sync 1': 0.6, 'local 1': 0.7, 'group 1': 0.3 },
    });
    const on = (words: string) => verdictOn(segmentation, results, words).verdict;
    expect(on('2 images a replica synchronized batch norm finds more')).toBe('confirmed');
    expect(on('2 images a replica synchronized batch norm and group')).toBe('confirmed');
    expect(on('1 image a replica synchronized batch norm finds more')).toBe('refuted');
    expect(on('1 image a replica synchronized batch norm and group')).toBe('refuted');
  });

  it('trains a U-Net and measures what it finds', async () => {
    const smaller = { steps: 2, replicas: 2 };
    const found = await tinyRun(segmentation, { replicaBatch: 1 }, smaller, 2, TINY_MASKS);
    expect(numbersOf(found).every(Number.isFinite)).toBe(true);
    expect(found.values.meanIou).toBeGreaterThan(0);
  });

  it('refuses data without masks', async () => {
    await expect(tinyRun(segmentation, {}, { steps: 2 })).rejects.toThrow(UsageError);
  });
});
