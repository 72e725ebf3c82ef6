// Reads the samples of a packed set in chunks, in any order, from their offsets in the npy files.
// Each chunk is verified with its checksum in set.json. A split's origin is plain data, so that any
// thread can read it.

import { webcrypto } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { withRegularFile } from '../../base/regularFile.ts';
import { sizeOf } from '../../base/shape.ts';
import { type ChunkedSplit, samplesIn } from '../chunked/chunkedDataset.ts';
import { limitChunks } from '../chunked/limitChunks.ts';
import { byteMasks } from '../npy/byteMasks.ts';
import { parseNpyHeader } from '../npy/npy-header.ts';
import { rows } from '../rows.ts';
import { NPY, SET_FILE, type SetContent } from './setContent.ts';

/** A set and its folder. */
export interface SetFolder {
  readonly dir: string;
  readonly set: SetContent;
}

/** Reads chunks from a split's files. */
export interface SplitReader {
  inputs(chunk: number): Promise<Uint8Array>;
  /** Classes as int32, masks as bytes. */
  targets(chunk: number): Promise<Uint8Array | Int32Array>;
}

/** Where a split's samples come from. */
export interface PackedOrigin {
  readonly folder: SetFolder;
  readonly split: 'train' | 'test';
  /** Number of samples to use ({@link limitChunks}); default all. */
  readonly limit?: number;
}

const HEADER_BYTES = 4096;

const origins = new WeakMap<ChunkedSplit, PackedOrigin>();

/** The origin of a split made by {@link packedSplit}; undefined for any other split. */
export function packedOrigin(split: ChunkedSplit): PackedOrigin | undefined {
  return origins.get(split);
}

/** Creates a split that is read from a packed set's files. */
export function packedSplit(origin: PackedOrigin): ChunkedSplit {
  const { limit } = origin;
  const whole = wholeSplit(origin);
  const split = limit === undefined ? whole : limitedSplit(whole, limit);
  origins.set(split, origin);
  return split;
}

function wholeSplit({ folder, split }: PackedOrigin): ChunkedSplit {
  const { dir, set } = folder;
  let reader: Promise<SplitReader> | undefined;
  return {
    count: set.counts[split],
    chunkSamples: set.chunkSamples,
    nameOf: (index) => `chunk ${index} of ${join(dir, `x_${split}${NPY}`)}`,
    async read(index) {
      reader ??= splitReader(folder, split);
      const { inputs, targets } = await reader;
      const [x, y] = await Promise.all([inputs(index), targets(index)]);
      return { inputs: x, targets: readTargets(set, y) };
    },
  };
}

function limitedSplit(whole: ChunkedSplit, limit: number): ChunkedSplit {
  const { chunks, rowsOf, ...size } = limitChunks(whole, limit);
  return {
    ...size,
    nameOf: (index) => whole.nameOf!(chunks[index]!),
    async read(index, signal) {
      const chunk = chunks[index]!;
      const { inputs, targets } = await whole.read(chunk, signal);
      const picked = rowsOf(index);
      const count = samplesIn(whole, chunk);
      return {
        inputs: rows(inputs, inputs.length / count, picked),
        targets: rows(targets, targets.length / count, picked),
      };
    },
  };
}

/** Converts targets to the int32 values that a run uses. */
export function readTargets(
  { targetShape }: Pick<SetContent, 'targetShape'>,
  values: Uint8Array | Int32Array,
): Int32Array {
  if (values instanceof Int32Array) return values;
  return targetShape.length === 0 ? Int32Array.from(values) : byteMasks(values);
}

/** Creates a reader of a split's files. Throws a {@link UsageError} if they do not match
 * set.json. */
export async function splitReader(
  { dir, set }: SetFolder,
  split: 'train' | 'test',
): Promise<SplitReader> {
  const { inputShape, targetShape, counts, chunkSamples } = set;
  const reader = async (array: string, shape: readonly number[], dtypes: readonly string[]) => {
    const name = `${array}_${split}${NPY}`;
    const whole = [counts[split], ...shape];
    const file = await findValues(join(dir, name), { shape: whole, dtypes });
    return bindParts(file, {
      count: counts[split],
      chunkSamples,
      checksums: set.files[name] ?? [],
    });
  };
  const inputs = await reader('x', inputShape, ['u1']);
  const targets = await reader('y', targetShape, targetShape.length === 0 ? ['i4'] : ['u1']);
  return {
    inputs,
    targets: async (chunk) => {
      const { buffer, byteLength } = await targets(chunk);
      return targetShape.length === 0
        ? new Int32Array(buffer, 0, byteLength / 4)
        : new Uint8Array(buffer);
    },
  };
}

/** Where an array's values are in its file. */
interface ValuesPlace {
  readonly path: string;
  readonly offset: number;
  readonly rowBytes: number;
}

async function findValues(
  path: string,
  wanted: { readonly shape: readonly number[]; readonly dtypes: readonly string[] },
): Promise<ValuesPlace> {
  return withRegularFile(path, path, async (file, size) => {
    const header = parseNpyHeader(await readFully(file, 0, Math.min(size, HEADER_BYTES)), path);
    const { shape, dtype, isBigEndian, isFortran, dataOffset } = header;
    const bytes = Number(dtype.slice(-1));
    const rowBytes = sizeOf(wanted.shape.slice(1)) * bytes;
    const isWanted =
      `${shape}` === `${wanted.shape}` &&
      wanted.dtypes.includes(dtype) &&
      !isBigEndian &&
      !isFortran &&
      size === dataOffset + wanted.shape[0]! * rowBytes;
    if (!isWanted) throw changed(path);
    return { path, offset: dataOffset, rowBytes };
  });
}

/** Returns a function that reads a chunk of an array and verifies its checksum. */
function bindParts(
  { path, offset, rowBytes }: ValuesPlace,
  of: {
    readonly count: number;
    readonly chunkSamples: number;
    readonly checksums: readonly string[];
  },
): (chunk: number) => Promise<Uint8Array<ArrayBuffer>> {
  const { count, chunkSamples, checksums } = of;
  return (chunk) => {
    const what = `chunk ${chunk} of ${path}`;
    return withRegularFile(path, what, async (file) => {
      const first = chunk * chunkSamples;
      const length = Math.min(chunkSamples, count - first) * rowBytes;
      const bytes = await readFully(file, offset + first * rowBytes, length);
      // Runs on one of Node's own threads.
      const digest = await webcrypto.subtle.digest('SHA-256', bytes);
      if (Buffer.from(digest).toString('hex') === checksums[chunk]) return bytes;
      throw changed(what);
    });
  };
}

function changed(what: string): UsageError {
  const problem = `does not match ${SET_FILE}`;
  return new UsageError({ what, problem, hint: 'packing the images again' });
}

/** Reads `length` bytes, or fewer if the file ends first. */
async function readFully(
  file: FileHandle,
  position: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  // Unsafe is fine: only bytes that were read are returned.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}
