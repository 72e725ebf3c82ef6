// Trainings whose bits several processes must not change.

import { synthetic } from '../../../src/data/named/synthetic.ts';
import { convertNorm } from '../../../src/nn/convert/convertNorm.ts';
import { sequential } from '../../../src/nn/models/compose.ts';
import { graph } from '../../../src/nn/models/graphBuilder.ts';
import { namedModel } from '../../../src/nn/models/models.ts';
import { prelu, relu } from '../../../src/nn/specs/activations.ts';
import { conv2d } from '../../../src/nn/specs/conv2d.ts';
import { dropout, dropPath } from '../../../src/nn/specs/dropout.ts';
import { flatten } from '../../../src/nn/specs/flatten.ts';
import { linear } from '../../../src/nn/specs/linear.ts';
import { crossEntropy } from '../../../src/nn/specs/losses.ts';
import { batchNorm } from '../../../src/nn/specs/norms.ts';
import { globalAvgPool, globalMaxPool, maxPool } from '../../../src/nn/specs/pools.ts';
import { gru } from '../../../src/nn/specs/recurrent.ts';
import { reshape } from '../../../src/nn/specs/reshape.ts';
import type { LayerSpec } from '../../../src/nn/specs/spec.ts';
import { upsample } from '../../../src/nn/specs/upsample.ts';
import { ema } from '../../../src/optim/averaging.ts';
import { adam, optimizers, sgd } from '../../../src/optim/optimizer.ts';
import type { TrainerOptions } from '../../../src/runtime/trainerOptions.ts';

const data = synthetic({ train: 45, test: 23, shape: [8, 8, 3], classes: 5, seed: 3 });
const purpose = { inputShape: data.inputShape, classes: 5 };
const refnet = namedModel('refnet', purpose);

const WEIGHTS = Float32Array.from({ length: data.train.count }, (_, i) => (i % 4) / 3);

export const BASE = {
  model: refnet,
  norm: { to: 'sync' },
  data,
  optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
  globalBatch: 20,
  replicas: 6,
  diagnosticsEvery: 2,
  seed: 5,
} as const satisfies TrainerOptions;

/** Some pixels have no class; the last training sample has none at all. */
const masksOf = (count: number, last: number): Int32Array =>
  Int32Array.from({ length: count * 64 }, (_, i) => {
    return i % 11 === 3 || i >= last * 64 ? -100 : (i * i + (i >> 6)) % 5;
  });
const MASKS: TrainerOptions['data'] = {
  ...data,
  task: { kind: 'segmentation', classes: 5, targetShape: [8, 8] },
  train: { ...data.train, targets: masksOf(45, 44), weights: WEIGHTS },
  test: { ...data.test, targets: masksOf(23, 23) },
};

const toSync = (layers: readonly LayerSpec[]): LayerSpec =>
  convertNorm(sequential(layers), { to: 'sync' });

export const CASES: readonly (readonly [name: string, options: Partial<TrainerOptions>])[] = [
  ['synchronized', {}],
  ['local, of shards by class', { norm: { to: 'local' }, shards: 'by-class' }],
  ['in groups of two', { norm: { to: 'sync', groupSize: 2 } }],
  ['per sample', { norm: { to: 'group', numGroups: 2 } }],
  [
    'clipped, by adam, averaged',
    { clipNorm: 0.5, optimizer: adam({ lr: 0.01 }), averaging: ema() },
  ],
  [
    'by lamb, of a weight in three blocks',
    {
      model: toSync([flatten(), linear(192, 48), batchNorm(48), relu(), linear(48, 5)]),
      optimizer: optimizers.lamb({ lr: 0.01 }),
      clipValue: 0.05,
    },
  ],
  [
    'mixed and weighted',
    {
      data: { ...data, train: { ...data.train, weights: WEIGHTS } },
      loss: crossEntropy({ classWeights: [1, 2, 0.5, 1, 0] }),
      augmentation: { shift: 1, mixup: 0.4, cutmix: 1 },
    },
  ],
  [
    'of masks',
    {
      data: MASKS,
      model: toSync([
        ...[conv2d(3, 8, { kernel: 3, padding: 1 }), batchNorm(8), relu(), maxPool({ kernel: 2 })],
        ...[conv2d(8, 8, { kernel: 3, padding: 1 }), batchNorm(8), relu()],
        ...[upsample({ scale: 2 }), conv2d(8, 5, { kernel: 1 })],
      ]),
      loss: crossEntropy({ ignoreIndex: -100, classWeights: [1, 2, 0.5, 1, 0] }),
      augmentation: { shift: 1, flip: true },
    },
  ],
  [
    'with an auxiliary head',
    {
      model: graph((x) => {
        const y = x.apply(conv2d(3, 6, { kernel: 3 }), batchNorm(6, { sync: 'all' }), relu());
        const aux = y.apply(globalAvgPool(), linear(6, 5));
        return { main: y.apply(conv2d(6, 8, { kernel: 3 }), globalMaxPool(), linear(8, 5)), aux };
      }),
      data: { ...data, train: { ...data.train, weights: WEIGHTS } },
      heads: { aux: { weight: 0.4 } },
    },
  ],
  ['augmented', { augmentation: { shift: 1, flip: true } }],
  [
    'with dropout of elements and samples, and a trained slope',
    {
      model: toSync([
        ...refnet.layers.slice(0, -1),
        ...[dropout(0.25), prelu(), dropPath(0.2), linear(32, 5)],
      ]),
    },
  ],
  ['residual', { model: namedModel('resnet20', purpose), globalBatch: 10 }],
  [
    'fine-tuned',
    {
      freeze: ['0.*', '*.bias'],
      parameterGroups: [{ match: '3.*', lrScale: 0.5, weightDecay: 0.01 }],
      batchNorm: [{ match: '4.*', statistics: 'running' }],
    },
  ],
  [
    'recurrent',
    {
      model: sequential([
        reshape([8, 24]),
        gru(24, 6, { norm: 'batch', sync: 'all' }),
        linear(6, 5),
      ]),
    },
  ],
];
