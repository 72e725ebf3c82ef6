import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.ts';
import { readCheckpoint, writeCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { nn, optim } from '../../src/index.ts';
import { parseModel } from '../../src/nn/models/parse.ts';
import { shortSpec } from '../../src/nn/models/shortSpec.ts';
import { parseLoss } from '../../src/nn/specs/losses.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { parseAveraging } from '../../src/optim/averaging.ts';
import { parseOptimizer } from '../../src/optim/optimizer.ts';
import { parseSchedule } from '../../src/optim/schedule.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import { schemaErrors } from '../support/schemaErrors.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-builders-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What each builder makes, with its options at and off their defaults. */
const layers: Readonly<Record<string, readonly LayerSpec[]>> = {
  adaptiveAvgPool: [nn.adaptiveAvgPool(7)],
  adaptiveMaxPool: [nn.adaptiveMaxPool([2, 3])],
  avgPool1d: [nn.avgPool1d({ kernel: 2 }), nn.avgPool1d({ kernel: 3, padding: { left: 1 } })],
  avgPool: [nn.avgPool({ kernel: 2 }), nn.avgPool({ kernel: [3, 2], countIncludePad: false })],
  batchNorm: [
    nn.batchNorm(4),
    nn.batchNorm(4, { momentum: null, sync: 4, affine: false, trackRunningStats: false }),
    nn.batchNorm(4, { virtualBatch: 8 }),
    nn.batchNorm(4, { frozen: true, sync: 'all' }),
    nn.batchNorm(4, { statistics: 'running', updateStatistics: false, weightInit: 0 }),
  ],
  batchRenorm: [nn.batchRenorm(5), nn.batchRenorm(5, { rMax: 2, dMax: 1, momentum: null })],
  conv1d: [
    nn.conv1d(4, 6, { kernel: 3 }),
    nn.conv1d(4, 6, { kernel: 3, padding: { left: 2 }, dilation: 2, groups: 2 }),
  ],
  conv2d: [
    nn.conv2d(4, 6, { kernel: 3 }),
    nn.conv2d(4, 6, { kernel: [1, 2], stride: 2, dilation: [2, 1], groups: 2, bias: false }),
    nn.conv2d(4, 6, { kernel: 3, weightStandardization: true, init: 'xavierNormal' }),
    nn.conv2d(16, 16, { kernel: 3, algorithm: 'direct', padding: 'same' }),
  ],
  convTranspose2d: [
    nn.convTranspose2d(4, 6, { kernel: 2, stride: 2 }),
    nn.convTranspose2d(4, 6, { kernel: [3, 2], stride: 2, outputPadding: 1, groups: 2 }),
  ],
  custom: [
    nn.custom('file:///layers/a.mjs'),
    nn.custom(new URL('file:///a.mjs'), { deep: { list: [1, null, 'x'] } }),
  ],
  dropPath: [nn.dropPath(0), nn.dropPath(0.2)],
  dropout: [nn.dropout(), nn.dropout(0.2)],
  dropout2d: [nn.dropout2d(), nn.dropout2d(0.2)],
  elu: [nn.elu(), nn.elu(0.3)],
  filterResponseNorm: [nn.filterResponseNorm(6), nn.filterResponseNorm(6, { tlu: false })],
  flatten: [nn.flatten()],
  gelu: [nn.gelu(), nn.gelu({ approximate: 'tanh' })],
  globalAvgPool: [nn.globalAvgPool()],
  globalMaxPool: [nn.globalMaxPool()],
  groupNorm: [nn.groupNorm(2, 8), nn.groupNorm(2, 8, { eps: 1e-3, affine: false })],
  gru: [nn.gru(4, 3), nn.gru(4, 3, { norm: 'batch', sync: 2, momentum: null })],
  hardSigmoid: [nn.hardSigmoid()],
  hardSwish: [nn.hardSwish()],
  instanceNorm: [nn.instanceNorm(5), nn.instanceNorm(5, { trackRunningStats: true })],
  layerNorm: [nn.layerNorm([3, 4]), nn.layerNorm([3, 4], { affine: false })],
  leakyRelu: [nn.leakyRelu(), nn.leakyRelu(0.3)],
  linear: [nn.linear(4, 2), nn.linear(4, 2, { weightStandardization: true, bias: false })],
  maxPool1d: [nn.maxPool1d({ kernel: 2 }), nn.maxPool1d({ kernel: 3, padding: 'same' })],
  maxPool: [
    nn.maxPool({ kernel: 2, padding: 'same' }),
    nn.maxPool({ kernel: 3, padding: { top: 1 } }),
    nn.maxPool({ kernel: 3, stride: 2, padding: 1 }),
  ],
  namedModel: ['mnist-cnn', 'refnet', 'resnet20'].map((name) =>
    nn.namedModel(name, { inputShape: [32, 32, 3], classes: 10 }),
  ),
  pad: [nn.pad(1), nn.pad({ top: 2 })],
  prelu: [nn.prelu(), nn.prelu({ numParameters: 4, init: -0.1 })],
  relu: [nn.relu()],
  relu6: [nn.relu6()],
  reshape: [nn.reshape([28, 28])],
  residual: [nn.residual(nn.relu()), nn.residual(nn.relu(), nn.tanh())],
  rmsNorm: [nn.rmsNorm([3, 4]), nn.rmsNorm([3, 4], { eps: 1e-3, affine: false })],
  graph: [nn.graph((x) => nn.concat([x, nn.multiply(x, x.apply(nn.relu(), nn.tanh()))]))],
  lstm: [
    nn.lstm(4, 3, { forgetBias: 1 }),
    nn.lstm(4, 3, { norm: 'batch', sync: 2, momentum: null }),
  ],
  rnn: [nn.rnn(4, 3), nn.rnn(4, 3, { nonlinearity: 'relu', norm: 'layer', bias: false })],
  sequential: [nn.sequential([nn.relu(), nn.sequential([nn.tanh()])])],
  sigmoid: [nn.sigmoid()],
  silu: [nn.silu()],
  slice: [nn.slice({ rows: [0, 2] }), nn.slice({ columns: [1, 2], channels: [0, 1] })],
  softmax: [nn.softmax()],
  tanh: [nn.tanh()],
  upsample: [nn.upsample({ scale: 2 }), nn.upsample({ size: [3, 4], mode: 'bilinear' })],
};
const losses = {
  binaryCrossEntropy: [nn.binaryCrossEntropy(), nn.binaryCrossEntropy({ posWeight: [1, 0.3] })],
  crossEntropy: [
    nn.crossEntropy(),
    nn.crossEntropy({ labelSmoothing: 0.1, classWeights: [0, 0.1], ignoreIndex: -100 }),
  ],
  customLoss: [
    nn.customLoss('file:///losses/a.mjs'),
    nn.customLoss(new URL('file:///a.mjs'), { deep: { list: [1, null, 'x'] } }),
  ],
  huber: [nn.huber(), nn.huber({ delta: 0.1 })],
  l1: [nn.l1()],
  meanSquaredError: [nn.meanSquaredError()],
};
const optimizers = {
  sgd: [
    optim.sgd({ lr: 0.1 }),
    optim.sgd({ lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.1 }),
  ],
  adam: [optim.adam(), optim.adam({ lr: 1, betas: [0, 0.5], eps: 1, decayNormAndBias: false })],
  adamw: [optim.adamw(), optim.adamw({ weightDecay: 0 })],
  lamb: [optim.lamb(), optim.lamb({ lr: 0.1, adaptNormAndBias: true })],
  lars: [optim.lars({ lr: 2 }), optim.lars({ lr: 2, momentum: 0, decayNormAndBias: true })],
  lion: [optim.lion(), optim.lion({ betas: [0.95, 0.98], weightDecay: 1 })],
  rmsprop: [optim.rmsprop(), optim.rmsprop({ centered: true, momentum: 0.5, alpha: 0.9 })],
};
const averaging = {
  ema: [optim.averaging.ema(), optim.averaging.ema({ decay: 0.9 })],
  swa: [optim.averaging.swa({ fromEpoch: 2 })],
};

const schedules = {
  constant: [optim.schedules.constant(), optim.schedules.constant({ warmupSteps: 3 })],
  cosine: [optim.schedules.cosine(), optim.schedules.cosine({ warmupSteps: 3, minLr: 0.1 })],
  plateau: [
    optim.schedules.plateau(),
    optim.schedules.plateau({ monitor: 'accuracy', minLr: 0.1 }),
  ],
  exponential: [
    optim.schedules.exponential({ gamma: 0.9, unit: 'epochs' }),
    optim.schedules.exponential({ gamma: 1.1, warmupEpochs: 0.5 }),
  ],
  oneCycle: [
    optim.schedules.oneCycle(),
    optim.schedules.oneCycle({ pctStart: 0.1, annealStrategy: 'linear' }),
  ],
  points: [
    optim.schedules.points({
      points: [
        [0, 1],
        [2.5, 0.5],
      ],
      unit: 'epochs',
    }),
  ],
  polynomial: [
    optim.schedules.polynomial(),
    optim.schedules.polynomial({ power: 0.9, minLr: 0.1, warmupSteps: 2 }),
  ],
  warmRestarts: [
    optim.schedules.warmRestarts({ period: 3 }),
    optim.schedules.warmRestarts({ period: 1, multiplier: 2, unit: 'epochs' }),
  ],
  step: [
    optim.schedules.step({ stepSize: 2, unit: 'epochs' }),
    optim.schedules.step({ milestones: [1, 5], gamma: 0.5 }),
  ],
};
/** Members of `nn` that make nothing of their own. */
const NOT_BUILDERS = [
  'add',
  'concat',
  'convertNorm',
  'directConvolutions',
  'multiply',
  'split',
  'parseModel',
];

const kinds = [
  { part: 'model', made: layers, parse: (spec: unknown) => parseModel(spec, 'model') },
  { part: 'loss', made: losses, parse: parseLoss },
  { part: 'optimizer', made: optimizers, parse: parseOptimizer },
  { part: 'schedule', made: schedules, parse: parseSchedule },
  { part: 'averaging', made: averaging, parse: parseAveraging },
] as const;

const base: Checkpoint = {
  model: { ...nn.linear(3, 2) },
  data: {
    name: '',
    inputShape: [3],
    inputType: 'f32',
    task: { kind: 'regression', targetShape: [2] },
    mean: [0, 0, 0],
    std: [1, 1, 1],
    countTrain: 4,
    countTest: 0,
    checksum: 7,
  },
  run: {
    loss: { ...nn.meanSquaredError() },
    optimizer: { ...optim.sgd({ lr: 0.1 }) },
    schedule: { ...optim.schedules.constant() },
    clipNorm: null,
    replicas: 1,
    globalBatch: 4,
    dropLast: false,
    shuffle: true,
    augmentation: null,
    seed: 0,
    mode: 'strict',
  },
  counters: { step: 0, epochs: 1, epochSums: [0, 0, 0, 0] },
  tensors: [],
};

describe('what a builder makes', () => {
  it('is listed here, for every builder', () => {
    const listed = [layers, losses].flatMap(Object.keys).concat(NOT_BUILDERS);
    expect(Object.keys(nn).sort()).toEqual(listed.sort());
    expect(Object.keys(optim).sort()).toEqual(
      [...Object.keys(optimizers), 'averaging', 'schedules'].sort(),
    );
    expect(Object.keys(optim.averaging).sort()).toEqual(Object.keys(averaging).sort());
    expect(Object.keys(optim.schedules).sort()).toEqual(Object.keys(schedules).sort());
  });

  it.each(kinds)('survives a checkpoint unchanged: $part', async ({ part, made, parse }) => {
    const path = join(folder, `${part}.ckpt`);
    for (const [name, specs] of Object.entries(made)) {
      for (const spec of specs) {
        const given = { ...spec };
        const whole =
          part === 'model'
            ? { ...base, model: given }
            : { ...base, run: { ...base.run, [part]: given } };
        await writeCheckpoint(path, whole);
        const read = await readCheckpoint(path);
        const found = part === 'model' ? read.model : read.run[part];
        expect(parse(found), name).toEqual(spec);
      }
    }
  });

  it('is valid in the JSON schema, and the same without default values', () => {
    for (const [name, specs] of Object.entries(layers)) {
      for (const spec of specs) {
        expect(schemaErrors(spec), name).toEqual([]);
        expect(schemaErrors(shortSpec(spec)), name).toEqual([]);
        expect(parseModel(shortSpec(spec)), name).toEqual(spec);
      }
    }
    const block = nn.residual(nn.conv2d(4, 4, { kernel: [1, 3], padding: [0, 1] }));
    expect(shortSpec(nn.graph((x) => x.apply('a', block)))).toEqual({
      kind: 'graph',
      nodes: [
        {
          name: 'a',
          layer: {
            kind: 'residual',
            body: {
              ...{ kind: 'conv2d', inChannels: 4, outChannels: 4 },
              ...{ kernel: [1, 3], padding: [0, 1] },
            },
          },
          from: ['input'],
        },
      ],
      output: 'a',
    });
  });

  it.each([
    ['an augmentation', { augmentation: { maxShift: 2, flip: true } }],
    ['another mode and order', { mode: 'fast', shuffle: false, dropLast: true } as const],
  ])('as does %s', async (_, changed) => {
    const path = join(folder, 'run.ckpt');
    const run = { ...base.run, ...changed };
    await writeCheckpoint(path, { ...base, run });
    expect((await readCheckpoint(path)).run).toEqual(run);
  });

  it('has no gradient bound that a checkpoint could not store', () => {
    const data = synthetic();
    const model = nn.namedModel('refnet', { inputShape: data.inputShape, classes: 10 });
    const options = { model, data, optimizer: optim.adam(), clipNorm: Infinity };
    expect(resolveOptions(options).clipNorm).toBeNull();
  });
});
