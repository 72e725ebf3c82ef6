// The experiments on small batches, sync groups and evaluation statistics: plans, verdicts on
// made-up errors, short runs.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import type { PlainRecord, RunResult } from '../../src/experiments/engine/experiment.ts';
import { precise } from '../../src/experiments/runs/precise.ts';
import { smallBatch } from '../../src/experiments/runs/smallBatch.ts';
import { syncGroup } from '../../src/experiments/runs/syncGroup.ts';
import {
  madeUp,
  numbersOf,
  OPTIONS,
  settingsOf,
  tinyRun,
  verdictOn,
  wiggle,
} from '../support/madeUp.ts';

function smallBatchWith(errorOf: (settings: PlainRecord) => number): RunResult[] {
  return madeUp(smallBatch, (s) => ({ values: { testError: errorOf(s) + wiggle(s) / 100 } }));
}

describe('the plan of small-batch', () => {
  it('has each norm with each batch and seed, and one device with the smallest whole batch', () => {
    const settings = settingsOf(smallBatch);
    expect(settings).toHaveLength(3 * (3 * 3 + 1));
    expect(new Set(settings).size).toBe(settings.length);
    const single = smallBatch.plan(OPTIONS).filter((s) => s.settings.replicas === 1);
    expect(single.map((s) => s.settings.replicaBatch)).toEqual([16, 16, 16]);
  });

  it('scales the learning rate with the samples of a step', () => {
    for (const { settings } of smallBatch.plan({ ...OPTIONS, quick: false })) {
      const { rate, replicas, replicaBatch } = settings as Record<string, number>;
      expect(rate! / (replicas! * replicaBatch!)).toBeCloseTo(0.1 / 256, 12);
    }
  });

  it('accepts the requested norms, and refuses unknown ones', () => {
    const norms = ['layer', 'none'];
    const plan = smallBatch.plan({ ...OPTIONS, norms });
    expect(new Set(plan.map((s) => s.settings.norm))).toEqual(new Set(norms));
    const wrong = { ...OPTIONS, norms: ['batch'] };
    expect(() => smallBatch.plan(wrong)).toThrow(UsageError);
    expect(() => smallBatch.plan(wrong)).toThrow(/--norms: expected local, sync.*, got "batch"/);
  });
});

describe('the verdicts of small-batch', () => {
  const words = [
    'larger error at 2',
    'larger error than SyncBN',
    'on one device',
    'flat',
    'rises less',
  ];

  it('confirm the published picture', () => {
    const results = smallBatchWith((s) => (s.norm === 'local' && s.replicaBatch === 2 ? 0.5 : 0.2));
    for (const part of words) {
      expect(verdictOn(smallBatch, results, part).verdict).toBe('confirmed');
    }
  });

  it('refute it if everything is the opposite', () => {
    const results = smallBatchWith((s) => {
      if (s.replicas === 1) return 0.1;
      if (s.norm === 'local') return s.replicaBatch === 2 ? 0.1 : 0.5;
      return s.replicaBatch === 2 ? 0.4 : 0.2;
    });
    for (const part of words) {
      expect(verdictOn(smallBatch, results, part).verdict).toBe('refuted');
    }
  });

  it('leave it open without results, and ignore norms that were not requested', () => {
    expect(verdictOn(smallBatch, [], 'larger error at 2').verdict).toBe('inconclusive');
    const { verdicts, tables } = smallBatch.analyse([], { ...OPTIONS, norms: ['layer'] });
    expect(verdicts).toEqual([]);
    expect(tables[0]!.rows).toEqual([['layer norm', '-', '-', '-']]);
  });
});

