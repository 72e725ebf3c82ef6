// The experiment `regularization`: its plan, its verdicts on made-up errors, and a short run.

import { describe, expect, it } from 'vitest';
import type { RunResult } from '../../src/experiments/engine/experiment.ts';
import { regularization } from '../../src/experiments/runs/regularization.ts';
import { madeUp, numbersOf, settingsOf, tinyRun, verdictOn, wiggle } from '../support/madeUp.ts';

/** Test errors by norm, over a training error of 0. */
function withErrors(errors: Readonly<Record<string, number>>): RunResult[] {
  return madeUp(regularization, (s) => {
    const testError = errors[s.norm as string]! * (1 + wiggle(s));
    return { values: { losses: [1], testError, trainError: 0, testLoss: testError, trainLoss: 0 } };
  });
}

describe('the plan of regularization', () => {
  it('has three norms for each seed, all different', () => {
    const settings = settingsOf(regularization);
    expect(settings).toHaveLength(3 * 3);
    expect(new Set(settings).size).toBe(settings.length);
  });
});

describe('the verdicts of regularization', () => {
  it('confirm narrower gaps', () => {
    const results = withErrors({ none: 0.3, sync: 0.1, group: 0.2 });
    for (const words of ['training and test error', 'test loss', 'lowers', 'noise']) {
      expect(verdictOn(regularization, results, words).verdict).toBe('confirmed');
    }
  });

  it('refute them if group norm or no norm has the narrower gap', () => {
    const results = withErrors({ none: 0.1, sync: 0.3, group: 0.2 });
    for (const words of ['training and test error', 'test loss', 'lowers', 'noise']) {
      expect(verdictOn(regularization, results, words).verdict).toBe('refuted');
    }
  });

  it('leave it open if the intervals overlap, and without results', () => {
    const results = withErrors({ none: 0.2, sync: 0.2, group: 0.2 });
    expect(verdictOn(regularization, results, 'noise').verdict).toBe('inconclusive');
    expect(verdictOn(regularization, [], 'noise').verdict).toBe('inconclusive');
  });
});

describe('a run of regularization', () => {
  it('measures both splits and a loss for each epoch', async () => {
    const run = await tinyRun(regularization, { norm: 'group' }, { samples: 70, epochs: 3 });
    expect(run.values.losses).toHaveLength(3);
    expect(numbersOf(run).every(Number.isFinite)).toBe(true);
    expect(run.values.trainError).toBeLessThanOrEqual(1);
  });
});
