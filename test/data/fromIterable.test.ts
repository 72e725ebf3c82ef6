// Chunks that come one after the other: begun anew for each pass, left at its end, trained on in
// their order.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ChunkedDataset } from '../../src/data/chunked/chunkedDataset.ts';
import { fromIterable } from '../../src/data/chunked/fromIterable.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { inChunks } from '../support/data/chunked.ts';

const samples = synthetic({ train: 60, test: 10, shape: [3, 3, 1], classes: 3, seed: 4 });
const CHUNKS = { chunkSamples: 8, window: 16 };
const { read, ...split } = inChunks(samples, CHUNKS).train;
const whole = new AbortController().signal;

/** The samples, and how many passes over them have begun and are under way. */
function iterated(chunks = 8) {
  const passes = { begun: 0, open: 0 };
  const train = fromIterable({
    ...split,
    async *open() {
      passes.begun++;
      passes.open++;
      try {
        for (let index = 0; index < chunks; index++) yield await read(index, whole);
      } finally {
        passes.open--;
      }
    },
  });
  return { passes, train };
}

it('each signal has a pass of its own, which begins again where it has to', async () => {
  const { passes, train } = iterated();
  const [one, other] = [new AbortController(), new AbortController()];
  const asked = [train.read(2, one.signal), train.read(3, one.signal), train.read(1, other.signal)];
  const given = await Promise.all(asked);
  const expected = await Promise.all([2, 3, 1].map((index) => read(index, whole)));
  expect(given).toEqual(expected);
  expect(passes).toEqual({ begun: 2, open: 2 });
  expect(await train.read(0, one.signal)).toEqual(await read(0, whole));
  expect(passes).toEqual({ begun: 3, open: 2 });
  await train.read(7, one.signal);
  other.abort();
  await new Promise((resolve) => setImmediate(resolve));
  expect(passes.open).toBe(0);
  await expect(iterated(5).train.read(6, one.signal)).rejects.toThrow(
    /expected 8, .*got "5 chunks"/,
  );
});

it('is trained on in its order, with the same bits on any workers and resumed', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'syncbn-iterable-'));
  const path = join(dir, 'midst.ckpt');
  const { passes, train } = iterated();
  const data: ChunkedDataset = { ...samples, train, window: CHUNKS.window };
  const end = async (trainer: Trainer, maxSteps?: number): Promise<string> => {
    for await (const _ of trainer.fit({ epochs: 2, ...(maxSteps && { maxSteps }) }));
    const hash = trainer.weightsHash();
    if (maxSteps !== undefined) await trainer.save(path);
    else await trainer.evaluate('train');
    await trainer.close();
    return hash;
  };
  const started = (given: ChunkedDataset, workers: number): Promise<Trainer> =>
    Trainer.start({
      model: sequential([flatten(), linear(9, 3)]),
      optimizer: sgd({ lr: 0.1 }),
      ...{ data: given, workers, replicas: 1, globalBatch: 8, onNotice() {} },
    });
  try {
    const hash = await end(await started(data, 1));
    expect(await end(await started(data, 2))).toBe(hash);
    expect(await end(await started(inChunks(samples, CHUNKS), 1))).not.toBe(hash);
    await end(await started(data, 1), 5);
    expect(await end(await Trainer.resume(path, { data, workers: 2 }))).toBe(hash);
    await expect(
      Trainer.resume(path, { data: { ...data, train: { ...train, inOrder: false } } }),
    ).rejects.toThrow('expected chunks of 8 samples in their order, got "chunks of 8 samples"');
    expect(passes.open).toBe(0);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
