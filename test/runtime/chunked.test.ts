// Training on data that is read in chunks: the same bits for any number of workers and processes,
// resumed in the middle of an epoch, and the bits of data in memory if one window holds all
// samples.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { RunError, UsageError } from '../../src/base/errors.ts';
import type { ChunkedDataset, TrainingData } from '../../src/data/chunked/chunkedDataset.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { describeDataset } from '../../src/data/identity.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { crossEntropy } from '../../src/nn/specs/losses.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { ema } from '../../src/optim/averaging.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { memoryNetworks } from '../../src/runtime/network.ts';
import { startOn } from '../../src/runtime/start.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { type ChunkedOptions, inChunks } from '../support/data/chunked.ts';
import { doomedData, startDoomed } from '../support/runs/doomed.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-chunked-'));
afterAll(() => rmSync(folder, { recursive: true }));

const data = synthetic({ train: 101, test: 23, shape: [6, 6, 1], classes: 3, seed: 4 });
const weighted: Dataset = {
  ...data,
  train: { ...data.train, weights: Float32Array.from({ length: 101 }, (_, i) => (i % 3) / 2) },
  test: { ...data.test, weights: Float32Array.from({ length: 23 }, (_, i) => i % 2) },
};
const base = {
  model: sequential([
    ...[flatten(), linear(36, 8), batchNorm(8, { sync: 'all' }), relu()],
    linear(8, 3),
  ]),
  optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
  loss: crossEntropy({ classWeights: [1, 2, 1] }),
  averaging: ema(),
  augmentation: { shift: 1, mixup: 0.3 },
  replicas: 2,
  globalBatch: 16,
  diagnosticsEvery: 0,
} as const;
const WINDOWS = { chunkSamples: 8, window: 24 };

type Options = Partial<Omit<TrainerOptions, 'data'>>;

/** Trains to the end of three epochs and shows all that samples have a part in. */
async function endOf(trainer: Trainer) {
  const losses: number[] = [];
  for await (const { loss } of trainer.fit({ epochs: 3 })) losses.push(loss);
  const evaluations = [];
  for (const split of ['test', 'train'] as const) {
    const metrics = ['confusion'] as const;
    const { seconds: _, ...evaluation } = await trainer.evaluate(split, { metrics });
    evaluations.push(evaluation);
  }
  await trainer.preciseBatchNorm({ batches: 5 });
  return { last: losses.at(-1), hash: trainer.weightsHash(), evaluations };
}

async function using<T>(trainer: Trainer, use: (trainer: Trainer) => Promise<T>): Promise<T> {
  try {
    return await use(trainer);
  } finally {
    await trainer.close();
  }
}

const started = (given: TrainingData, options: Options = {}): Promise<Trainer> =>
  Trainer.start({ ...base, data: given, workers: 1, ...options });
const trained = async (given: TrainingData, options: Options = {}) =>
  using(await started(given, options), endOf);

