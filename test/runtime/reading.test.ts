// Packed sets are read by a thread of their own: training goes on while the main thread is busy,
// with the bits of reading on the main thread, and no thread is left.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { RunError } from '../../src/base/errors.ts';
import type { ChunkedDataset } from '../../src/data/chunked/chunkedDataset.ts';
import { openChunked } from '../../src/data/openChunked.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { packed, SIZE } from '../support/data/packed.ts';
import { withThreads } from '../support/runs/killed.ts';

const SAMPLES = 1000;
const opened = async (limit = SAMPLES): Promise<ChunkedDataset> => {
  return openChunked(await packed({ train: SAMPLES }), { window: 32, limit });
};
const started = (data: ChunkedDataset, workers = 1): Promise<Trainer> =>
  Trainer.start({
    model: sequential([flatten(), batchNorm(SIZE, { sync: 'all' }), linear(SIZE, 3)]),
    optimizer: sgd({ lr: 0.01 }),
    ...{ data, workers, replicas: 2, globalBatch: 16, diagnosticsEvery: 1, onNotice() {} },
  });

async function trained(trainer: Trainer, epochs: number): Promise<string> {
  for await (const _ of trainer.fit({ epochs }));
  await trainer.evaluate();
  return trainer.weightsHash();
}

describe('a packed set', () => {
  it('is read while the main thread is busy', async () => {
    const trainer = await started(await opened());
    const isAt = (step: number): boolean => (trainer.diagnostics()?.step ?? -1) >= step;
    const ended = trained(trainer, 1);
    while (!isAt(0)) await sleep(1);
    const lastStep = trainer.stepsPerEpoch - 1;
    const endMs = performance.now() + 5000;
    while (!isAt(lastStep) && performance.now() < endMs);
    expect(isAt(lastStep)).toBe(true);
    await ended;
    await trainer.close();
  });

  it('has the same bits however it is read, and leaves no thread', async () => {
    await withThreads(async (alive) => {
      for (const data of [await opened(), await opened(200)]) {
        const hashes = [];
        for (const given of [data, { ...data, train: { ...data.train } }]) {
          const trainer = await started(given, 2);
          hashes.push(await trained(trainer, 2));
          expect(alive.length).toBe(3);
          await trainer.close();
          expect(alive.length).toBe(0);
        }
        expect(hashes[1]).toBe(hashes[0]);
      }
    });
  });

  it('whose thread dies ends the run that needs it', async () => {
    await withThreads(async (alive) => {
      const trainer = await started(await opened());
      for await (const _ of trainer.fit({ epochs: 1, maxSteps: 1 }));
      await alive.at(-1)!.terminate();
      const ended = trained(trainer, 1);
      await expect(ended).rejects.toThrow(RunError);
      await expect(ended).rejects.toThrow('the thread that reads the data has ended');
      await trainer.close();
      expect(alive.length).toBe(0);
    });
  });
});
