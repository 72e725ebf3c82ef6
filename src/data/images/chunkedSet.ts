// A packed set that is read in chunks: each chunk is found by its offset in the npy files, and
// checked against its checksum in set.json.

import { webcrypto } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { withRegularFile } from '../../base/regularFile.ts';
import { sizeOf } from '../../base/shape.ts';
import { checkTrainingData } from '../chunked/checkChunked.ts';
import type { ChunkedDataset, ChunkedSplit } from '../chunked/chunkedDataset.ts';
import { byteMasks } from '../npy/byteMasks.ts';
import { parseNpyHeader } from '../npy/npy-header.ts';
import { SET_FILE } from '../npy/npyFolder.ts';
import type { Task } from '../task.ts';
import { NPY, readSetFile, type SetContent } from './setFile.ts';

/** A set and its folder. */
export interface SetFolder {
  readonly dir: string;
  readonly set: SetContent;
}

/** Reads chunks of a split's files. */
export interface SplitReader {
  inputs(chunk: number): Promise<Uint8Array>;
  /** Classes unchanged, masks as bytes. */
  targets(chunk: number): Promise<Uint8Array | Int32Array>;
}

const HEADER_BYTES = 4096;

/** Opens a packed set, to be read during a run. Throws a {@link UsageError}. */
export async function openChunkedSet(
  dir: string,
  options: Pick<ChunkedDataset, 'window'>,
): Promise<ChunkedDataset> {
  const set = await readSetFile(join(dir, SET_FILE));
  if (set.version === 1) {
    throw new UsageError({
      what: `the packed set ${dir}`,
      given: 'version 1, which has no chunks',
      allowed: 'version 2',
      hint: 'packing the images again',
    });
  }
  const data = setDataset({ dir, set }, options);
  for (const split of ['train', 'test'] as const) {
    if (set.counts[split] > 0) await splitReader({ dir, set }, split);
  }
  checkTrainingData(data);
  return data;
}

/** The dataset of a set. */
export function setDataset(
  folder: SetFolder,
  { window }: Pick<ChunkedDataset, 'window'>,
): ChunkedDataset {
  const { name, classes, classNames, inputShape, targetShape, mean, std } = folder.set;
  const { contentHash } = folder.set;
  const task: Task =
    targetShape.length === 0
      ? { kind: 'classification', classes }
      : { kind: 'segmentation', classes, targetShape };
  return {
    ...{ name, inputShape, inputType: 'u8', task, mean, std, contentHash },
    ...(classNames.length > 0 && { classNames }),
    train: chunkedSplit(folder, 'train'),
    test: chunkedSplit(folder, 'test'),
    ...(window !== undefined && { window }),
  };
}

function chunkedSplit(folder: SetFolder, split: 'train' | 'test'): ChunkedSplit {
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

/** Converts targets to the form that a run takes. */
export function readTargets(
  { targetShape }: Pick<SetContent, 'targetShape'>,
  values: Uint8Array | Int32Array,
): Int32Array {
  if (values instanceof Int32Array) return values;
  return targetShape.length === 0 ? Int32Array.from(values) : byteMasks(values);
}

/** Opens the files of a split. Throws a {@link UsageError} if they do not match set.json. */
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

/** The range of an array's values in a file. */
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

/** Returns a function that reads and checks a chunk of an array. */
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

/** Reads this many bytes, fewer if the file ends before. */
async function readFully(
  file: FileHandle,
  position: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  // All of it is overwritten.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}