describe('data in chunks', () => {
  it('has the bits of data in memory if one window holds all of it', async () => {
    const expected = await trained(weighted);
    const given = inChunks(weighted, { chunkSamples: 8, testToo: true });
    expect(await trained(given, { workers: 3 })).toEqual(expected);
  });

  it('has other bits by windows, the same on any workers and processes, however slow', async () => {
    const expected = await trained(inChunks(data, WINDOWS));
    expect(expected.hash).not.toBe((await trained(data)).hash);
    const slow = inChunks(data, { ...WINDOWS, readMs: 2, testToo: true });
    expect(await trained(slow, { workers: 4 })).toEqual(expected);
    const ends = memoryNetworks(2).map(async (network, process) => {
      const options = { ...base, data: inChunks(data, WINDOWS), workers: 1 + process };
      return using(await startOn(network, options), endOf);
    });
    for (const end of await Promise.all(ends)) expect(end).toEqual(expected);
  });

  it('has the same bits in micro-batches', async () => {
    const expected = await trained(inChunks(data, WINDOWS));
    const given = inChunks(data, { ...WINDOWS, readMs: 1, testToo: true });
    for (const [workers, microBatches] of [
      [1, 3],
      [2, 4],
    ] as const) {
      expect(await trained(given, { workers, microBatches })).toEqual(expected);
    }
    const ends = memoryNetworks(2).map(async (network) => {
      const options = { ...base, data: given, workers: 1, microBatches: 2 };
      return using(await startOn(network, options), endOf);
    });
    for (const end of await Promise.all(ends)) expect(end).toEqual(expected);
  });

  it('can be resumed in the middle of an epoch, even in memory', async () => {
    const { contentHash } = describeDataset(data);
    const given = { ...inChunks(data, WINDOWS), contentHash };
    const expected = await trained(given);
    const path = join(folder, 'midst.ckpt');
    await using(await started(given, { workers: 2 }), async (trainer) => {
      for await (const _ of trainer.fit({ epochs: 3, maxSteps: 10 }));
      await trainer.save(path);
    });
    for (const again of [given, data]) {
      const trainer = await Trainer.resume(path, { data: again, workers: 3, diagnosticsEvery: 0 });
      expect(await using(trainer, endOf)).toEqual(expected);
    }
    const other = inChunks(data, { chunkSamples: 16, window: 32 });
    await expect(Trainer.resume(path, { data: { ...other, contentHash } })).rejects.toThrow(
      'chunks of 16 samples',
    );
    const changed = { ...given, contentHash: '0' };
    await expect(Trainer.resume(path, { data: changed })).rejects.toThrow('was changed');
  });

  it('is in memory by windows, and read no further ahead', async () => {
    const reads: number[] = [];
    const given = inChunks(data, { ...WINDOWS, onRead: (index) => reads.push(index) });
    await using(await started(given, { shuffle: false }), async (trainer) => {
      // Two windows of three chunks of 8 samples; evaluations have two of two chunks.
      const sample = 36 * 4 + 4;
      expect(trainer.dataBytes).toBe((48 + 32) * sample + 23 * sample);
      for await (const _ of trainer.fit({ epochs: 1, maxSteps: 1 }));
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect([...reads].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    });
  });
});

describe('a chunk', () => {
  const broken = (options: ChunkedOptions, read: ChunkedDataset['train']['read']) => {
    const whole = inChunks(data, options);
    return { ...whole, train: { ...whole.train, read } };
  };
  const failing = (index: number, failure: () => Promise<never>) => {
    const { read } = inChunks(data, WINDOWS).train;
    return broken(WINDOWS, (at, signal) => (at === index ? failure() : read(at, signal)));
  };
  const fit = async (trainer: Trainer): Promise<void> => {
    for await (const _ of trainer.fit({ epochs: 1 }));
  };

  it('that cannot be read ends the run that reaches it, with its error', async () => {
    const failure = new UsageError({ what: 'the disk', problem: 'is gone' });
    const given = failing(10, () => Promise.reject(failure));
    await using(await started(given, { workers: 2, shuffle: false }), async (trainer) => {
      for await (const _ of trainer.fit({ epochs: 1, maxSteps: 4 }));
      await expect(fit(trainer)).rejects.toBe(failure);
    });
  });

  it('that does not arrive ends the run in time, and is named', async () => {
    const given = failing(0, () => new Promise<never>(() => {}));
    await using(await started(given, { timeoutMs: 400, workers: 2 }), async (trainer) => {
      const ended = fit(trainer);
      await expect(ended).rejects.toThrow(RunError);
      await expect(ended).rejects.toThrow(/^chunk 0 of train of synthetic was not read within 200/);
    });
  });

  it('that does not match its description is refused', async () => {
    const { train } = inChunks(data, WINDOWS);
    const cases: readonly [(chunk: Awaited<ReturnType<typeof train.read>>) => object, RegExp][] = [
      [({ inputs }) => ({ inputs: inputs.subarray(1) }), /^inputs of chunk 0 .*got "287 values"/],
      [({ targets }) => ({ targets: targets.map(() => 3) }), /in chunk 0 of train of .*got 3/],
      [() => ({ targets: new Int32Array(8).fill(-100) }), /of chunk 0.*no class/],
      [() => ({ weights: new Float32Array(8) }), /^weights of chunk 0/],
    ];
    for (const [change, message] of cases) {
      const given = broken(WINDOWS, async (index, signal) => {
        const chunk = await train.read(index, signal);
        return { ...chunk, ...change(chunk) };
      });
      const trainer = await started(given, { shuffle: false });
      await using(trainer, async () => expect(fit(trainer)).rejects.toThrow(message));
    }
  });

  it('may be requested during a stop', async () => {
    const given = inChunks(data, { ...WINDOWS, readMs: 20 });
    await using(await started(given, { workers: 2 }), async (trainer) => {
      for await (const _ of trainer.fit({ epochs: 9, progressEveryMs: 1 })) break;
      const step = trainer.step;
      for await (const _ of trainer.fit({ epochs: 9, maxSteps: step + 1 }));
      expect(trainer.step).toBe(step + 1);
    });
  });
});

it.each(['fit', 'preciseBatchNorm'] as const)(
  'data in chunks goes on with the workers that are left when one dies in %s',
  async (moment) => {
    const chunks = inChunks(doomedData, { chunkSamples: 8, window: 24 });
    const once = (end: string) => join(folder, `${moment}-${end}`);
    const endWith = async (file: string, elastic: boolean) => {
      const doom = { way: 'throw', moment, workers: 3, victim: 1, once: file } as const;
      const trainer = await startDoomed({ ...doom, elastic, data: chunks, onNotice() {} });
      return using(trainer, async () => {
        await trainer.preciseBatchNorm({ batches: 9 });
        for await (const _ of trainer.fit({ epochs: 5 }));
        return [trainer.workers, trainer.weightsHash()];
      });
    };
    writeFileSync(once('none'), '');
    const [, hash] = await endWith(once('none'), false);
    expect(await endWith(once('one'), true)).toEqual([2, hash]);
  },
);

it.each([
  [{ window: 8 }, {}, 'window of synthetic: expected at least a global batch, 16 samples, got'],
  [{}, { shards: 'by-class' }, 'shards needs the class of each sample'],
  [{}, { validationSplit: 0.1 }, 'validationSplit needs'],
] as const)('data in chunks, %j, is refused with %j', async (options, given, message) => {
  const chunked = inChunks(data, { chunkSamples: 8, ...options });
  await expect(started(chunked, given)).rejects.toThrow(message);
});
