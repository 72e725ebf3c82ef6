// The experiment `learning-rate`: its plan, the largest rates in made-up results, and a short run.

import { describe, expect, it } from 'vitest';
import type { PlainRecord, RunResult } from '../../src/experiments/engine/experiment.ts';
import { learningRate } from '../../src/experiments/runs/learningRate.ts';
import { madeUp, numbersOf, OPTIONS, settingsOf, tinyRun, verdictOn } from '../support/madeUp.ts';

const CLAIM = 'larger learning rates';
const GUESSING = Math.log(10);

/** Runs train when their exponent is at most what `largest` gives. */
function trainedUpTo(largest: (settings: PlainRecord) => number): RunResult[] {
  return madeUp(learningRate, (s) => ({
    values: {
      loss: (s.exponent as number) <= largest(s) ? 0.4 * GUESSING : 0.6 * GUESSING,
      guessing: GUESSING,
    },
  }));
}

describe('the plan of learning-rate', () => {
  it('has every rate of the grid for both norms and each seed', () => {
    const settings = settingsOf(learningRate);
    const exponents = new Set(learningRate.plan(OPTIONS).map((s) => s.settings.exponent));
    expect(settings).toHaveLength(exponents.size * 2 * 3);
    expect(new Set(settings).size).toBe(settings.length);
  });
});

describe('the verdict of learning-rate', () => {
  it('is confirmed if every seed trains at larger rates with batch norm', () => {
    const found = verdictOn(
      learningRate,
      trainedUpTo(({ norm }) => (norm === 'sync' ? 2 : -1)),
      CLAIM,
    );
    expect(found.verdict).toBe('confirmed');
  });

  it('is refuted if every seed trains at larger rates without it', () => {
    const found = verdictOn(
      learningRate,
      trainedUpTo(({ norm }) => (norm === 'sync' ? -2 : 0)),
      CLAIM,
    );
    expect(found.verdict).toBe('refuted');
  });

  it('is inconclusive if the seeds disagree', () => {
    const found = verdictOn(
      learningRate,
      trainedUpTo(({ norm, seed }) => (norm === 'sync' ? (seed as number) - 2 : 0)),
      CLAIM,
    );
    expect(found.verdict).toBe('inconclusive');
  });

  it('does not count a rate that trains above one that fails', () => {
    const results = trainedUpTo(({ norm }) => (norm === 'sync' ? -2 : 0)).map((result) =>
      result.settings.exponent === 4 ? { ...result, values: { loss: 0, guessing: 1 } } : result,
    );
    expect(verdictOn(learningRate, results, CLAIM).verdict).toBe('refuted');
  });

  it('reports if the largest rate of the grid still trains', () => {
    const { notes } = learningRate.analyse(
      trainedUpTo(() => 100),
      OPTIONS,
    );
    expect(notes.filter((note) => note.includes('lower bound'))).toHaveLength(2);
  });

  it('is inconclusive without results', () => {
    expect(verdictOn(learningRate, [], CLAIM).verdict).toBe('inconclusive');
  });
});

describe('a run of learning-rate', () => {
  it('measures a finite loss, even at a rate at which nothing trains', async () => {
    const smaller = { steps: 6, tailSteps: 2 };
    const low = await tinyRun(learningRate, { norm: 'sync' }, smaller);
    const high = await tinyRun(learningRate, { norm: 'none' }, { ...smaller, exponent: 90 });
    expect(numbersOf(low).every(Number.isFinite)).toBe(true);
    expect(numbersOf(high).every(Number.isFinite)).toBe(true);
    expect(low.values.guessing).toBeCloseTo(Math.log(4), 12);
    expect(high.values.loss).toBeGreaterThan(low.values.loss as number);
  });
});
