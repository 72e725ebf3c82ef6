// Micro-batches of a net by name, on several workers and in whole epochs with an uneven last batch.

import { expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { resultOf } from '../support/splits.ts';

const data = synthetic({ train: 150, test: 70, shape: [32, 32, 3], classes: 10, seed: 4 });

it.each(['sync', 'local', 'group'] as const)(
  'resnet20 with norm %s has the same bits in any number of parts',
  async (to) => {
    const options = {
      model: namedModel('resnet20', { inputShape: data.inputShape, classes: 10 }),
      norm: { to },
      data,
      optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
      augmentation: { shift: 2, flip: true },
      globalBatch: 64,
      replicas: 4,
    };
    const whole = await resultOf({ ...options, workers: 1 });
    for (const [workers, microBatches] of [
      [1, 2],
      [2, 3],
      [3, 2],
      [4, 4],
      [1, 8],
    ] as const) {
      expect(await resultOf({ ...options, workers, microBatches })).toEqual(whole);
    }
  },
  120_000,
);
