// Runs whose replicas have samples of their own: the same bits on any workers and when resumed.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const plain = synthetic({ train: 60, test: 8, shape: [4, 4, 1], classes: 4, seed: 3 });
const domains = Int32Array.from({ length: 60 }, (_, i) => (i * 11) % 7);
const data: Dataset = { ...plain, train: { ...plain.train, domains } };
const model = sequential([flatten(), linear(16, 8), batchNorm(8), relu(), linear(8, 4)]);
const folder = mkdtempSync(join(tmpdir(), 'syncbn-shards-'));
const path = join(folder, 'run.ckpt');
afterAll(() => rmSync(folder, { recursive: true }));

/** The hash after two epochs of four steps; with a `stop`, saved there and resumed. */
async function hashOf(options: Partial<TrainerOptions>, stop?: number): Promise<string> {
  const optimizer = sgd({ lr: 0.1 });
  const run = { model, data, optimizer, replicas: 4, globalBatch: 16, workers: 1, ...options };
  let trainer = await Trainer.start({ ...run, onNotice() {} });
  try {
    if (stop !== undefined) {
      for await (const _ of trainer.fit({ epochs: 2, maxSteps: stop }));
      await trainer.save(path, { overwrite: true });
      await trainer.close();
      trainer = await Trainer.resume(path, { data, workers: 2, onNotice() {} });
    }
    for await (const _ of trainer.fit({ epochs: 2 }));
    return trainer.weightsHash();
  } finally {
    await trainer.close();
  }
}

it('two workers that resume during an epoch have the bits of one worker', async () => {
  const hashes = new Set<string>();
  for (const shards of ['by-domain', 'dirichlet:0.3'] as const) {
    const whole = await hashOf({ shards });
    expect(await hashOf({ shards }, 6)).toBe(whole);
    hashes.add(whole);
  }
  hashes.add(await hashOf({ shards: 'by-class' }));
  hashes.add(await hashOf({}));
  expect(hashes.size).toBe(4);
});

it('a checkpoint keeps the shards, and refuses other replicas and other domains', async () => {
  await hashOf({ shards: 'by-domain' }, 1);
  const resume = (options: object): Promise<Trainer> => Trainer.resume(path, { data, ...options });
  await expect(resume({ replicas: 2 })).rejects.toThrow(/expected the 4 of .*\(by-domain\)/);
  await expect(resume({ data: plain })).rejects.toThrow(/the content of/);
  expect((await readCheckpoint(path)).run.shards).toBe('by-domain');
  const start = Trainer.start({
    model,
    data: plain,
    optimizer: sgd({ lr: 1 }),
    shards: 'by-domain',
  });
  await expect(start).rejects.toThrow(/domain of each training sample/);
});
