// The experiment `segmentation`: its plan, its verdicts on made-up scores, a short run, its data.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { smallScenes } from '../../src/data/named/scenes.ts';
import { segmentation } from '../../src/experiments/runs/segmentation.ts';
import {
  madeUp,
  numbersOf,
  OPTIONS,
  settingsOf,
  TINY_MASKS,
  tinyRun,
  verdictOn,
  wiggle,
} from '../support/madeUp.ts';

const withScores = (scores: Readonly<Record<string, number>>) =>
  madeUp(segmentation, (s) => {
    const scoreOf = (name: string): number =>
      scores[`${name} ${s.replicaBatch}`]! * (1 + wiggle(s));
    const values = { meanIou: scoreOf(s.norm as string), error: 0.1, losses: Array(10).fill(1) };
    return { values: s.norm === 'local' ? { ...values, countedIn: scoreOf('counted') } : values };
  });

describe('segmentation', () => {
  it('plans three norms with two batches for each seed, all different', () => {
    const settings = settingsOf(segmentation);
    expect(settings).toHaveLength(3 * 2 * 3);
    expect(new Set(settings).size).toBe(settings.length);
  });

  it('trains every run on the same number of images, or for the requested epochs', () => {
    const imagesOf = (options = OPTIONS) =>
      segmentation
        .plan(options)
        .map(({ settings: s }) => Number(s.steps) * Number(s.replicas) * Number(s.replicaBatch));
    expect(new Set(imagesOf()).size).toBe(1);
    const facts = { inputShape: TINY_MASKS.inputShape, countTrain: TINY_MASKS.train.count };
    expect(new Set(imagesOf({ ...OPTIONS, epochs: 3, facts }))).toEqual(new Set([96]));
  });

  it('judges each batch by the scores', () => {
    const results = withScores({
      ...{ 'sync 2': 0.6, 'local 2': 0.4, 'counted 2': 0.5, 'group 2': 0.605 },
      ...{ 'sync 1': 0.6, 'local 1': 0.7, 'counted 1': 0.6, 'group 1': 0.3 },
    });
    const on = (words: string) => verdictOn(segmentation, results, words).verdict;
    const claims = [
      'SyncBN finds more than local batch norm',
      'SyncBN and group norm find as much',
      'group norm finds more than local batch norm',
      'image counted in finds more than local batch norm',
    ];
    for (const claim of claims) {
      const words = claim.startsWith('image') ? 'local batch norm, ' : '';
      expect(on(`2 images per replica, ${words}${claim}`)).toBe('confirmed');
      expect(on(`1 image per replica, ${words}${claim}`)).toBe('refuted');
    }
  });

  it('makes no claim about norms that are left out', () => {
    const { verdicts, tables } = segmentation.analyse([], { ...OPTIONS, norms: ['sync', 'layer'] });
    expect(verdicts.map(({ claim }) => claim)).toEqual([
      'With 2 images per replica, SyncBN finds more than layer norm',
      'With 1 image per replica, SyncBN finds more than layer norm',
    ]);
    expect(tables[0]!.rows).toHaveLength(2);
  });

  it('trains a U-Net and measures what it finds', async () => {
    const smaller = { steps: 2, replicas: 2 };
    const found = await tinyRun(segmentation, { replicaBatch: 1 }, smaller, 2, TINY_MASKS);
    expect(numbersOf(found).every(Number.isFinite)).toBe(true);
    expect(found.values.meanIou).toBeGreaterThan(0);
  });

  it('also evaluates local batch norm with the image counted in', async () => {
    const smaller = { steps: 8, replicas: 2 };
    const local = { norm: 'local', replicaBatch: 2 };
    const { values } = await tinyRun(segmentation, local, smaller, 2, TINY_MASKS);
    expect(values.countedIn).toBeGreaterThan(0);
    expect(values.countedIn).not.toBe(values.meanIou);
  });

  it('refuses data without masks', async () => {
    await expect(tinyRun(segmentation, {}, { steps: 2 })).rejects.toThrow(UsageError);
  });
});

describe('small scenes', () => {
  it('hold one object on mostly background', async () => {
    const { inputShape, train, test } = await smallScenes();
    expect([inputShape, train.count, test.count]).toEqual([[32, 32, 1], 8000, 400]);
    const first = train.targets.subarray(0, 32 * 32);
    expect(new Set(first).size).toBe(2);
    expect(first.filter((target) => target !== 0).length).toBeLessThan(0.25 * first.length);
  });
});
