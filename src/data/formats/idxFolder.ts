// Reads folders with the four IDX files of MNIST and similar sets: images and labels, for training
// and for testing, with any name prefix, as in EMNIST and QMNIST.

import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { channelsOf, showShape } from '../../base/shape.ts';
import { checkDataset } from '../checkDataset.ts';
import type { Dataset } from '../dataset.ts';
import { datasetOf, largest, type Part } from '../parts.ts';
import { byteStatistics, type ChannelStatistics } from '../statistics.ts';
import { listFolder, readDataFile, showNames } from './files.ts';
import { type IdxArray, idxWantedBytes, parseIdx } from './idx.ts';

/** What is known about a folder beforehand; everything else comes from the files. */
export interface IdxOptions {
  /** Default: the prefix of the file names, or the name of the folder. */
  readonly name?: string;
  /** Default: the largest label + 1. */
  readonly classes?: number;
  /** Default: computed from the training bytes, per channel. */
  readonly statistics?: ChannelStatistics;
}

/** `emnist-letters-train-images-idx3-ubyte.gz`: prefix, split, role and format. */
const NAME = /^(.*?)(train|t10k|test)-(images|labels)[-.]idx[1-4]-[a-z]+(\.gz)?$/;

interface IdxName {
  readonly file: string;
  /** `emnist-letters-`, or empty. */
  readonly prefix: string;
  readonly split: 'train' | 'test';
  readonly kind: 'images' | 'labels';
}

/** Reads a folder with four files such as `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
 * `t10k-images.idx3-ubyte` and `test-labels-idx1-ubyte.gz`, with the same prefix or none. If a
 * folder has several sets, the path is the folder and the prefix, `emnist/emnist-letters`. Images
 * are [N, H, W] (one channel) or [N, H, W, C], of any number type; labels are integers [N], or [N,
 * K] as in QMNIST, where the first one is the class. Throws UsageErrors. */
export async function readIdxDataset(path: string, options: IdxOptions = {}): Promise<Dataset> {
  const { dir, files, prefix } = await filesOf(path);
  const train = await readSplit(dir, files, 'train');
  const test = await readSplit(dir, files, 'test');
  if (showShape(train.inputShape) !== showShape(test.inputShape)) {
    throw new UsageError({
      what: `the size of test images in ${dir}`,
      given: showShape(test.inputShape),
      allowed: `${showShape(train.inputShape)}, like the training images`,
    });
  }
  const name = options.name ?? (prefix.replace(/[-_.]+$/, '') || basename(resolve(dir)));
  const { inputs, targets } = train;
  if (!(inputs instanceof Uint8Array) || !(test.inputs instanceof Uint8Array)) {
    return datasetOf(name, train, test, true);
  }
  const classes = options.classes ?? 1 + Math.max(largest(targets), largest(test.targets));
  return checkDataset({
    name,
    inputShape: train.inputShape,
    inputType: 'u8',
    task: { kind: 'classification', classes },
    ...(options.statistics ?? byteStatistics(inputs, channelsOf(train.inputShape))),
    train: { count: train.count, inputs, targets },
    test: { count: test.count, inputs: test.inputs, targets: test.targets },
  });
}

/** Whether the names in a folder are for {@link readIdxDataset}. */
export function looksLikeIdx(names: readonly string[]): boolean {
  return idxNames(names).some(({ split, kind }) => split === 'train' && kind === 'images');
}

/** Whether a path that is not a folder is the prefix of IDX files in one. */
export async function isIdxPrefix(path: string): Promise<boolean> {
  const isFolder = await listFolder(path).then(
    () => true,
    () => false,
  );
  const names = isFolder ? [] : await listFolder(dirname(path)).catch(() => []);
  return idxNames(names).some(({ prefix }) => prefix === `${basename(path)}-`);
}

