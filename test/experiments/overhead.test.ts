// The experiment `overhead`: its plan, its verdicts on made-up times, and a short run.

import { describe, expect, it } from 'vitest';
import type { PlainRecord, RunResult } from '../../src/experiments/engine/experiment.ts';
import { overhead } from '../../src/experiments/runs/overhead.ts';
import { madeUp, numbersOf, settingsOf, tinyRun, verdictOn, wiggle } from '../support/madeUp.ts';

/** Step times in ms; without a norm it is 1. */
function withTimes(
  times: (settings: PlainRecord) => { local: number; sync: number; group: number },
): RunResult[] {
  return madeUp(overhead, (settings) => {
    const { local, sync, group } = times(settings);
    const factor = 1 + wiggle(settings);
    return {
      timings: {
        noneStepMs: 1,
        localStepMs: local * factor,
        syncStepMs: sync * factor,
        groupStepMs: group * factor,
      },
    };
  });
}

describe('the plan of overhead', () => {
  it('has every batch and width for each repetition, all different', () => {
    const settings = settingsOf(overhead, { quick: false, seeds: 3, data: 'made up' });
    expect(settings).toHaveLength(3 * 2 * 3);
    expect(new Set(settings).size).toBe(settings.length);
  });
});

describe('the verdicts of overhead', () => {
  it('confirm an expensive norm, and a synchronization cost that large batches amortize', () => {
    const results = withTimes(({ replicaBatch }) => ({
      local: 1.5,
      sync: replicaBatch === 2 ? 3 : 1.6,
      group: 1.2,
    }));
    for (const words of ['a tenth', 'extra time', 'falls with the batch', 'is cheaper']) {
      expect(verdictOn(overhead, results, words).verdict).toBe('confirmed');
    }
  });

  it('refute a cheap norm, a free synchronization, and an expensive group norm', () => {
    const results = withTimes(() => ({ local: 1.05, sync: 1.02, group: 1.3 }));
    for (const words of ['a tenth', 'extra time', 'is cheaper']) {
      expect(verdictOn(overhead, results, words).verdict).toBe('refuted');
    }
  });

  it('are inconclusive for equal and for missing measurements', () => {
    const results = withTimes(() => ({ local: 1.2, sync: 1.2, group: 1.2 }));
    expect(verdictOn(overhead, results, 'falls with the batch').verdict).toBe('inconclusive');
    expect(verdictOn(overhead, [], 'a tenth').verdict).toBe('inconclusive');
  });
});

describe('a run of overhead', () => {
  it('times every norm and never reports a time as a repeatable value', async () => {
    const run = await tinyRun(overhead, {}, { windows: 2, steps: 2 });
    expect(run.values).toEqual({ timedSteps: 4 });
    expect(Object.keys(run.timings)).toHaveLength(4);
    expect(numbersOf(run).every((value) => value > 0 && Number.isFinite(value))).toBe(true);
  });
});
