// IDX, the format of MNIST and its relatives: 0x00 0x00, type, rank, then each size as a big-endian
// 32-bit number, then the values (http://yann.lecun.com/exdb/mnist/). Bytes only (type 0x08); plain
// or gzip. The values are not copied: what is returned looks into the file's bytes.

import { basename, join, resolve } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { channelsOf, showShape } from '../../base/shape.ts';
import { checkDataset, type Dataset, type Split } from '../dataset.ts';
import { byteStatistics, type ChannelStatistics } from '../statistics.ts';
import { listFolder, readDataFile, showNames, trailing, truncated, unpack } from './files.ts';

/** The contents of an IDX file of bytes. */
export interface IdxArray {
  readonly shape: readonly number[];
  readonly values: Uint8Array;
}

/** What is known of a folder beforehand; all else is taken from the files. */
export interface IdxOptions {
  /** Default: the name of the folder. */
  readonly name?: string;
  /** Default: the largest label + 1. */
  readonly classes?: number;
  /** Default: computed from the training bytes, per channel. */
  readonly statistics?: ChannelStatistics;
}

const MAGIC_BYTES = 4;
const SIZE_BYTES = 4;
const TYPE_U8 = 0x08;
const MAX_RANK = 4;
const OTHER_TYPES: ReadonlyMap<number, string> = new Map([
  [0x09, 'int8'],
  [0x0b, 'int16'],
  [0x0c, 'int32'],
  [0x0d, 'float32'],
  [0x0e, 'float64'],
]);

/** Parses an IDX file of bytes, plain or gzip; `file` is for messages. Throws a UsageError when the
 * magic number is wrong, the type is not bytes, or the length is not what the header says. */
