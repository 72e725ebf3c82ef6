import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import type { NumericMode } from '../../src/kernels/builds.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { add, concat, type GraphValue, graph, multiply } from '../../src/nn/models/graphBuilder.ts';
import { activations } from '../../src/nn/specs/activations.ts';
import { adaptiveAvgPool, adaptiveMaxPool } from '../../src/nn/specs/adaptivePools.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { conv1d } from '../../src/nn/specs/conv1d.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { convTranspose2d } from '../../src/nn/specs/convTranspose2d.ts';
import { custom } from '../../src/nn/specs/custom.ts';
import { dropout, dropout2d, dropPath } from '../../src/nn/specs/dropout.ts';
import { filterResponseNorm } from '../../src/nn/specs/filterResponseNorm.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { crossEntropy } from '../../src/nn/specs/losses.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../src/nn/specs/norms.ts';
import { pad } from '../../src/nn/specs/pad.ts';
import { avgPool, globalAvgPool, globalMaxPool, maxPool } from '../../src/nn/specs/pools.ts';
import { avgPool1d, maxPool1d } from '../../src/nn/specs/pools1d.ts';
import { gru, lstm, rnn } from '../../src/nn/specs/recurrent.ts';
import { reshape } from '../../src/nn/specs/reshape.ts';
import { rmsNorm } from '../../src/nn/specs/rmsNorm.ts';
import { slice } from '../../src/nn/specs/slice.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { upsample } from '../../src/nn/specs/upsample.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { testValues } from '../support/kernelFixture.ts';

const { elu, gelu, hardSigmoid, hardSwish, leakyRelu, prelu } = activations;
const { relu, relu6, sigmoid, silu, softmax, tanh } = activations;

// 24 samples in batches of 7 over 5 replicas: shards of 2, 2, 1, 1, 1 in three steps, then of 1, 1,
// 1, 0, 0.
const SAMPLES = 24;
const BATCH = 7;
const REPLICAS = 5;
const WORKERS = [1, 3];
const CLASSES = 3;
const IMAGE = [6, 5, 4];
const FEATURES = 6 * 5 * 4;

const split = (count: number, targets: Int32Array | Float32Array): Dataset['train'] => ({
  count,
  inputs: testValues(count * FEATURES, 2, 11),
  targets,
});

const common = {
  name: 'workers.test',
  inputShape: IMAGE,
  inputType: 'f32',
  mean: [0.1, 0, 0, 0],
  std: [1, 1, 2, 1],
} as const;

const classes: Dataset = {
  ...common,
  task: { kind: 'classification', classes: CLASSES },
  train: split(
    SAMPLES,
    Int32Array.from({ length: SAMPLES }, (_, i) => (i * 7) % CLASSES),
  ),
  test: split(0, new Int32Array(0)),
};

const numbers: Dataset = {
  ...common,
  task: { kind: 'regression', targetShape: [2] },
  train: split(SAMPLES, testValues(SAMPLES * 2, 1, 12)),
  test: split(0, new Float32Array(0)),
};

const conv = (groups: number): LayerSpec => conv2d(4, 4, { kernel: 3, padding: 1, groups });
const customModule = new URL('../support/layers/channelScale.mjs', import.meta.url);

/** Layers that keep the shape of the image, between a convolution, so that the first has an input
 * gradient, and a linear layer. */
function withEnds(...layers: LayerSpec[]): LayerSpec {
  return sequential([conv(1), ...layers, flatten(), linear(FEATURES, CLASSES)]);
}

/** For layers that end with `features` numbers. */
function shrinking(features: number, ...layers: LayerSpec[]): LayerSpec {
  return sequential([conv(1), ...layers, linear(features, CLASSES)]);
}

