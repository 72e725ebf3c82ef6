// Files in pieces: Node takes less than 2 GiB in one call.

import { createHash } from 'node:crypto';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readSome, writeAll } from '../../src/base/regularFile.ts';
import { hashValues } from '../../src/checkpoint/state.ts';

/** The file, and the requested lengths. */
function watched(file: FileHandle, lengths: number[]): FileHandle {
  return new Proxy(file, {
    get: (target, name) => {
      const call = Reflect.get(target, name) as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        lengths.push(args[2] as number);
        return call.apply(target, args);
      };
    },
  });
}

it('are written and read in pieces of a given size', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'syncbn-pieces-'));
  const file = await open(join(folder, 'bytes'), 'w+');
  try {
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
    const lengths: number[] = [];
    await writeAll(watched(file, lengths), bytes, 32);
    expect(lengths).toEqual([32, 32, 32, 4]);
    const read = await readSome(watched(file, lengths), 10, 200, 48);
    expect([...read]).toEqual([...bytes.subarray(10)]);
    expect(lengths.slice(4, 7)).toEqual([48, 48, 48]);
  } finally {
    await file.close();
    await rm(folder, { recursive: true });
  }
});

it('have the hash of the whole file', () => {
  const values = new Float32Array(new SharedArrayBuffer(400)).map((_, i) => i / 7);
  const [whole, pieces] = [createHash('sha256'), createHash('sha256')];
  whole.update(new Uint8Array(values.buffer).slice());
  const shared = new Float32Array(new SharedArrayBuffer(400));
  shared.set(values);
  hashValues(pieces, shared, 48);
  expect(pieces.digest('hex')).toBe(whole.digest('hex'));
});
