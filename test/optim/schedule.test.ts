// Schedules against PyTorch's schedulers and in closed form.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { learningRateAt } from '../../src/optim/learningRate.ts';
import { parseSchedule, type ScheduleSpec, schedules } from '../../src/optim/schedule.ts';
import { loadGoldenSchedules } from '../support/golden/load.ts';

const { constant, cosine, exponential, oneCycle, points, polynomial, step, warmRestarts } =
  schedules;
const TOTAL = 100;
const RUN = { totalSteps: TOTAL, stepsPerEpoch: 10 };
const ratesOf = (schedule: ScheduleSpec, steps: readonly number[], base = 1): number[] =>
  steps.map((at) => learningRateAt(schedule, base, at, RUN));
const golden = loadGoldenSchedules();

describe('schedule specs', () => {
  it('have all their fields filled in', () => {
    expect([constant(), step({ stepSize: 5 }), step({ milestones: [3, 9] }), cosine()]).toEqual([
      { kind: 'constant', warmupSteps: 0 },
      { kind: 'step', gamma: 0.1, milestones: null, stepSize: 5, warmupSteps: 0 },
      { kind: 'step', gamma: 0.1, milestones: [3, 9], stepSize: null, warmupSteps: 0 },
      { kind: 'cosine', minLr: 0, warmupSteps: 0 },
    ]);
  });

  it('survive plain data, such as a file, unchanged', () => {
    const sized = step({ stepSize: 5, gamma: 0.5, warmupSteps: 3 });
    const listed = step({ milestones: [3, 9] });
    const curve = cosine({ minLr: 1e-5, warmupSteps: 2 });
    expect([sized, listed, curve].map(parseSchedule)).toEqual([sized, listed, curve]);
  });

  it('refuse invalid options', () => {
    for (const wrong of [
      () => constant({ warmupSteps: -1 }),
      () => constant({ warmupSteps: 1.5 }),
      () => step({}),
      () => step({ milestones: [5], stepSize: 5 }),
      () => step({ milestones: [5, 5] }),
      () => step({ milestones: [0] }),
      () => step({ stepSize: 0 }),
      () => step({ stepSize: 5, gamma: 0 }),
      () => step({ stepSize: 5, unit: 'epoch' as 'epochs' }),
      () => constant({ warmupSteps: 5, warmupEpochs: 1 }),
      () => exponential({ gamma: 0 }),
      () => polynomial({ power: 0 }),
      () => oneCycle({ pctStart: 1 }),
      () => oneCycle({ divFactor: 0.5 }),
      () => warmRestarts({ period: 0 }),
      () => warmRestarts({ period: 5, multiplier: 1.5 }),
      () => points({ points: [] }),
      () =>
        points({
          points: [
            [5, 1],
            [5, 2],
          ],
        }),
      () => points({ points: [[0, -1]] }),
      () => cosine({ minLr: -1 }),
      () => cosine({ minLr: Number.NaN }),
    ]) {
      expect(wrong).toThrow(UsageError);
    }
  });
});

describe('learningRateAt', () => {
  it.each(golden.runs)("has PyTorch's rates: $name", ({ schedule, rates }) => {
    const { baseLr, steps: totalSteps, stepsPerEpoch } = golden;
    const spec = parseSchedule(schedule);
    expect(rates.length).toBe(totalSteps);
    for (const [at, rate] of rates.entries()) {
      const found = learningRateAt(spec, baseLr, at, { totalSteps, stepsPerEpoch });
      expect(Math.abs(found - rate), `step ${at}`).toBeLessThan(1e-12);
    }
  });

  it('is linear between points, and constant at the ends', () => {
    const schedule = points({
      points: [
        [10, 0.5],
        [20, 1],
        [60, 0],
      ],
    });
    expect(ratesOf(schedule, [0, 10, 15, 20, 40, 60, 99], 2)).toEqual([1, 1, 1.5, 2, 1, 0, 0]);
    const byEpochs = points({
      points: [
        [0, 0],
        [2.5, 1],
      ],
      unit: 'epochs',
    });
    expect(ratesOf(byEpochs, [0, 5, 25, 30])).toEqual([0, 0.2, 1, 1]);
  });

  it('restarts after the given number of epochs', () => {
    const schedule = warmRestarts({ period: 2, multiplier: 2, unit: 'epochs' });
    expect(ratesOf(schedule, [0, 10, 20, 40, 60])).toEqual([1, 0.5, 1, 0.5, 1]);
  });

  it('of a single step is defined in every schedule', () => {
    const run = { totalSteps: 1, stepsPerEpoch: 1 };
    expect(learningRateAt(oneCycle({ divFactor: 1, finalDivFactor: 1 }), 1, 0, run)).toBe(1);
    expect(learningRateAt(polynomial(), 1, 0, run)).toBe(1);
  });

  it('is the base rate in every step of a constant schedule', () => {
    expect(ratesOf(constant(), [0, 50, 99], 0.3)).toEqual([0.3, 0.3, 0.3]);
  });

  it('falls by gamma after every stepSize steps', () => {
    const rates = ratesOf(step({ stepSize: 10, gamma: 0.5 }), [0, 9, 10, 19, 20, 35]);
    expect(rates).toEqual([1, 1, 0.5, 0.5, 0.25, 0.125]);
  });

  it('falls by gamma at each milestone', () => {
    const rates = ratesOf(step({ milestones: [30, 60], gamma: 0.5 }), [0, 29, 30, 59, 60, 99]);
    expect(rates).toEqual([1, 1, 0.5, 0.5, 0.25, 0.25]);
  });

  it('follows half a cosine from the base rate to minLr', () => {
    const rates = ratesOf(cosine({ minLr: 0.25 }), [0, 50, 100, 1000]);
    expect(rates).toEqual([1, 0.625, 0.25, 0.25]);
    for (let at = 0; at < TOTAL; at++) {
      const expected = (1 + Math.cos((Math.PI * at) / TOTAL)) / 2;
      expect(learningRateAt(cosine(), 1, at, RUN)).toBeCloseTo(expected, 14);
    }
  });

  it.each([
    ['constant', constant({ warmupSteps: 4 })],
    ['step', step({ stepSize: 50, warmupSteps: 4 })],
    ['cosine', cosine({ warmupSteps: 4 })],
    ['a share of an epoch', constant({ warmupEpochs: 0.4 })],
    ['polynomial', polynomial({ warmupSteps: 4 })],
    ['warm restarts', warmRestarts({ period: 9, warmupSteps: 4 })],
  ])('rises linearly over the warmup to the base rate: %s', (_name, schedule) => {
    expect(ratesOf(schedule, [0, 1, 2, 3, 4])).toEqual([0.25, 0.5, 0.75, 1, 1]);
  });

  it('ends the cosine at the end of training, for any warmup', () => {
    const schedule = cosine({ warmupSteps: 20 });
    expect(ratesOf(schedule, [20, 60, 100])).toEqual([1, 0.5, 0]);
    const short = { totalSteps: 20, stepsPerEpoch: 20 };
    expect(learningRateAt(cosine({ warmupSteps: 20 }), 1, 20, short)).toBe(0);
  });
});
