// The experiment `non-iid`: its plan, its verdicts on made-up errors, and short runs.

import { describe, expect, it } from 'vitest';
import type { RunResult } from '../../src/experiments/engine/experiment.ts';
import { nonIid } from '../../src/experiments/runs/nonIid.ts';
import { madeUp, numbersOf, settingsOf, tinyRun, verdictOn, wiggle } from '../support/madeUp.ts';

/** Errors of local batch norm by shards; all others have `other`. */
function withErrors(local: Readonly<Record<string, number>>, other: number): RunResult[] {
  return madeUp(nonIid, (s) => {
    const testError = (s.norm === 'local' ? local[s.shards as string]! : other) + wiggle(s) / 10;
    const trainingError = 0.1 + wiggle(s) / 20;
    const values = { testError, trainError: testError, trainingError };
    return { values: s.norm === 'group' ? values : { ...values, preciseError: 0.15 } };
  });
}

const ABOVE = [
  'larger error than with iid',
  'than SyncBN',
  'Mixtures',
  'what suffers',
  'PreciseBN',
];

describe('non-iid', () => {
  it('plans three norms with three kinds of shards per seed, and no other difference', () => {
    const settings = settingsOf(nonIid);
    expect(new Set(settings).size).toBe(3 * 3 * 3);
    const rest = nonIid.plan({ quick: true, seeds: 1, data: 'made up' }).map((spec) => ({
      ...spec.settings,
      ...{ norm: 0, shards: 0 },
    }));
    for (const one of rest) expect(one).toEqual(rest[0]);
  });

  it('confirms that shards by class harm only local batch norm', () => {
    const results = withErrors({ iid: 0.2, 'dirichlet:0.3': 0.3, 'by-class': 0.6 }, 0.2);
    for (const words of ABOVE) {
      expect(verdictOn(nonIid, results, words).verdict, words).toBe('confirmed');
    }
    for (const words of ['SyncBN by class', 'Group norm by class']) {
      expect(verdictOn(nonIid, results, words).verdict).toBe('confirmed');
    }
  });

  it('refutes it if they help, and leaves it open without results', () => {
    const results = withErrors({ iid: 0.6, 'dirichlet:0.3': 0.3, 'by-class': 0.1 }, 0.2);
    for (const words of ABOVE) {
      expect(verdictOn(nonIid, results, words).verdict, words).toBe('refuted');
      expect(verdictOn(nonIid, [], words).verdict).toBe('inconclusive');
    }
  });

  it.each(['local', 'group'])(
    'with norm %s measures errors of training and evaluation',
    async (norm) => {
      const smaller = { samples: 64, epochs: 1, measuredBatches: 1 };
      const run = await tinyRun(nonIid, { norm, shards: 'by-class' }, smaller);
      expect(numbersOf(run).every(Number.isFinite)).toBe(true);
      expect(Object.keys(run.values)).toHaveLength(norm === 'group' ? 3 : 4);
      expect(run.values.trainingError).toBeLessThanOrEqual(1);
    },
  );
});