describe('a run of small-batch', () => {
  const smaller = { samples: 64, epochs: 1 };

  it.each(['local', 'sync', 'group', 'layer', 'none'])(
    'with norm %s measures finite numbers',
    async (norm) => {
      const where = { norm: 'local', replicaBatch: 8, replicas: 8 };
      const run = await tinyRun(smallBatch, where, { ...smaller, norm, replicas: 2 });
      expect(numbersOf(run).every(Number.isFinite)).toBe(true);
      expect(run.values.testError).toBeLessThanOrEqual(1);
    },
  );

  it('gives the same numbers on one worker and on two', async () => {
    const where = { norm: 'sync', replicaBatch: 8 };
    const [one, two] = [
      await tinyRun(smallBatch, where, smaller, 1),
      await tinyRun(smallBatch, where, smaller, 2),
    ];
    expect(two.values).toEqual(one.values);
  });
});

describe('sync-group', () => {
  it('plans each group size with the same samples, rate, replicas, and timings', () => {
    const plan = syncGroup.plan(OPTIONS);
    const errors = plan.filter((s) => s.settings.kind === 'error');
    expect(new Set(errors.map((s) => s.settings.groupSize))).toEqual(new Set([1, 4, 16]));
    const rest = errors.map(({ settings }) => ({ ...settings, groupSize: 0, seed: 0 }));
    for (const settings of rest) expect(settings).toEqual(rest[0]);
    expect(plan.filter((s) => s.settings.kind === 'times')).toHaveLength(OPTIONS.seeds);
  });

  it('confirms a gain and a small cost, and refutes their opposites', () => {
    const resultsOf = (gains: boolean, costs: number): RunResult[] =>
      madeUp(syncGroup, (s) =>
        s.kind === 'error'
          ? {
              values: { testError: (s.groupSize === 1) === gains ? 0.4 + wiggle(s) / 100 : 0.2 },
            }
          : { timings: { stepMs1: 1, stepMs4: costs, stepMs16: costs + wiggle(s) / 100 } },
      );
    for (const part of ['among all 16', 'Groups of 4', 'takes less than']) {
      expect(verdictOn(syncGroup, resultsOf(true, 1.01), part).verdict).toBe('confirmed');
      expect(verdictOn(syncGroup, resultsOf(false, 2), part).verdict).toBe('refuted');
      expect(verdictOn(syncGroup, [], part).verdict).toBe('inconclusive');
    }
  });

  it('runs with any group size, and times all sizes alternately', async () => {
    const smaller = { samples: 128, epochs: 1, replicas: 4 };
    for (const groupSize of [1, 4]) {
      const run = await tinyRun(syncGroup, { groupSize: 4 }, { ...smaller, groupSize });
      expect(numbersOf(run).every(Number.isFinite)).toBe(true);
    }
    const fewer = { replicas: 4, groups: '1 2 4', windows: 2 };
    const { values, timings } = await tinyRun(syncGroup, { kind: 'times' }, fewer);
    expect(values.timedSteps).toBe(20);
    expect(Object.keys(timings)).toEqual(['stepMs1', 'stepMs2', 'stepMs4']);
    expect(Math.min(...Object.values(timings))).toBeGreaterThan(0);
  });
});

describe('precise', () => {
  it('confirms and refutes by the measurements', () => {
    const resultsOf = (way: string): RunResult[] =>
      madeUp(precise, (s) => ({
        values: {
          running: 20 + wiggle(s),
          precise: (way === 'better' ? 15 : 25) + wiggle(s) / 2,
          corrected: (way === 'better' ? 10 : 30) + wiggle(s) / 3,
        },
      }));
    for (const part of ['2, PreciseBN', '2, counting the sample in has the', 'than PreciseBN']) {
      expect(verdictOn(precise, resultsOf('better'), part).verdict).toBe('confirmed');
      expect(verdictOn(precise, resultsOf('worse'), part).verdict).toBe('refuted');
      expect(verdictOn(precise, [], part).verdict).toBe('inconclusive');
    }
  });

  it('measures three errors of one training run', async () => {
    const smaller = { samples: 64, epochs: 1, replicas: 2, measuredBatches: 2 };
    const { values } = await tinyRun(precise, { replicaBatch: 2 }, smaller);
    for (const way of ['running', 'precise', 'corrected']) {
      expect(values[way]).toBeGreaterThanOrEqual(0);
      expect(values[way]).toBeLessThanOrEqual(100);
    }
  });
});
