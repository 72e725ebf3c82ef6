import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { linear } from '../../src/nn/linear.ts';
import {
  type Checkpoint,
  parseCheckpoint,
  readCheckpoint,
  writeCheckpoint,
} from '../../src/train/checkpoint.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-checkpoint-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'run.ckpt');

const checkpoint: Checkpoint = {
  model: { ...linear(3, 2) },
  data: {
    name: 'tiny',
    inputShape: [3],
    inputType: 'f32',
    task: { kind: 'classification', classes: 2 },
    mean: [0, 0, 0],
    std: [1, 1, 1],
    countTrain: 4,
    countTest: 0,
    checksum: 7,
  },
  run: {
    loss: { kind: 'crossEntropy', labelSmoothing: 0 },
    optimizer: { kind: 'sgd', lr: 0.1 },
    schedule: { kind: 'constant' },
    clipNorm: null,
    replicas: 2,
    globalBatch: 4,
    dropLast: false,
    shuffle: true,
    augmentation: { maxShift: 2, flip: false },
    seed: 2 ** 40,
    mode: 'fast',
  },
  counters: { step: 5, epochs: 2, epochSums: [0.1, 2, 4, 0] },
  tensors: [
    // An odd name length moves what follows off its alignment.
    {
      name: 'w',
      group: 'parameter',
      shape: [3],
      values: Float32Array.of(0.1, Number.NaN, -0),
    },
    { name: 'bb', group: 'buffer', shape: [2, 1], values: Float64Array.of(1 / 3, 1e300) },
    { name: 'ccc', group: 'buffer', shape: [0], values: new Float64Array() },
  ],
};

async function bytesOf(value: Checkpoint): Promise<Uint8Array> {
  await writeCheckpoint(path, value);
  return readFileSync(path);
}

describe('a checkpoint', () => {
  it('comes back as it was written, bit for bit, and alone in its folder', async () => {
    await writeCheckpoint(path, checkpoint);
    expect(await readCheckpoint(path)).toEqual(checkpoint);
    expect(readdirSync(folder)).toEqual(['run.ckpt']);
  });

  it('that is cut off anywhere is refused', async () => {
    const bytes = await bytesOf(checkpoint);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parseCheckpoint('x', bytes.subarray(0, length))).toThrow(UsageError);
    }
  });

  it('that is damaged is read or refused, and nothing else happens', async () => {
    const bytes = await bytesOf(checkpoint);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const damaged = Uint8Array.from(bytes);
        damaged[at] = value;
        try {
          parseCheckpoint('x', damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('that is some other MessagePack is refused, and the error says which file', () => {
    for (const other of [1, 'text', [1, 2], { format: 'x' }, { ...checkpoint, format: 1 }]) {
      const bytes = encode(JSON.parse(JSON.stringify(other)));
      expect(() => parseCheckpoint('checkpoint y', bytes)).toThrow(/^checkpoint y.*version 1/);
    }
  });

  it('whose tensors do not have their shapes is refused', async () => {
    const [first, ...rest] = checkpoint.tensors;
    const tensors = [{ ...first!, shape: [4] }, ...rest];
    const bytes = await bytesOf({ ...checkpoint, tensors });
    expect(() => parseCheckpoint('x', bytes)).toThrow(/x, w: got "3 values", allowed is 4/);
  });

  it('that cannot be written or read is a UsageError', async () => {
    const lost = join(folder, 'missing', 'run.ckpt');
    await expect(writeCheckpoint(lost, checkpoint)).rejects.toThrow(UsageError);
    await expect(readCheckpoint(lost)).rejects.toThrow(/ENOENT/);
    expect(readdirSync(folder)).toEqual(['run.ckpt']);
  });
});