/** All layers, and all options that change which partial sums meet. */
const models: Readonly<Record<string, LayerSpec>> = {
  convolutions: shrinking(
    3 * 2 * 6,
    conv(2),
    conv(4),
    conv2d(4, 4, { kernel: 3, padding: 1, weightStandardization: true }),
    conv2d(4, 4, { kernel: 3, padding: 1, groups: 4, weightStandardization: true }),
    conv2d(4, 5, { kernel: 3, stride: 2, padding: 3, dilation: 2 }),
    conv2d(5, 6, { kernel: [2, 3], stride: [1, 2], padding: { top: 0, left: 0, right: 1 } }),
  ),
  'transposed convolutions': shrinking(
    7 * 10 * 2,
    convTranspose2d(4, 4, { kernel: 3, stride: 2, padding: 1 }),
    conv2d(4, 4, { kernel: 2, stride: 2 }),
    convTranspose2d(4, 4, { kernel: 3, groups: 4 }),
    convTranspose2d(4, 2, { kernel: [1, 5], padding: 0, groups: 2 }),
  ),
  'batch norms, local, of all and of groups': withEnds(
    batchNorm(4),
    batchNorm(4, { sync: 'all' }),
    batchNorm(4, { sync: 2 }),
    conv(1),
    batchNorm(4, { sync: 3, affine: false }),
    batchNorm(4, { virtualBatch: 1 }),
    batchNorm(4, { frozen: true, sync: 'all' }),
  ),
  'batch norms of vectors, cumulative': sequential([
    flatten(),
    linear(FEATURES, 9, { weightStandardization: true }),
    batchNorm(9, { sync: 'all', momentum: null }),
    linear(9, 7),
    linear(7, CLASSES),
  ]),
  'batch renorms': withEnds(
    batchRenorm(4, { warmupSteps: 0, momentum: 0.5 }),
    conv(1),
    batchRenorm(4, { sync: 'all', warmupSteps: 2 }),
  ),
  'norms of samples': withEnds(
    rmsNorm(IMAGE),
    filterResponseNorm(4),
    groupNorm(2, 4),
    layerNorm(IMAGE),
    instanceNorm(4, { affine: true }),
    instanceNorm(4, { trackRunningStats: true }),
  ),
  'activations, dropout, custom': withEnds(
    leakyRelu(),
    gelu(),
    gelu({ approximate: 'tanh' }),
    silu(),
    tanh(),
    custom(customModule, { start: 1 }),
    dropout(0.4),
    sigmoid(),
    relu(),
  ),
  'activations of several values, trained slopes, whole parts dropped': withEnds(
    dropout2d(0.3),
    prelu(),
    residual(sequential([conv(1), prelu({ numParameters: 4 }), dropPath(0.4)])),
    hardSwish(),
    elu(0.5),
    hardSigmoid(),
    conv(1),
    relu6(),
    softmax(),
  ),
  pools: shrinking(
    4,
    maxPool({ kernel: 2 }),
    avgPool({ kernel: 3, stride: 2, padding: 1 }),
    globalAvgPool(),
  ),
  'pools to a size': shrinking(
    4,
    residual(sequential([adaptiveAvgPool([7, 3]), adaptiveMaxPool([6, 5])])),
    globalMaxPool(),
  ),
  'layers of sequences': shrinking(
    4 * 6,
    reshape([30, 4]),
    conv1d(4, 6, { kernel: 3, padding: { left: 2 } }),
    maxPool1d({ kernel: 2 }),
    conv1d(6, 6, { kernel: 3, padding: 'same', groups: 6 }),
    avgPool1d({ kernel: 4, padding: 1 }),
  ),
  'moved pixels': shrinking(
    9 * 12 * 2,
    pad({ top: 2, right: 1 }),
    conv(1),
    slice({ rows: [1, 4], columns: [0, 3] }),
    upsample({ scale: [1, 2] }),
    upsample({ size: [9, 12], mode: 'bilinear' }),
    slice({ channels: [1, 3] }),
  ),
  residuals: withEnds(
    residual(sequential([conv(1), batchNorm(4, { sync: 'all' }), relu()])),
    residual(conv(1), conv(2)),
    residual(sequential([residual(conv(1)), tanh(), conv(1)])),
  ),
  graphs: withEnds(
    graph((x) => {
      const y = x.apply(conv(1), batchNorm(4, { sync: 'all' }));
      const gate = y.apply(conv2d(4, 4, { kernel: [6, 5] }), sigmoid());
      const branches = [x, multiply(y, gate)].map((value) =>
        value.apply(conv(2), batchNorm(4, { sync: 2 })),
      ) as [GraphValue, GraphValue];
      return concat([add(...branches), y]).apply(conv2d(8, 4, { kernel: 1 }));
    }),
  ),
  'recurrent layers': shrinking(
    5,
    reshape([6, 20]),
    rnn(20, 5, { nonlinearity: 'relu', returnSequence: true }),
    rnn(5, 6, { norm: 'layer', returnSequence: true }),
    gru(6, 6, { returnSequence: true }),
    gru(6, 5, { returnSequence: true }),
    lstm(5, 5, { norm: 'layer' }),
  ),
  'recurrent layers, normalized over the batch': shrinking(
    5,
    reshape([6, 20]),
    rnn(20, 5, { norm: 'batch', sync: 3, returnSequence: true }),
    lstm(5, 4, { norm: 'batch', sync: 'all', returnSequence: true }),
    gru(4, 5, { norm: 'batch', sync: 'all', momentum: null }),
  ),
};

async function trainedHash(options: TrainerOptions, workers: number): Promise<string> {
  const trainer = await Trainer.start({
    ...options,
    workers,
    replicas: REPLICAS,
    globalBatch: BATCH,
  });
  try {
    const before = trainer.weightsHash();
    for await (const { loss } of trainer.fit({ epochs: 1 })) expect(loss).toBeGreaterThan(0);
    expect(trainer.step).toBe(Math.ceil(SAMPLES / BATCH));
    const after = trainer.weightsHash();
    expect(after).not.toBe(before);
    return after;
  } finally {
    await trainer.close();
  }
}

async function expectSameBits(options: TrainerOptions): Promise<void> {
  const hashes: string[] = [];
  for (const workers of WORKERS) hashes.push(await trainedHash(options, workers));
  expect(hashes).toEqual(WORKERS.map(() => hashes[0]));
}

const optimizer = sgd({ lr: 0.05, momentum: 0.9 });

describe('any number of workers gives the bits of one', () => {
  it.each(Object.entries(models))('%s', async (_, model) => {
    await expectSameBits({ model, data: classes, optimizer, mode: 'strict' });
  });

  const mixed = withEnds(batchNorm(4, { sync: 'all' }), gelu(), residual(conv(1)), dropout());

  it.each(['strict', 'fast'] as const)('all parts together, %s', async (mode: NumericMode) => {
    const augmentation = { shift: 1, flip: true };
    const loss = crossEntropy({ labelSmoothing: 0.1 });
    const rest = { loss, clipNorm: 0.5, seed: 3, augmentation };
    await expectSameBits({ model: mixed, data: classes, optimizer, mode, ...rest });
  });

  it('meanSquaredError', async () => {
    const model = sequential([conv(1), tanh(), flatten(), linear(FEATURES, 2)]);
    await expectSameBits({ model, data: numbers, optimizer, mode: 'strict' });
  });
});