export function parseIdx(packed: Uint8Array, file: string): IdxArray {
  const bytes = unpack(packed, file, idxWantedBytes);
  if (bytes.length < MAGIC_BYTES) {
    throw truncated(file, bytes.length, `a header of at least ${MAGIC_BYTES} bytes`);
  }
  const type = bytes[2]!;
  const rank = bytes[3]!;
  if (bytes[0] !== 0 || bytes[1] !== 0 || type !== TYPE_U8 || rank < 1 || rank > MAX_RANK) {
    throw wrongMagic(file, bytes);
  }
  const headerBytes = MAGIC_BYTES + SIZE_BYTES * rank;
  if (bytes.length < headerBytes) {
    throw truncated(file, bytes.length, `a header of ${headerBytes} bytes`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const shape = Array.from({ length: rank }, (_, i) =>
    view.getUint32(MAGIC_BYTES + SIZE_BYTES * i),
  );
  // Four sizes below 2^32 give a product below 2^128: rounded perhaps, but never mistaken for the
  // length of a file, which is below 2^31.
  const wantedBytes = headerBytes + shape.reduce((product, size) => product * size, 1);
  if (bytes.length < wantedBytes) throw truncated(file, bytes.length, wantedBytes);
  if (bytes.length > wantedBytes) throw trailing(file, bytes.length, wantedBytes);
  return { shape, values: bytes.subarray(headerBytes) };
}

/** What the header of an IDX file of bytes says of its length; undefined for anything else. */
function idxWantedBytes(head: Uint8Array): number | undefined {
  const rank = head[3] ?? 0;
  const headerBytes = MAGIC_BYTES + SIZE_BYTES * rank;
  const isIdx = head[0] === 0 && head[1] === 0 && head[2] === TYPE_U8;
  if (!isIdx || rank < 1 || rank > MAX_RANK || head.length < headerBytes) return undefined;
  const view = new DataView(head.buffer, head.byteOffset, headerBytes);
  let count = 1;
  for (let i = 0; i < rank; i++) count *= view.getUint32(MAGIC_BYTES + SIZE_BYTES * i);
  return headerBytes + count;
}

/** Reads a folder with the four files of MNIST: images and labels, for training (`train-`) and for
 * testing (`t10k-`), named `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, each perhaps
 * with `.gz`. Images are [N, H, W] (one channel) or [N, H, W, C]. Throws UsageErrors. */
export async function readIdxDataset(dir: string, options: IdxOptions = {}): Promise<Dataset> {
  const names = await listFolder(dir);
  const train = await readSplit(dir, names, 'train');
  const test = await readSplit(dir, names, 't10k');
  if (showShape(train.inputShape) !== showShape(test.inputShape)) {
    throw new UsageError({
      what: `the size of test images in ${dir}`,
      given: showShape(test.inputShape),
      allowed: `${showShape(train.inputShape)}, like the training images`,
    });
  }
  return checkDataset({
    name: options.name ?? basename(resolve(dir)),
    inputShape: train.inputShape,
    inputType: 'u8',
    task: {
      kind: 'classification',
      classes: options.classes ?? 1 + Math.max(largest(train.split), largest(test.split)),
    },
    ...(options.statistics ?? statisticsOf(train)),
    train: train.split,
    test: test.split,
  });
}

/** Whether a folder with these names is meant to be read by {@link readIdxDataset}. */
export function looksLikeIdx(names: readonly string[]): boolean {
  return spellings('train', 'images').some((name) => names.includes(name));
}

interface Part {
  readonly inputShape: readonly number[];
  readonly inputs: Uint8Array;
  readonly split: Split;
}

function statisticsOf(part: Part): ChannelStatistics {
  return byteStatistics(part.inputs, channelsOf(part.inputShape));
}

async function readSplit(
  dir: string,
  names: readonly string[],
  part: 'train' | 't10k',
): Promise<Part> {
  const imagesFile = findFile(dir, names, spellings(part, 'images'));
  const labelsFile = findFile(dir, names, spellings(part, 'labels'));
  const images = parseIdx(await readDataFile(imagesFile, idxWantedBytes), imagesFile);
  const labels = parseIdx(await readDataFile(labelsFile, idxWantedBytes), labelsFile);
  checkRank(imagesFile, images, [3, 4]);
  checkRank(labelsFile, labels, [1]);
  const [count = 0, height = 0, width = 0, channels = 1] = images.shape;
  if (labels.shape[0] !== count) {
    throw new UsageError({
      what: `${labelsFile} and ${imagesFile} differ in number`,
      given: `${labels.shape[0]} labels`,
      allowed: `one for each of ${count} images`,
    });
  }
  const inputs = images.values;
  const split = { count, inputs, targets: Int32Array.from(labels.values) };
  return { inputShape: [height, width, channels], inputs, split };
}

/** All names that a file may have; the plain ones first. */
function spellings(part: 'train' | 't10k', kind: 'images' | 'labels'): string[] {
  const ranks = kind === 'images' ? [3, 4] : [1];
  const plain = ranks.flatMap((rank) => [
    `${part}-${kind}-idx${rank}-ubyte`,
    `${part}-${kind}.idx${rank}-ubyte`,
  ]);
  return [...plain, ...plain.map((name) => `${name}.gz`)];
}

function findFile(dir: string, names: readonly string[], wanted: readonly string[]): string {
  const found = wanted.find((name) => names.includes(name));
  if (found !== undefined) return join(dir, found);
  throw new UsageError({
    what: `${wanted[0]} is missing in ${dir}`,
    given: showNames(names),
    allowed: wanted.join(', '),
  });
}

function checkRank(file: string, array: IdxArray, allowed: readonly number[]): void {
  if (allowed.includes(array.shape.length)) return;
  throw new UsageError({
    what: `axes of ${file}`,
    given: `${array.shape.length} (${showShape(array.shape)})`,
    allowed: allowed.join(' or '),
  });
}

function wrongMagic(file: string, bytes: Uint8Array): UsageError {
  const hex = Array.from(bytes.subarray(0, MAGIC_BYTES), (byte) =>
    byte.toString(16).padStart(2, '0'),
  );
  const known = bytes[0] === 0 && bytes[1] === 0 ? OTHER_TYPES.get(bytes[2]!) : undefined;
  return new UsageError({
    what: `magic number of ${file}`,
    given: `${hex.join(' ')}${known === undefined ? '' : ` (IDX of ${known})`}`,
    allowed: `00 00 08 01 to 00 00 08 0${MAX_RANK}: IDX of bytes with 1 to ${MAX_RANK} axes`,
  });
}

function largest(split: Split): number {
  let most = 0;
  for (const label of split.targets) if (label > most) most = label;
  return most;
}
