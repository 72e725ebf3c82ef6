// The closed form of the mixture, through the real layer (src/norm/evalCorrection.ts).

import { describe, expect, it } from 'vitest';
import type { NamedValues } from '../../src/checkpoint/foldNorm.ts';
import { fillArena, stateTensors, weightName, weightsOf } from '../../src/checkpoint/state.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { storeSamples } from '../../src/data/stored/storeSamples.ts';
import { compileKernels } from '../../src/kernels/load.ts';
import { createArena, viewOf } from '../../src/memory/arena.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import type { EvalCorrection } from '../../src/plan/evalCorrection.ts';
import { planRun } from '../../src/plan/plan.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import { bindWorker } from '../../src/train/worker.ts';

const POSITIONS = 2;
const CHANNELS = 3;
const EPS = 1e-3;
const inputShape = [1, POSITIONS, CHANNELS];
const mean = [0.5, -1, 1000];
const variance = [2, 0.25, 9];
// Two samples of two positions; in the last channel the mean is large.
const x = [1, -1, 1003, 4, 2, 999, 0.5, 8, 1000, 0.5, -8, 1010];

type Values = Float32Array | Float64Array;

/** What evaluation gives for the inputs, with these running statistics. */
function outputsWith(evalCorrection: EvalCorrection | undefined): Float32Array {
  const classes = POSITIONS * CHANNELS;
  const data = synthetic({ train: 6, test: 0, shape: inputShape, classes });
  const plain = { mean: [0, 0, 0], std: [1, 1, 1], inputType: 'f32' } as const;
  const dataset = { ...data, ...plain, train: asFloats(data) };
  const config = resolveOptions({
    model: sequential([batchNorm(CHANNELS, { eps: EPS }), flatten()]),
    data: dataset,
    optimizer: sgd({ lr: 0.1 }),
    replicas: 2,
    workers: 1,
    globalBatch: 8,
    mode: 'strict',
    ...(evalCorrection !== undefined && { evalCorrection }),
  });
  const shape = [CHANNELS];
  const weights: NamedValues = new Map([
    ['0.batchNorm.weight', { shape, values: Float32Array.of(1, 2, 0.5) }],
    ['0.batchNorm.bias', { shape, values: Float32Array.of(0, 1, -1) }],
    ['0.batchNorm.runningMean', { shape, values: Float64Array.from(mean) }],
    ['0.batchNorm.runningVar', { shape, values: Float64Array.from(variance) }],
  ] as readonly [string, { shape: number[]; values: Values }][]);
  const plan = planRun(config);
  const memory = createArena(plan.layout);
  fillArena(plan, memory);
  for (const tensor of weightsOf(stateTensors(plan, memory))) {
    tensor.values.set(weights.get(weightName(tensor))?.values ?? []);
  }
  const samples = storeSamples(dataset, config);
  const module = compileKernels(config.mode);
  const { inputs, outputs } = plan.regions.inference;
  viewOf(memory, inputs).set(x);
  bindWorker({ plan, module, memory, samples, rank: 0 }).predict(2);
  return viewOf(memory, outputs).slice(0, x.length) as Float32Array;
}

function asFloats({ train }: ReturnType<typeof synthetic>) {
  return { ...train, inputs: Float32Array.from(train.inputs) };
}

/** The formula: moments of the mixture of the sample, with weight a, and the running ones. */
function exactly(a: number): number[] {
  return x.map((value, i) => {
    const c = i % CHANNELS;
    const first = i - (i % (POSITIONS * CHANNELS)) + c;
    const own = [x[first]!, x[first + CHANNELS]!];
    const ownMean = (own[0]! + own[1]!) / 2;
    const ownVar = ((own[0]! - ownMean) ** 2 + (own[1]! - ownMean) ** 2) / 2;
    const mixed = a * ownMean + (1 - a) * mean[c]!;
    const spread = a * (ownMean - mixed) ** 2 + (1 - a) * (mean[c]! - mixed) ** 2;
    const mixedVar = a * ownVar + (1 - a) * variance[c]! + spread;
    const weight = [1, 2, 0.5][c]!;
    return ((value - mixed) / Math.sqrt(mixedVar + EPS)) * weight + [0, 1, -1][c]!;
  });
}

function expectNear(found: Float32Array, expected: readonly number[]): void {
  const scale = Math.max(...expected.map(Math.abs));
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(found[i]! - value), `[${i}]`).toBeLessThanOrEqual(scale * 2 ** -22);
  }
}

describe('evaluation with a correction', () => {
  it.each([0.01, 0.25, 0.5, 1])('with weight %d uses the moments of the mixture', (weight) => {
    expectNear(outputsWith(weight), exactly(weight));
  });

  it('with weight 0 has the bits of evaluation without it', () => {
    expect(outputsWith(0)).toEqual(outputsWith(undefined));
    expectNear(outputsWith(0), exactly(0));
  });

  it('set to auto gives a sample the weight that it has in its replica', () => {
    expect(outputsWith('auto')).toEqual(outputsWith(1 / 4));
  });

  it.each([-0.1, 1.1, Number.NaN, 'always'])('of %s is refused', (weight) => {
    expect(() => outputsWith(weight as number)).toThrow(
      /^evalCorrection: expected .*from 0 to 1.*, got /,
    );
  });
});
