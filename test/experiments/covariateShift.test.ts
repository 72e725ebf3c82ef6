// The experiment `covariate-shift`: its distances and landscapes in closed form, its verdicts on
// made-up numbers, and a short run.

import { describe, expect, it } from 'vitest';
import type { RunResult } from '../../src/experiments/engine/experiment.ts';
import { covariateShift } from '../../src/experiments/runs/covariateShift.ts';
import { LISTS } from '../../src/experiments/runs/covariateShiftAnalysis.ts';
import { distancesOf, distributionOf } from '../../src/experiments/runs/inputDistributions.ts';
import { landscapeAt } from '../../src/experiments/runs/landscape.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { bindProbe } from '../../src/runtime/probe.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import {
  madeUp,
  numbersOf,
  settingsOf,
  TINY_DATA,
  tinyRun,
  verdictOn,
  wiggle,
} from '../support/madeUp.ts';

describe('distances of distributions', () => {
  /** Two channels of 0, 1, ..., 255, moved and stretched. */
  const ramp = (move: number, stretch = 1): Float32Array =>
    Float32Array.from({ length: 512 }, (_, i) => move + stretch * Math.floor(i / 2));
  const std = Math.sqrt((256 ** 2 - 1) / 12);

  it('are the movement of values, in standard deviations, in any order', () => {
    const a = distributionOf(ramp(0), 2);
    const { shift, mean, std: stds } = distancesOf(a, distributionOf(ramp(10).toReversed(), 2));
    expect(shift).toBeCloseTo(10 / std, 5);
    expect(mean).toBeCloseTo(10 / std, 5);
    expect(stds).toBeCloseTo(0, 5);
    expect(distancesOf(a, a)).toEqual({ shift: 0, mean: 0, std: 0 });
  });

  it('do not depend on the unit, and detect a change of the spread', () => {
    const [a, b] = [distributionOf(ramp(0), 2), distributionOf(ramp(0, 3), 2)];
    const scale = Math.sqrt((1 + 9) / 2);
    expect(distancesOf(a, b).std).toBeCloseTo(2 / scale, 5);
    const thousand = [distributionOf(ramp(0, 1000), 2), distributionOf(ramp(0, 3000), 2)] as const;
    expect(distancesOf(...thousand).shift).toBeCloseTo(distancesOf(a, b).shift, 5);
  });
});

const model = sequential([flatten(), linear(64, 6), batchNorm(6, { sync: 'all' }), linear(6, 4)]);
const run = { model, data: TINY_DATA, optimizer: sgd({ lr: 0.5 }), replicas: 2, seed: 3 };

describe('a probe', () => {
  it('has the loss and gradient of a trainer after one step on the same batch', async () => {
    const probe = bindProbe(run);
    const before = probe.parameters.slice();
    const loss = probe.run();
    await using trainer = await Trainer.start({ ...run, globalBatch: 128, workers: 1 });
    for await (const progress of trainer.fit({ epochs: 1 })) {
      expect(progress.loss).toBeCloseTo(loss, 12);
    }
    const gradient = probe.gradients.slice();
    probe.load(trainer.weights());
    for (const [i, value] of probe.parameters.entries()) {
      expect(value).toBeCloseTo(before[i]! - 0.5 * gradient[i]!, 6);
    }
  });

  it('shows the input of each layer with a weight', () => {
    const probe = bindProbe(run);
    const seen: number[][] = [];
    probe.run((layer, inputs) => seen.push([layer, inputs.length]));
    expect(probe.layers.map(({ path }) => path)).toEqual(['1.linear', '3.linear']);
    expect(seen).toEqual([
      [0, 128 * 64],
      [1, 128 * 6],
    ]);
  });

  it('looks along the gradient, and restores the weights', () => {
    const probe = bindProbe(run);
    const before = probe.parameters.slice();
    const near = landscapeAt(probe, 1e-4);
    expect(probe.parameters).toEqual(before);
    probe.run();
    const square = probe.gradients.reduce((sum, value) => sum + value ** 2, 0);
    // The loss falls by the rate times the square of the gradient, to first order.
    expect(near.lossRange / (4e-4 * square)).toBeCloseTo(1, 1);
    expect(near.relativeChange).toBeCloseTo(near.gradientChange / Math.sqrt(square), 6);
    expect(landscapeAt(probe, 1e-1).gradientChange).toBeGreaterThan(near.gradientChange);
  });
});

describe('the verdicts of covariate-shift', () => {
  const words = [
    'from step to step',
    'over the whole training',
    'second half',
    'the means of inputs',
    'standard deviations',
    'the loss varies less',
    'changes less along it, against',
    'lessens the shift',
  ];
  const resultsWith = (none: number, sync: number): RunResult[] =>
    madeUp(covariateShift, (s) => {
      const value = (s.norm === 'none' ? none : sync) * (1 + wiggle(s));
      const lists = Object.fromEntries(LISTS.map((name) => [name, [value, value]]));
      return { values: { ...lists, loss: 1 } };
    });

  it('confirm the textbook if it is right, and refute it if not', () => {
    const [so, not] = [resultsWith(1, 0.1), resultsWith(0.1, 1)];
    for (const part of words) {
      expect(verdictOn(covariateShift, so, part).verdict).toBe('confirmed');
      expect(verdictOn(covariateShift, not, part).verdict).toBe('refuted');
      expect(verdictOn(covariateShift, [], part).verdict).toBe('inconclusive');
    }
  });

  it('has the same steps and looks with and without batch norm', () => {
    const settings = settingsOf(covariateShift);
    expect(new Set(settings).size).toBe(6);
    const rest = settings.map((text) => text.replace(/"(none|sync)"/, '').replace(/"seed":\d/, ''));
    expect(new Set(rest).size).toBe(1);
  });
});

describe('a run of covariate-shift', () => {
  it.each(['none', 'sync'])('with norm %s measures each layer at each look', async (norm) => {
    const found = await tinyRun(covariateShift, { norm }, { steps: 4, every: 2 });
    expect(numbersOf(found).every(Number.isFinite)).toBe(true);
    const lengthOf = (list: string): number => (found.values[list] as number[]).length;
    // Inputs of five convolutions and the last layer; looks at steps 0, 2 and 4.
    expect(['drift', 'stepShift', 'gradientShift'].map(lengthOf)).toEqual([6, 6, 6]);
    expect(['driftByLook', 'stepShiftByLook', 'lossRange'].map(lengthOf)).toEqual([3, 2, 3]);
    expect((found.values.driftByLook as number[])[0]).toBe(0);
    expect((found.values.stepShift as number[]).every((shift) => shift > 0)).toBe(true);
  });
});
