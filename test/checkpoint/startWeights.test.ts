// A run that starts from given weights, all of them or those that fit.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nn, optim, synthetic, Trainer, type TrainerOptions } from '../../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-weights-'));
const path = join(folder, 'pretrained.ckpt');
const data = synthetic({ train: 24, test: 8, shape: [4, 4, 1], classes: 3, seed: 1 });
const model = (classes: number) =>
  nn.sequential([nn.flatten(), nn.linear(16, 6), nn.batchNorm(6), nn.linear(6, classes)]);
const options = {
  model: model(3),
  norm: { to: 'sync' },
  data,
  globalBatch: 8,
  workers: 1,
  optimizer: optim.sgd({ lr: 0.1 }),
} as const satisfies TrainerOptions;
const other = synthetic({ train: 24, test: 8, shape: [4, 4, 1], classes: 5, seed: 2 });
const head = { model: model(5), data: other, seed: 9 };

let trained: ReturnType<Trainer['weights']>;
beforeAll(async () => {
  const trainer = await Trainer.start(options);
  for await (const _ of trainer.fit({ epochs: 1 }));
  await trainer.save(path);
  trained = trainer.weights();
  await trainer.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

async function startsFrom(change: Partial<TrainerOptions>) {
  const trainer = await Trainer.start({ ...options, ...change });
  const state = { weights: trainer.weights(), report: trainer.conversion };
  await trainer.close();
  return state;
}

describe('a run', () => {
  it('starts from a file, a map or a record, including the buffers', async () => {
    for (const weights of [path, trained, Object.fromEntries(trained)]) {
      const state = await startsFrom({ weights, seed: 9 });
      expect(state.weights).toEqual(trained);
      expect(state.report.every(({ carried }) => carried)).toBe(true);
    }
  });

  it('takes tensors that fit, and says which are new or left out', async () => {
    const weights = new Map([...trained, ['9.linear.weight', trained.get('1.linear.weight')!]]);
    weights.delete('2.batchNorm.runningMean');
    const state = await startsFrom({ ...head, weights, strictWeights: false });
    expect(state.weights.get('1.linear.weight')).toEqual(trained.get('1.linear.weight'));
    const lost = state.report.filter(({ carried }) => !carried);
    expect(lost).toEqual([
      {
        layer: '3.linear',
        tensor: 'weight',
        carried: false,
        why: 'new: the weights have 6x3, the model 6x5',
      },
      {
        layer: '3.linear',
        tensor: 'bias',
        carried: false,
        why: 'new: the weights have 3, the model 5',
      },
      {
        layer: '2.batchNorm',
        tensor: 'runningMean',
        carried: false,
        why: 'new: not in the weights',
      },
      { layer: '9.linear', tensor: 'weight', carried: false, why: 'left out: not in the model' },
    ]);
  });

  it('can have a frozen batch norm with the weights of a trained one', async () => {
    const state = await startsFrom({ weights: trained, norm: { to: 'frozen' } });
    expect(state.report.every(({ carried }) => carried)).toBe(true);
  });

  it.each<[string, Partial<TrainerOptions>, RegExp]>([
    [
      'of another shape',
      { ...head, weights: path },
      /weights of .*3\.linear\.weight.*6x3.*6x5.*strictWeights/,
    ],
    ['that are missing', { weights: {} }, /fit no tensor of the model/],
    [
      'of which none fits',
      { weights: { a: { shape: [1], values: new Float32Array(1) } }, strictWeights: false },
      /fit no tensor.*a/,
    ],
    [
      'whose values are too few',
      { weights: { a: { shape: [2], values: new Float32Array(1) } } },
      /weights, a/,
    ],
    ['that are a number', { weights: 3 as never }, /weights: .*path of a checkpoint/],
    ['that are not there', { strictWeights: false }, /strictWeights.*requires weights/],
  ])('refuses weights %s', async (_name, change, message) => {
    await expect(Trainer.start({ ...options, ...change })).rejects.toThrow(message);
  });
});
