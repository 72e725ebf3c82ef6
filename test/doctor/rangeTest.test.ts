// The learning-rate range test: what it reads from curves of known shape, and its losses against an
// ordinary training with the same rates.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { adviseRate, type RangePoint } from '../../src/doctor/rangeAdvice.ts';
import { rangeTest } from '../../src/doctor/rangeTest.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { exponential } from '../../src/optim/decays.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';

/** A curve over the rates 10^-4, 10^-3, ... */
function curve(...losses: readonly number[]): readonly RangePoint[] {
  return losses.map((loss, i) => ({
    ...{ step: i + 1, learningRate: 10 ** (i - 4), loss, smoothedLoss: loss },
  }));
}

describe('the advice', () => {
  it('is the rate of the fastest fall, and a tenth of the rate of the blow-up', () => {
    const advice = adviseRate(curve(2, 2, 1.9, 1.2, 0.9, 1, 4));
    expect(advice.steepest).toBeCloseTo(0.1, 12);
    expect(advice.lowest).toBe(1);
    expect(advice.blowUp).toBe(100);
    expect(advice.belowBlowUp).toBe(10);
  });

  it('treats a loss that is not finite as a blow-up', () => {
    expect(adviseRate(curve(2, 1.5, 1, Number.NaN)).blowUp).toBeCloseTo(0.1, 12);
  });

  it('has no bound if the loss does not blow up, and no slope if it never falls', () => {
    const falling = adviseRate(curve(3, 2, 1));
    expect([falling.blowUp, falling.belowBlowUp]).toEqual([undefined, undefined]);
    expect(adviseRate(curve(1, 2, 3)).steepest).toBeUndefined();
  });
});

const data = synthetic({ train: 45, test: 0, shape: [6], classes: 3, seed: 1 });
const trainer = {
  ...{ model: sequential([linear(6, 3)]), data, globalBatch: 20, replicas: 1, workers: 1 },
  optimizer: sgd({ lr: 1, momentum: 0.9 }),
};

describe('a range test', () => {
  it('has the rates and losses of a training with an exponential schedule', async () => {
    const [steps, from, to] = [12, 1e-3, 1];
    const { points } = await rangeTest({ trainer, steps, from, to, smoothing: 0 });
    expect(points.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
    for (const { step, learningRate } of points) {
      expect(learningRate).toBeCloseTo(from * (to / from) ** ((step - 1) / (steps - 1)), 12);
    }
    const schedule = exponential({ gamma: (to / from) ** (1 / (steps - 1)) });
    const plain = await Trainer.start({
      ...trainer,
      optimizer: sgd({ lr: from, momentum: 0.9 }),
      schedule,
    });
    try {
      let step = 0;
      for await (const { loss } of plain.fit({ epochs: 4 })) {
        const sizes = [20, 20, 5];
        const sum = sizes.reduce((total, size) => total + size * points[step++]!.smoothedLoss, 0);
        expect(sum / 45).toBeCloseTo(loss, 10);
      }
      expect(step).toBe(steps);
    } finally {
      await plain.close();
    }
  });

  it('stops when the loss blows up', async () => {
    const { points, advice } = await rangeTest({ trainer, steps: 40, from: 1e-2, to: 1e9 });
    expect(points.length).toBeLessThan(40);
    expect(advice.blowUp).toBe(points.at(-1)!.learningRate);
  });

  it('refuses options that do not make a valid test', async () => {
    for (const wrong of [{ steps: 9 }, { from: 1, to: 1 }, { from: 0 }, { smoothing: 1 }]) {
      await expect(rangeTest({ trainer, ...wrong })).rejects.toThrow(UsageError);
    }
  });
});
