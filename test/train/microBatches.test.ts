// Micro-batches decide no bit: weights, running statistics, losses and outputs are those of the
// batch as a whole, with everything in the arena and with as much as possible parked beside it.

import { describe, expect, it } from 'vitest';
import { fillArena, hashState, stateTensors } from '../../src/checkpoint/state.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { storeSamples } from '../../src/data/stored/storeSamples.ts';
import { compileKernels } from '../../src/kernels/load.ts';
import { createArena, viewOf } from '../../src/memory/arena.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { dropout } from '../../src/nn/specs/dropout.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm, groupNorm } from '../../src/nn/specs/norms.ts';
import { globalAvgPool, maxPool } from '../../src/nn/specs/pools.ts';
import { gru, lstm } from '../../src/nn/specs/recurrent.ts';
import { reshape } from '../../src/nn/specs/reshape.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { planRun } from '../../src/plan/plan.ts';
import { resolveOptions, type TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { bindWorker } from '../../src/train/worker.ts';

const STEPS = 4;
const BATCH = 16;
/** Of 40 samples the last batch has 8. */
const data = synthetic({ train: 40, test: 24, shape: [6, 6, 2], classes: 3, seed: 2 });

const conv = (from: number, to: number, stride = 1): LayerSpec =>
  conv2d(from, to, { kernel: 3, padding: 1, stride, bias: false });

/** Norms in a row, side by side, and below an add. */
const small = (norm: (channels: number) => LayerSpec): LayerSpec =>
  sequential([
    conv(2, 4),
    norm(4),
    relu(),
    residual(
      sequential([conv(4, 8, 2), norm(8), relu(), conv(8, 8), norm(8)]),
      sequential([conv(4, 8, 2), norm(8)]),
    ),
    relu(),
    maxPool({ kernel: 2 }),
    globalAvgPool(),
    dropout(0.25),
    linear(8, 3),
  ]);
const sequences = (layer: LayerSpec): LayerSpec =>
  sequential([reshape([6, 12]), layer, linear(5, 3)]);

const base = {
  data: data as Dataset,
  model: small((channels) => batchNorm(channels, { sync: 'all' })),
  optimizer: sgd({ lr: 0.1, momentum: 0.9 }),
  globalBatch: BATCH,
  replicas: 4,
  augmentation: { shift: 1, flip: true },
  workers: 1,
} satisfies TrainerOptions;

/** What a run on the calling thread comes to. */
function trained(change: Partial<TrainerOptions>, arenaBytes?: number) {
  const config = resolveOptions({ ...base, ...change });
  const plan = planRun({ ...config, ...(arenaBytes !== undefined && { arenaBytes }) });
  const memory = createArena(plan.layout);
  fillArena(plan, memory);
  const samples = storeSamples(change.data ?? base.data, plan.config);
  const worker = bindWorker({ plan, module: compileKernels('fast'), memory, samples, rank: 0 });
  worker.train(0, STEPS, 10);
  worker.evaluate('test');
  const { control, inference } = plan.regions;
  const result = {
    state: hashState(stateTensors(plan, memory)),
    losses: [...viewOf(memory, control.epochSums)],
    evaluated: [...viewOf(memory, inference.evaluated)],
  };
  return { plan, result, memory, worker };
}

const cases: readonly (readonly [string, Partial<TrainerOptions>])[] = [
  ['norms over all replicas', {}],
  ['groups of 2 replicas', { model: small((c) => batchNorm(c, { sync: 2 })) }],
  ['local norms', { model: small((c) => batchNorm(c)) }],
  ['group norms', { model: small((c) => groupNorm(2, c)) }],
  ['batch renormalization', { model: small((c) => batchRenorm(c, { sync: 'all' })) }],
  [
    'norms that evaluate by the batch',
    { model: small((c) => batchNorm(c, { sync: 'all', trackRunningStats: false })) },
  ],
  [
    'norms by running statistics that move',
    { batchNorm: [{ statistics: 'running', updateStatistics: true }] },
  ],
  ['virtual batches', { model: small((c) => batchNorm(c, { virtualBatch: 2 })) }],
  ['a recurrent layer', { model: sequences(gru(12, 5)) }],
  [
    'a recurrent layer with norms',
    { model: sequences(lstm(12, 5, { norm: 'batch', sync: 'all' })) },
  ],
  ['weights and mixed samples', { augmentation: { mixup: 0.4 } }],
];

describe.each(cases)('micro-batches of a model with %s', (_name, change) => {
  const whole = trained(change).result;

  it.each([2, 3, 8])('in %d parts have the bits of the whole batch', (microBatches) => {
    const { plan, result } = trained({ ...change, microBatches });
    expect(plan.workers[0]!.microBatches.length).toBeGreaterThan(1);
    expect(result).toEqual(whole);
  });

  it('have the same bits when parked', () => {
    const { plan, result } = trained({ ...change, microBatches: 4 }, 0);
    expect(plan.parkedBytes > 0).toBe(plan.workers[0]!.schedule.length > 1);
    expect(result).toEqual(whole);
  });
});

describe('micro-batches', () => {
  it('give the same population statistics', () => {
    const hashes = ([{}, { microBatches: 3 }] as const).map((change) => {
      const { plan, memory, worker } = trained(change, 0);
      worker.measure(STEPS, 3, 'pooled');
      return hashState(stateTensors(plan, memory));
    });
    expect(hashes[1]).toEqual(hashes[0]);
  });

  it('give the same diagnostics', () => {
    const model = small((channels) => batchNorm(channels, { sync: 2 }));
    const found = [1, 3, 8].map((microBatches) => {
      const { plan, memory } = trained({ model, microBatches, diagnosticsEvery: 1 }, 0);
      return [
        [...viewOf(memory, plan.diagnostics!.results)],
        [...viewOf(memory, plan.gradientNorms!.squares)],
      ];
    });
    expect(found[0]![0]!.some((value) => value > 0)).toBe(true);
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).toEqual(found[0]);
  });

  it('diverge at the same place', () => {
    const found = [1, 2, 8].map((microBatches) => {
      const optimizer = sgd({ lr: 1e30 });
      const { worker } = trained({ optimizer, microBatches }, 0);
      return worker.train(0, STEPS, 10);
    });
    expect(found[0]!.divergence?.found).toBeDefined();
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).toEqual(found[0]);
  });
});
