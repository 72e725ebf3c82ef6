// Where no statistics are local to them, replicas decide nothing: the weights have the same bits
// for any number of replicas and workers, through checkpoints too.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { custom } from '../../src/nn/specs/custom.ts';
import { dropout } from '../../src/nn/specs/dropout.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { gru } from '../../src/nn/specs/recurrent.ts';
import { reshape } from '../../src/nn/specs/reshape.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { resultOf, resultsOf, type Split } from '../support/splits.ts';

const BATCH = 128;
/** All numbers with all others, and without batch norms, on real images: `npm run test:long`. */
const SPLITS: readonly Split[] = [
  [1, 4],
  [7, 1],
  [128, 3],
];

const data = synthetic({ train: BATCH + 45, test: 77, shape: [8, 8, 3], classes: 5, seed: 3 });
const purpose = { inputShape: data.inputShape, classes: 5 };
const refnet = namedModel('refnet', purpose);
const folder = mkdtempSync(join(tmpdir(), 'syncbn-replicas-'));
afterAll(() => rmSync(folder, { recursive: true }));

const base = {
  model: convertNorm(refnet, { to: 'sync' }),
  data,
  optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
  globalBatch: BATCH,
  seed: 5,
} as const satisfies TrainerOptions;

const train = (change: Partial<TrainerOptions>) => resultOf({ ...base, ...change });

const toSync = (layers: readonly LayerSpec[]): LayerSpec =>
  convertNorm(sequential(layers), { to: 'sync' });
const withDropout = toSync([...refnet.layers.slice(0, -1), dropout(0.25), linear(32, 5)]);
const recurrent = sequential([
  reshape([8, 24]),
  gru(24, 6, { norm: 'batch', sync: 'all' }),
  linear(6, 5),
]);
const perSample = toSync([
  custom(new URL('../support/jobs/perSampleLayer.mjs', import.meta.url)),
  ...refnet.layers,
]);

describe('the weights and losses', () => {
  it.each<[string, Partial<TrainerOptions>]>([
    ['SyncBN', {}],
    ['a batch that does not divide', { globalBatch: 50 }],
    ['augmentation and dropout', { model: withDropout, augmentation: { shift: 2, flip: true } }],
    ['diagnostics in every step', { diagnosticsEvery: 1 }],
    ['clipping', { clipNorm: 0.1 }],
    ['a recurrent net with SyncBN in each time step', { model: recurrent }],
    ['a layer of the user that treats samples alone', { model: perSample }],
  ])('are the same bits for any replicas and workers with %s', async (_, change) => {
    const results = await resultsOf({ ...base, ...change }, SPLITS);
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it('are the same bits with resnet20', async () => {
    const model = convertNorm(namedModel('resnet20', purpose), { to: 'sync' });
    const results = await resultsOf({ ...base, model, globalBatch: 16 }, [
      [1, 2],
      [3, 1],
      [8, 4],
    ]);
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it.each<[string, Partial<TrainerOptions>]>([
    ['local statistics', { norm: { to: 'local' } }],
    ['statistics of two replicas', { norm: { to: 'sync', groupSize: 2 } }],
    ['virtual batches', { model: toSync([batchNorm(3, { virtualBatch: 4 }), ...refnet.layers]) }],
  ])('depend on the replicas and not on the workers with %s', async (_, change) => {
    const hashes = new Set<string>();
    for (const replicas of [3, 16]) {
      const most = 'model' in change ? replicas : 4;
      const workers = [1, most];
      const results = await resultsOf(
        { ...base, ...change },
        workers.map((w) => [replicas, w] as const),
      );
      for (const result of results) expect(result).toEqual(results[0]);
      hashes.add(results[0]!.hash);
    }
    expect(hashes.size).toBe(2);
  });

  it('are those of one replica if all replicas share statistics', async () => {
    const one = await train({ norm: { to: 'local' }, replicas: 1, workers: 2 });
    expect(one).toEqual(await train({ replicas: 7, workers: 1 }));
  });

  it('differ only in their last bits with other grains', async () => {
    const [few, many] = await Promise.all([4, 128].map((grains) => train({ grains, workers: 2 })));
    expect(few!.hash).not.toBe(many!.hash);
    expect(few!.testLoss / many!.testLoss).toBeCloseTo(1, 4);
  });
});

describe('a checkpoint', () => {
  const save = async (change: Partial<TrainerOptions>, path: string): Promise<void> => {
    const trainer = await Trainer.start({ ...base, onNotice() {}, ...change });
    for await (const _ of trainer.fit({ epochs: 2, maxSteps: 1 }));
    await trainer.save(path);
    await trainer.close();
  };

  it('resumes with other replicas and workers, with the bits of an uninterrupted run', async () => {
    const path = join(folder, 'sync.ckpt');
    await save({ replicas: 8, workers: 2 }, path);
    const whole = await train({ replicas: 16, workers: 1 });
    for (const [replicas, workers] of [
      [1, 4],
      [64, 3],
    ]) {
      const trainer = await Trainer.resume(path, { data, replicas: replicas!, workers: workers! });
      expect(trainer.replicas).toBe(replicas);
      for await (const _ of trainer.fit({ epochs: 1 }));
      expect(trainer.weightsHash()).toBe(whole.hash);
      await trainer.close();
    }
  });

  it('keeps its grains', async () => {
    const path = join(folder, 'grains.ckpt');
    await save({ grains: 5, workers: 1 }, path);
    const whole = await train({ grains: 5, workers: 2 });
    const trainer = await Trainer.resume(path, { data, workers: 3 });
    for await (const _ of trainer.fit({ epochs: 1 }));
    expect(trainer.weightsHash()).toBe(whole.hash);
    await trainer.close();
  });

  it('keeps its replicas if statistics are local to them', async () => {
    const path = join(folder, 'local.ckpt');
    await save({ norm: { to: 'local' }, replicas: 4, workers: 1 }, path);
    const resumed = Trainer.resume(path, { data, replicas: 8 });
    await expect(resumed).rejects.toThrow(/replicas to resume .*the 4 of the checkpoint.*got 8/);
  });
});
