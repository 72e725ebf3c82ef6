// Gradient norms through real trainers: against finite differences of a net that has a closed form,
// on any number of workers, when snapshots are taken, and that a measurement leaves them alone.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import type { GradientNorms } from '../../src/observe/gradientNorms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const CLASSES = 4;
const data = synthetic({ train: 96, test: 0, shape: [12, 12, 1], classes: CLASSES, seed: 3 });
const options: TrainerOptions = {
  model: namedModel('refnet', { inputShape: [12, 12, 1], classes: CLASSES }),
  data,
  optimizer: sgd({ lr: 0.05 }),
  replicas: 5,
  replicaBatch: 4,
  diagnosticsEvery: 2,
  seed: 1,
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'syncbn-gradient-norms-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function normsAfter(
  maxSteps: number,
  more: Partial<TrainerOptions> = {},
): Promise<GradientNorms | undefined> {
  const trainer = await Trainer.start({ ...options, ...more });
  try {
    for await (const _ of trainer.fit({ epochs: 10, maxSteps }));
    return trainer.gradientNorms();
  } finally {
    await trainer.close();
  }
}

describe('gradient norms', () => {
  it('are how far plain SGD moves each tensor, over the learning rate', async () => {
    const lr = 0.5;
    const model = sequential([linear(6, 5), linear(5, 3)]);
    const small = synthetic({ train: 32, test: 0, shape: [6], classes: 3, seed: 1 });
    const trainer = await Trainer.start({
      ...{ model, data: small, replicas: 2, replicaBatch: 16, diagnosticsEvery: 1 },
      optimizer: sgd({ lr }),
    });
    try {
      const copies = [...trainer.weights()].map(
        ([name, { values }]) => [name, Float64Array.from(values)] as const,
      );
      const before = new Map(copies);
      for await (const _ of trainer.fit({ epochs: 1, maxSteps: 1 }));
      const { step, tensors } = trainer.gradientNorms()!;
      expect(step).toBe(0);
      expect(tensors.map(({ name }) => name)).toEqual([
        '0.linear.weight',
        '0.linear.bias',
        '1.linear.weight',
        '1.linear.bias',
      ]);
      for (const { name, norm } of tensors) {
        const after = trainer.weights().get(name)!.values;
        const moved = Math.hypot(...before.get(name)!.map((value, i) => value - after[i]!));
        expect(norm).toBeGreaterThan(0);
        expect(moved / lr / norm).toBeCloseTo(1, 4);
      }
    } finally {
      await trainer.close();
    }
  });

  it('are the same numbers on 1, 2 and 3 workers, and those before clipping', async () => {
    const one = await normsAfter(3, { workers: 1 });
    expect(one!.step).toBe(2);
    expect(await normsAfter(3, { workers: 2 })).toEqual(one);
    expect(await normsAfter(3, { workers: 3 })).toEqual(one);
    const first = await normsAfter(1);
    expect(await normsAfter(1, { clipNorm: 1e-3 })).toEqual(first);
  });

  it('come from steps 0, n, 2n, ..., and do not exist if diagnostics are off', async () => {
    expect((await normsAfter(2))!.step).toBe(0);
    expect((await normsAfter(3))!.step).toBe(2);
    expect(await normsAfter(3, { diagnosticsEvery: 0 })).toBeUndefined();
  });

  it('continue after a resume, once it has taken a new snapshot', async () => {
    const path = join(folder, 'run.ckpt');
    const trainer = await Trainer.start(options);
    try {
      for await (const _ of trainer.fit({ epochs: 10, maxSteps: 3 }));
      await trainer.save(path);
    } finally {
      await trainer.close();
    }
    const resumed = await Trainer.resume(path, { data, diagnosticsEvery: 2 });
    try {
      expect(resumed.gradientNorms()).toBeUndefined();
      for await (const _ of resumed.fit({ epochs: 10, maxSteps: 5 }));
      expect(resumed.gradientNorms()).toEqual(await normsAfter(5));
    } finally {
      await resumed.close();
    }
  });

  it('and diagnostics are not affected by computing population statistics', async () => {
    const trainer = await Trainer.start(options);
    try {
      for await (const _ of trainer.fit({ epochs: 10, maxSteps: 6 }));
      const before = [trainer.gradientNorms(), trainer.diagnostics()];
      await trainer.preciseBatchNorm({ batches: 7 });
      expect([trainer.gradientNorms(), trainer.diagnostics()]).toEqual(before);
    } finally {
      await trainer.close();
    }
  });
});
