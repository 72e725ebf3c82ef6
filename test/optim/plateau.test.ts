// The plateau schedule against PyTorch 1.13's ReduceLROnPlateau, whose rates stand here.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { isBetter } from '../../src/optim/monitor.ts';
import { afterEpoch, type PlateauOptions, plateau } from '../../src/optim/plateau.ts';
import { parseSchedule } from '../../src/optim/schedule.ts';

const LOSSES = [1, 0.9, 0.89995, 0.8999, 0.95, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.1];

function ratesOf(options: PlateauOptions, values: readonly number[]): readonly number[] {
  const schedule = plateau(options);
  let state = { value: null as number | null, badEpochs: 0, learningRate: 0.1 };
  return values.map((value) => {
    state = afterEpoch(schedule, state, value);
    return state.learningRate;
  });
}

describe('a plateau schedule', () => {
  it.each([
    [
      { patience: 1, factor: 0.5, minLr: 0.02 },
      LOSSES,
      [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.02, 0.02, 0.02],
    ],
    [
      { monitor: 'accuracy', patience: 2 },
      [0.5, 0.6, 0.6, 0.60001, 0.59, 0.7, 0.7, 0.7, 0.7],
      [0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.001],
    ],
    [
      { patience: 0, factor: 0.3, threshold: 0.1 },
      LOSSES.slice(0, 6),
      [0.1, 0.03, 0.03, 0.009, 0.0027, 0.0027],
    ],
  ] as const)('has the rates of PyTorch with %j', (options, values, expected) => {
    for (const [i, rate] of ratesOf(options, values).entries()) {
      expect(rate).toBeCloseTo(expected[i]!, 14);
    }
  });

  it('treats a value that is not finite as no improvement', () => {
    expect(ratesOf({ patience: 1 }, [Number.NaN, Infinity, 1])).toEqual([
      0.1,
      0.1 * 0.1,
      0.1 * 0.1,
    ]);
    expect(isBetter('accuracy', Number.NaN, null, 0)).toBe(false);
  });

  it('survives plain data unchanged, and refuses impossible values', () => {
    const whole = plateau({ monitor: 'accuracy', patience: 3, warmupSteps: 2 });
    expect(parseSchedule(whole)).toEqual(whole);
    for (const wrong of [{ factor: 1 }, { patience: -1 }, { monitor: 'test' }, { minLr: -1 }]) {
      expect(() => plateau(wrong as PlateauOptions)).toThrow(UsageError);
    }
  });
});
