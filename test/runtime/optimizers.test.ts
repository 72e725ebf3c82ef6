// LARS, LAMB, Lion and clipping by value have the same bits on any workers and replicas, and after
// a resume. One weight is of three blocks, so that its norm is that of several owners' blocks.
// PyTorch's and the papers' numbers: test/train/training.test.ts; processes:
// test/processes/bits.test.ts.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { optimizers } from '../../src/optim/optimizer.ts';
import type { OptimizerSpec } from '../../src/optim/optimizers.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const data = synthetic({ train: 45, test: 0, shape: [192], classes: 5, seed: 3 });
const base = {
  model: sequential([linear(192, 48), batchNorm(48, { sync: 'all' }), relu(), linear(48, 5)]),
  data,
  globalBatch: 20,
  clipNorm: 1,
  clipValue: 0.05,
  seed: 5,
} as const;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-optimizers-'));
});
afterAll(() => rm(folder, { recursive: true }));

const EPOCHS = 2;

async function hashAfter(trainer: Trainer): Promise<string> {
  try {
    for await (const _ of trainer.fit({ epochs: EPOCHS }));
    return trainer.weightsHash();
  } finally {
    await trainer.close();
  }
}

async function stopAt(path: string, options: TrainerOptions): Promise<void> {
  const trainer = await Trainer.start(options);
  try {
    for await (const _ of trainer.fit({ epochs: EPOCHS, maxSteps: 2 }));
    await trainer.save(path);
  } finally {
    await trainer.close();
  }
}

const { lamb, lars, lion } = optimizers;
const CASES: readonly (readonly [string, OptimizerSpec])[] = [
  ['lars', lars({ lr: 0.5, trustCoefficient: 0.05, weightDecay: 1e-3 })],
  ['lamb', lamb({ lr: 0.01 })],
  ['lion', lion({ lr: 1e-3, weightDecay: 0.1 })],
];

it.each(CASES)(
  '%s: the same bits on any workers and replicas, and after a resume',
  async (name, optimizer) => {
    const options = { ...base, optimizer };
    const hash = await hashAfter(await Trainer.start({ ...options, workers: 1, replicas: 1 }));
    const split = await Trainer.start({ ...options, workers: 3, replicas: 7 });
    expect(await hashAfter(split)).toBe(hash);
    const path = join(folder, `${name}.ckpt`);
    await stopAt(path, { ...options, workers: 2, replicas: 4 });
    expect(await hashAfter(await Trainer.resume(path, { data, workers: 1 }))).toBe(hash);
    const other = await Trainer.start({ ...options, clipValue: 0.01, workers: 1, replicas: 1 });
    expect(await hashAfter(other)).not.toBe(hash);
  },
);
