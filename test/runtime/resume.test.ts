import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { normsOf } from '../../src/nn/convert/normLeaf.ts';
import type { NormRequest } from '../../src/nn/convert/normRequest.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { adamw } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';

const data = synthetic({ train: 48, test: 12, shape: [8, 8, 1], classes: 4, seed: 3 });
const folder = mkdtempSync(join(tmpdir(), 'syncbn-resume-'));
const path = join(folder, 'run.ckpt');
let hash = '';

beforeAll(async () => {
  const trainer = await Trainer.start({
    model: namedModel('mnist-cnn', { inputShape: data.inputShape, classes: 4 }),
    norm: { to: 'auto' },
    data,
    optimizer: adamw(),
    replicas: 4,
    globalBatch: 16,
    workers: 2,
  });
  for await (const _ of trainer.fit({ epochs: 1 }));
  await trainer.save(path);
  hash = trainer.weightsHash();
  await trainer.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

async function resumed<T>(norm: NormRequest, use: (trainer: Trainer) => Promise<T>): Promise<T> {
  const trainer = await Trainer.resume(path, { data, workers: 2, norm });
  try {
    return await use(trainer);
  } finally {
    await trainer.close();
  }
}

describe('a run that was started with norm auto', () => {
  it('has the choice in its checkpoint', async () => {
    await resumed({ to: 'auto' }, async (trainer) => {
      expect(normsOf(trainer.config.model)).toEqual([
        'batchNorm (sync)',
        'groupNorm (4 groups of 16 channels)',
      ]);
      expect(trainer.conversion).toEqual([]);
      expect(trainer.weightsHash()).toBe(hash);
    });
  });
});

it("a checkpoint from before sync 'all' resumes with the same bits", async () => {
  const checkpoint = await readCheckpoint(path);
  const text = JSON.stringify(checkpoint.model);
  const old = { ...checkpoint, model: JSON.parse(text.replaceAll('"all"', '"sync"')) };
  expect(old.model).not.toEqual(checkpoint.model);
  const hashes: string[] = [];
  for (const from of [checkpoint, old]) {
    const trainer = await Trainer.resume(from, { data, workers: 2 });
    try {
      for await (const _ of trainer.fit({ epochs: 2 }));
      expect(trainer.config.model).toEqual(checkpoint.model);
      hashes.push(trainer.weightsHash());
    } finally {
      await trainer.close();
    }
  }
  expect(hashes[1]).toBe(hashes[0]);
});

describe('a resume with another norm', () => {
  const values = ['bias', 'weight'];
  const moments = [0, 1].flatMap((slot) => values.map((name) => `optimizer.${slot} ${name}`));
  const statistics = ['numBatchesTracked', 'runningMean', 'runningVar'];
  const all = [...values, ...moments];

  // Of three norms the last is a groupNorm already, and stays one.
  it.each([
    ['local', [...all, ...statistics], [], '10.'],
    ['group', all, statistics, '10.'],
    ['layer', values, [...moments, ...statistics], '10.'],
    ['none', [], [...values, ...statistics], '8.'],
  ] as const)('to %s tells what carried over and trains on', async (to, kept, lost, last) => {
    await resumed({ to }, async (trainer) => {
      const told = (place: string, isCarried: boolean): string[] =>
        trainer.conversion
          .filter(({ layer, carried }) => layer.startsWith(place) && carried === isCarried)
          .map(({ tensor }) => tensor)
          .sort();
      for (const place of ['1.', '5.']) {
        expect(told(place, true)).toEqual([...kept].sort());
        expect(told(place, false)).toEqual([...lost].sort());
      }
      expect(told(last, true)).toEqual([...all].sort());
      expect(told(last, false)).toEqual([]);

      const carried = trainer.weightsHash();
      expect(trainer.step).toBe(3);
      for await (const _ of trainer.fit({ epochs: 2 }));
      expect(trainer.step).toBe(6);
      expect(trainer.weightsHash()).not.toBe(carried);
    });
  });

  it('to instance is refused before the first step if a layer has vectors', async () => {
    await resumed({ to: 'instance', kinds: 'all' }, async (trainer) => {
      const first = trainer.fit({ epochs: 2 }).next();
      await expect(first).rejects.toThrow(/instanceNorm normalizes one value per channel/);
    });
  });

  it('evaluates as before if everything carries over', async () => {
    const evaluate = (trainer: Trainer) => trainer.evaluate().then(({ loss }) => loss);
    const before = await resumed({ to: 'auto' }, evaluate);
    expect(await resumed({ to: 'auto', groupSize: 2, numGroups: 4 }, evaluate)).toBe(before);
  });

  it('to frozen is refused if a layer has no running statistics', async () => {
    const frozen = resumed({ to: 'frozen', kinds: 'all' }, async () => undefined);
    await expect(frozen).rejects.toThrow(/10\.groupNorm to 'frozen'/);
  });
});