/** The names of IDX files, plain ones first. */
function idxNames(names: readonly string[]): readonly IdxName[] {
  const found = names.flatMap((file) => {
    const [, prefix, split, kind] = NAME.exec(file) ?? [];
    if (prefix === undefined) return [];
    const of = split === 'train' ? 'train' : 'test';
    return [{ file, prefix, split: of, kind } as IdxName];
  });
  const isPacked = ({ file }: IdxName): number => (file.endsWith('.gz') ? 1 : 0);
  return found.sort((a, b) => isPacked(a) - isPacked(b));
}

/** The files of one set. */
async function filesOf(
  path: string,
): Promise<{ readonly dir: string; readonly files: readonly IdxName[]; readonly prefix: string }> {
  const isPrefix = await isIdxPrefix(path);
  const dir = isPrefix ? dirname(path) : path;
  const files = idxNames(await listFolder(dir));
  const prefixes = [...new Set(files.map(({ prefix }) => prefix))].sort();
  const prefix = isPrefix ? `${basename(path)}-` : (prefixes[0] ?? '');
  if (isPrefix || prefixes.length < 2) {
    return { dir, prefix, files: files.filter((file) => file.prefix === prefix) };
  }
  throw new UsageError({
    what: `the data folder ${dir}`,
    given: `files of ${showNames(prefixes.map((name) => name || 'no name'))}`,
    allowed: 'one set of IDX files, or the folder and the name prefix of one set',
    hint: join(dir, prefixes.find((name) => name !== '')!.replace(/-$/, '')),
  });
}

interface LabeledImages extends Part {
  readonly targets: Int32Array;
}

async function readSplit(
  dir: string,
  files: readonly IdxName[],
  split: 'train' | 'test',
): Promise<LabeledImages> {
  const imagesFile = findFile(dir, files, split, 'images');
  const labelsFile = findFile(dir, files, split, 'labels');
  const images = parseIdx(await readDataFile(imagesFile, idxWantedBytes), imagesFile);
  const labels = parseIdx(await readDataFile(labelsFile, idxWantedBytes), labelsFile);
  checkRank(imagesFile, images, [3, 4]);
  checkRank(labelsFile, labels, [1, 2]);
  const [count = 0, height = 0, width = 0, channels = 1] = images.shape;
  if (labels.shape[0] !== count) {
    throw new UsageError({
      what: `different numbers of samples in ${labelsFile} and ${imagesFile}`,
      given: `${labels.shape[0]} labels`,
      allowed: `one for each of ${count} images`,
    });
  }
  const { values } = images;
  return {
    count,
    inputShape: [height, width, channels],
    targetShape: [1],
    inputs: values instanceof Int32Array ? Float64Array.from(values) : values,
    targets: classesOf(labels, labelsFile),
  };
}

/** The class of each row of labels, its first number. */
function classesOf({ values, shape }: IdxArray, file: string): Int32Array {
  const [count = 0, columns = 1] = shape;
  if (!(values instanceof Uint8Array || values instanceof Int32Array) || columns === 0) {
    const given = columns === 0 ? showShape(shape) : 'floats';
    throw new UsageError({ what: `labels in ${file}`, given, allowed: 'whole numbers' });
  }
  return Int32Array.from({ length: count }, (_, i) => values[i * columns]!);
}

function findFile(
  dir: string,
  files: readonly IdxName[],
  split: 'train' | 'test',
  kind: 'images' | 'labels',
): string {
  const found = files.find((file) => file.split === split && file.kind === kind);
  if (found !== undefined) return join(dir, found.file);
  const [rank, prefix] = [kind === 'images' ? 3 : 1, files[0]?.prefix ?? ''];
  const usual = `${prefix}${split === 'test' ? 't10k' : split}-${kind}-idx${rank}-ubyte`;
  throw new UsageError({
    what: `${usual} is missing in ${dir}`,
    given: showNames(files.map(({ file }) => file)),
    allowed: `such a name, or one with ".idx" for "-idx", "test" for "t10k", and .gz`,
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
