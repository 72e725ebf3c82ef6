// All numbers of replicas with all numbers of workers, on real images.

import { expect, it } from 'vitest';

import { mnist } from '../../src/data/named/mnist.ts';
import { limitTrain } from '../../src/data/subset.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { resultsOf, type Split } from '../support/splits.ts';

const REPLICAS = [1, 2, 3, 7, 8, 16, 64, 128];
const WORKERS = [1, 2, 3, 4];
const SPLITS = REPLICAS.flatMap((replicas) => WORKERS.map((w): Split => [replicas, w]));

it.each<[string, Partial<TrainerOptions>]>([
  ['SyncBN', {}],
  ['a batch that does not divide, augmented', { globalBatch: 250, augmentation: { shift: 2 } }],
  ['group norm', { norm: { to: 'group' } }],
  ['no norm', { norm: { to: 'none' } }],
])('the weights and losses are the same bits for every split with %s', async (_, change) => {
  const whole = await mnist();
  const data = limitTrain({ ...whole, test: limitTrain(whole, 500).train }, 1000);
  const model = convertNorm(namedModel('mnist-cnn', { inputShape: data.inputShape, classes: 10 }), {
    to: 'sync',
  });
  const results = await resultsOf(
    { model, data, optimizer: sgd({ lr: 0.05, momentum: 0.9 }), globalBatch: 128, ...change },
    SPLITS,
  );
  for (const result of results) expect(result).toEqual(results[0]);
});
