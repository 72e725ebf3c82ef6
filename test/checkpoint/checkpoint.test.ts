import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.ts';
import {
  openCheckpoint,
  readCheckpoint,
  writeCheckpoint,
} from '../../src/checkpoint/checkpointFile.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { constant } from '../../src/optim/schedule.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-checkpoint-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'run.ckpt');
const other = join(folder, 'other.ckpt');

const checkpoint: Checkpoint = {
  runId: 'a run',
  writtenBy: { library: '1.0.0', kernels: 'fast 00', node: '20.0.0', engine: 'v8 1, x64' },
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
    optimizer: { ...sgd({ lr: 0.1 }) },
    schedule: { ...constant() },
    clipNorm: null,
    replicas: 2,
    globalBatch: 4,
    dropLast: false,
    shuffle: true,
    augmentation: { maxShift: 2, flip: false },
    seed: 2 ** 40,
    mode: 'fast',
  },
  note: { data: 'here', limit: 64, regression: false },
  counters: { step: 5, epochs: 2, epochSums: [0.1, Number.NaN, 4, 0] },
  tensors: [
    { name: 'w', group: 'parameter', shape: [3], values: Float32Array.of(0.1, Number.NaN, -0) },
    { name: 'bb', group: 'buffer', shape: [2, 1], values: Float64Array.of(1 / 3, 1e300) },
    { name: 'ccc', group: 'buffer', shape: [0], values: new Float64Array() },
  ],
};

async function bytesOf(value: Checkpoint): Promise<Uint8Array> {
  await writeCheckpoint(path, value);
  return readFileSync(path);
}

/** Reads these bytes as a file. */
function read(bytes: Uint8Array | string): Promise<Checkpoint> {
  writeFileSync(other, bytes);
  return readCheckpoint(other);
}

describe('a checkpoint', () => {
  it('is read back bit for bit, and is alone in its folder', async () => {
    await writeCheckpoint(path, checkpoint);
    expect(await readCheckpoint(path)).toEqual(checkpoint);
    expect(readdirSync(folder)).toEqual(['run.ckpt']);
  });

  it('streams its values into shared memory', async () => {
    await writeCheckpoint(path, checkpoint);
    const shared = new SharedArrayBuffer(64);
    const arrays = [
      new Float32Array(shared, 0, 3),
      new Float64Array(shared, 16, 2),
      new Float64Array(),
    ];
    await (await openCheckpoint(path)).readInto(arrays);
    expect(arrays.map((values) => [...values])).toEqual(
      checkpoint.tensors.map(({ values }) => [...values]),
    );
  });

  it('larger than its I/O chunks is read back, too', async () => {
    const values = Float32Array.from({ length: 3_000_001 }, (_, i) => Math.sin(i));
    const tensors = [
      { name: 'w', group: 'parameter', shape: [values.length], values } as const,
      checkpoint.tensors[1]!,
    ];
    await writeCheckpoint(path, {
      ...checkpoint,
      tensors: tensors.map((one) => ({ ...one, shape: [...one.shape] })),
    });
    const found = await readCheckpoint(path);
    expect(found.tensors[0]!.values).toEqual(values);
    expect(found.tensors[1]!.values).toEqual(tensors[1]!.values);
  });

  it('that is truncated anywhere is refused', async () => {
    const bytes = await bytesOf(checkpoint);
    for (let length = 0; length < bytes.length; length++) {
      await expect(read(bytes.subarray(0, length))).rejects.toThrow(UsageError);
    }
    await expect(read(Buffer.concat([bytes, Buffer.of(0)]))).rejects.toThrow(/whole checkpoint/);
  });

  it('that is damaged anywhere is refused', async () => {
    const bytes = await bytesOf(checkpoint);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          const damaged = Uint8Array.from(bytes);
          damaged[at] = damaged[at]! ^ change;
          await expect(read(damaged)).rejects.toThrow(UsageError);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is distinguished from other kinds of files', async () => {
    await expect(read('{"kind": "linear"}')).rejects.toThrow(/a JSON file.*--model/);
    await expect(read('')).rejects.toThrow(/expected a whole checkpoint.*, got "0 bytes"/);
    for (const some of [1, 'text', [1, 2], { format: 'x' }, { ...checkpoint, tensors: [] }]) {
      await expect(read(encode(some))).rejects.toThrow(/another kind of file.*that syncbn wrote/);
    }
    const newer = await bytesOf(checkpoint);
    newer[8] = 9;
    await expect(read(newer)).rejects.toThrow(/got "version 9"/);
  });

  it('that is a pipe, a device or a folder is refused at once', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(readCheckpoint(pipe)).rejects.toThrow(/a regular file.*a pipe/);
    await expect(writeCheckpoint(pipe, checkpoint)).rejects.toThrow(/a regular file.*a pipe/);
    await expect(readCheckpoint('/dev/zero')).rejects.toThrow(/a regular file.*device/);
    await expect(readCheckpoint(folder)).rejects.toThrow(/a folder/);
    rmSync(pipe);
  });

  it('that could not be used is not written, and the old file is kept', async () => {
    const before = await bytesOf(checkpoint);
    const { run, model } = checkpoint;
    for (const broken of [
      { ...checkpoint, run: { ...run, optimizer: { kind: 'sgd', lr: Number.NaN } } },
      { ...checkpoint, run: { ...run, schedule: { kind: 'cosinus' } } },
      { ...checkpoint, model: { ...model, inFeatures: -1 } },
      { ...checkpoint, data: { ...checkpoint.data, mean: [Number.NaN, 0, 0] } },
    ]) {
      await expect(writeCheckpoint(path, broken)).rejects.toThrow(UsageError);
      expect(new Uint8Array(readFileSync(path))).toEqual(new Uint8Array(before));
    }
  });

  it('that cannot be written or read is a UsageError', async () => {
    const lost = join(folder, 'missing', 'run.ckpt');
    await expect(writeCheckpoint(lost, checkpoint)).rejects.toThrow(UsageError);
    await expect(readCheckpoint(lost)).rejects.toThrow(/ENOENT/);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
