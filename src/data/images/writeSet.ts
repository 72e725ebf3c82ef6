// Writes a packed set chunk by chunk, to a folder that appears once it is complete.

import {
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { fileError } from '../../base/fileError.ts';
import { writeAll } from '../../base/regularFile.ts';
import { channelsOf, type Shape, sizeOf } from '../../base/shape.ts';
import { packageVersion } from '../../base/version.ts';
import { ContentHash, PART_BYTES } from '../identity.ts';
import { npyHead } from '../npy/npyWriter.ts';
import { ByteSums } from '../statistics.ts';
import { setDataset } from './chunkedSet.ts';
import { readTargets, type SetFolder, splitReader } from './packedSplit.ts';
import { NPY, SET_FILE, type SetContent } from './setContent.ts';
import { checksumOf, setText } from './setFile.ts';

/** The samples of a split, one part per chunk. Each part may be reused once the next is
 * requested. */
export interface PackedSplit {
  readonly count: number;
  readonly inputs: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Classes, or masks as bytes. */
  readonly targets: AsyncIterable<Uint8Array | Int32Array> | Iterable<Uint8Array | Int32Array>;
}

/** What to pack. */
export interface PackedSet {
  readonly name: string;
  readonly inputShape: Shape;
  /** Shape of the masks; empty for classes. */
  readonly targetShape: Shape;
  /** Samples of each chunk except the last, a multiple of 16: {@link chunkSamplesFor}. */
  readonly chunkSamples: number;
  readonly train: PackedSplit;
  readonly test?: PackedSplit;
  /** Empty for masks. */
  readonly classNames: readonly string[];
  /** Called when everything is written. */
  countClasses(): number;
  /** What determines the bytes in addition to the files: decoder, size and so on. */
  readonly made: Readonly<Record<string, string>>;
}

/** Approximate amount to read at a time. */
const CHUNK_BYTES = 8e6;

/** Samples per chunk: enough for about 8 MB, in a multiple that keeps its bytes whole hash
 * words. */
export function chunkSamplesFor(inputShape: Shape): number {
  const samples = Math.floor(CHUNK_BYTES / sizeOf(inputShape));
  return Math.max(PART_BYTES, samples - (samples % PART_BYTES));
}

/** Writes a set to a folder that must not exist yet. Throws a {@link UsageError}. */
export async function writePackedSet(dir: string, set: PackedSet): Promise<void> {
  try {
    await mkdir(dirname(resolve(dir)), { recursive: true });
    const work = await mkdtemp(`${resolve(dir)}.`);
    const made = join(work, 'set');
    try {
      await mkdir(made);
      const content = await writeArrays(made, set);
      const contentHash = await hashOf({ dir: made, set: { ...content, contentHash: '' } });
      const maker = { syncbn: packageVersion(), made: set.made };
      await writeFile(join(made, SET_FILE), setText({ ...content, contentHash, ...maker }));
      await rename(made, dir);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  } catch (error) {
    throw fileError(`the folder ${dir}`, error, 'a folder that can be created');
  }
}

/** Throws a {@link UsageError} if something exists at the path of a new set. */
export async function checkNewSet(dir: string): Promise<void> {
  const found = await stat(dir).catch(() => undefined);
  if (found === undefined) return;
  throw new UsageError({
    what: `the folder ${dir}`,
    problem: 'already exists',
    hint: 'another name, or removing it',
  });
}

async function writeArrays(dir: string, set: PackedSet): Promise<Omit<SetContent, 'contentHash'>> {
  const { name, inputShape, targetShape, train, test, classNames } = set;
  const sums = new ByteSums(channelsOf(inputShape));
  const files: Record<string, string[]> = {};
  for (const [split, samples] of Object.entries({ train, ...(test && { test }) })) {
    const { count, inputs, targets } = samples;
    const add = split === 'train' ? (part: Uint8Array): void => sums.add(part) : undefined;
    const x = { shape: [count, ...inputShape], type: 'u8' } as const;
    files[`x_${split}${NPY}`] = await writeArray(join(dir, `x_${split}${NPY}`), x, inputs, add);
    const type = targetShape.length === 0 ? 'i32' : 'u8';
    const y = { shape: [count, ...targetShape], type } as const;
    files[`y_${split}${NPY}`] = await writeArray(join(dir, `y_${split}${NPY}`), y, targets);
  }
  return {
    name,
    classes: set.countClasses(),
    classNames: [...classNames],
    chunkSamples: set.chunkSamples,
    inputShape: [...inputShape],
    targetShape: [...targetShape],
    counts: { train: train.count, test: test?.count ?? 0 },
    ...sums.statistics(),
    files,
  };
}

/** Writes an array and returns the checksums of its parts. */
async function writeArray<Part extends Uint8Array | Int32Array>(
  path: string,
  { shape, type }: { readonly shape: Shape; readonly type: 'u8' | 'i32' },
  parts: AsyncIterable<Part> | Iterable<Part>,
  onPart?: (part: Part) => void,
): Promise<string[]> {
  const file: FileHandle = await open(path, 'wx');
  try {
    await writeAll(file, npyHead(shape, type));
    const checksums: string[] = [];
    for await (const part of parts) {
      onPart?.(part);
      const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
      checksums.push(checksumOf(bytes));
      await writeAll(file, bytes);
    }
    return checksums;
  } finally {
    await file.close();
  }
}

/** The hash of the set as data in memory, computed from the written files. */
async function hashOf(folder: SetFolder): Promise<string> {
  const { counts } = folder.set;
  const hash = new ContentHash(setDataset(folder, {}));
  for (const split of ['train', 'test'] as const) {
    const chunks = Math.ceil(counts[split] / folder.set.chunkSamples);
    const read = counts[split] === 0 ? undefined : await splitReader(folder, split);
    for (let i = 0; i < chunks; i++) hash.addPart(await read!.inputs(i));
    hash.endParts();
    for (let i = 0; i < chunks; i++) hash.addPart(readTargets(folder.set, await read!.targets(i)));
    hash.endParts();
  }
  return hash.hex();
}
