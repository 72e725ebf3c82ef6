// A state above 2 GiB, which Node neither reads, writes nor hashes in one piece. Takes 7 GB of
// memory, 3 GB of disk and a minute.

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import { hashState } from '../../src/checkpoint/state.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { readSafetensors, writeSafetensors } from '../../src/interop/safetensors.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-large-'));
afterAll(() => rmSync(folder, { recursive: true }));

const FEATURES = 7000;
const LAYERS = 12;

it('a run with 2.3 GB of weights resumes from its checkpoint', async () => {
  const data = synthetic({ train: 8, test: 2, shape: [4, 4, 1], classes: 2 });
  // All but the last layer are frozen: their gradients would not fit beside them.
  const large = Array.from({ length: LAYERS }, () => linear(FEATURES, FEATURES));
  const given = {
    data,
    model: sequential([flatten(), linear(16, FEATURES), ...large, linear(FEATURES, 2)]),
    freeze: ['*', `!${LAYERS + 2}.*`],
    optimizer: sgd({ lr: 0.01, momentum: 0.9 }),
    ...{ replicas: 1, globalBatch: 4, workers: 2, diagnosticsEvery: 0 },
  };
  const path = join(folder, 'run.ckpt');
  const trainer = await Trainer.start(given);
  expect(trainer.layout.sizeBytes).toBeGreaterThan(2 ** 31);
  for await (const _ of trainer.fit({ epochs: 1, maxSteps: 1 }));
  await trainer.save(path);
  expect(statSync(path).size).toBeGreaterThan(2 ** 31);
  for await (const _ of trainer.fit({ epochs: 1 }));
  const hash = trainer.weightsHash();
  await trainer.close();
  const resumed = await Trainer.resume(path, { data, workers: 1, diagnosticsEvery: 0 });
  for await (const _ of resumed.fit({ epochs: 1 }));
  expect(resumed.weightsHash()).toBe(hash);
  await resumed.close();
}, 300_000);

it('a tensor of 2.2 GB is written, read and hashed', async () => {
  const data = synthetic({ train: 4, test: 2, shape: [2, 2, 1], classes: 2 });
  const trainer = await Trainer.start({
    ...{ data, model: sequential([flatten(), linear(4, 2)]), optimizer: sgd({ lr: 0.1 }) },
    ...{ replicas: 1, globalBatch: 4, workers: 1 },
  });
  const path = join(folder, 'small.ckpt');
  await trainer.save(path);
  await trainer.close();
  const values = new Float32Array(550_000_000);
  values[values.length - 1] = 7;
  const large = { name: 'parameter 1.linear.weight', group: 'parameter', values } as const;
  const tensors = [{ ...large, shape: [values.length] }];
  await writeCheckpoint(path, { ...(await readCheckpoint(path)), tensors });
  const { tensors: read } = await readCheckpoint(path);
  expect(read[0]!.values.at(-1)).toBe(7);
  expect(hashState(read)).toBe(hashState(tensors));
  const weights = join(folder, 'large.safetensors');
  const written = { name: 'w', type: 'F32', shape: [values.length], values } as const;
  await writeSafetensors(weights, 'the file', { tensors: [written], metadata: {} });
  const [again] = await readSafetensors(weights, 'the file');
  expect(again!.values.at(-1)).toBe(7);
}, 300_000);
