// CIFAR-10 and CIFAR-100 in their binary versions (Krizhevsky 2009,
// https://www.cs.toronto.edu/~kriz/cifar.html): records with one or two label bytes, then 3 planes
// of 32 x 32 bytes, red, green, blue. They become channels last here. The Python versions (pickles)
// are not supported.

import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { checkDataset } from '../checkDataset.ts';
import type { Dataset, Split } from '../dataset.ts';
import { listFolder, readDataFile, showNames, truncated } from './files.ts';

const SIZE = 32;
const CHANNELS = 3;
const PIXELS = SIZE * SIZE;
const IMAGE_BYTES = PIXELS * CHANNELS;
/** All samples of a set in one file. There is no header with the number of records. */
const MAX_FILE_RECORDS = 60_000;

/** What differs between the two sets. */
export interface CifarSet {
  readonly name: string;
  readonly classes: number;
  /** Bytes before the pixels. The last one is the class; in CIFAR-100, the superclass, 0 to 19,
   * precedes it. */
  readonly labelBytes: number;
  readonly train: readonly string[];
  readonly test: readonly string[];
  /** File with a class name on each line; may be missing. */
  readonly classNames: string;
  /** Over all training pixels, as commonly rounded. The std values are those in common use. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export const CIFAR10: CifarSet = {
  name: 'cifar10',
  classes: 10,
  labelBytes: 1,
  train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
  test: ['test_batch.bin'],
  classNames: 'batches.meta.txt',
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.247, 0.2435, 0.2616],
};

export const CIFAR100: CifarSet = {
  name: 'cifar100',
  classes: 100,
  labelBytes: 2,
  train: ['train.bin'],
  test: ['test.bin'],
  classNames: 'fine_label_names.txt',
  mean: [0.5071, 0.4865, 0.4409],
  std: [0.2673, 0.2564, 0.2762],
};

/** Parses one file of records into images [count, 32, 32, 3] and labels; `file` is for messages.
 * Throws a UsageError if the length is not a whole number of records or a label is not a class. */
export function parseCifar(bytes: Uint8Array, file: string, set: CifarSet): Split {
  const { classes, labelBytes } = set;
  const recordBytes = labelBytes + IMAGE_BYTES;
  const count = Math.floor(bytes.length / recordBytes);
  if (count === 0 || bytes.length % recordBytes !== 0) {
    const next = (count + 1) * recordBytes;
    throw truncated(file, bytes.length, `a multiple of ${recordBytes} bytes, for instance ${next}`);
  }
  const inputs = new Uint8Array(count * IMAGE_BYTES);
  const targets = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const pixels = i * recordBytes + labelBytes;
    const label = bytes[pixels - 1]!;
    if (label >= classes) {
      const what = `label of record ${i} in ${file}`;
      throw new UsageError({ what, given: label, allowed: `a class from 0 to ${classes - 1}` });
    }
    targets[i] = label;
    for (let c = 0; c < CHANNELS; c++) {
      const plane = pixels + c * PIXELS;
      const into = i * IMAGE_BYTES + c;
      for (let p = 0; p < PIXELS; p++) inputs[into + p * CHANNELS] = bytes[plane + p]!;
    }
  }
  return { count, inputs, targets };
}

/** Reads a folder with the files of a set. Throws UsageErrors. */
export async function readCifarDataset(dir: string, set: CifarSet): Promise<Dataset> {
  const { name, classes, mean, std } = set;
  const names = await listFolder(dir);
  const wanted = [...set.train, ...set.test];
  const missing = wanted.filter((file) => !names.includes(file));
  if (missing.length > 0) {
    throw new UsageError({
      what: `${missing.join(', ')} missing in ${dir}`,
      given: showNames(names),
      allowed: wanted.join(', '),
    });
  }
  return checkDataset({
    name,
    inputShape: [SIZE, SIZE, CHANNELS],
    inputType: 'u8',
    task: { kind: 'classification', classes },
    ...(names.includes(set.classNames) && (await readClassNames(join(dir, set.classNames), set))),
    mean,
    std,
    train: await readSplit(dir, set.train, set),
    test: await readSplit(dir, set.test, set),
  });
}

/** Whether the names in a folder are for {@link readCifarDataset}. */
export function looksLikeCifar(names: readonly string[], { train }: CifarSet): boolean {
  return names.includes(train[0]!);
}

/** The class names; no field if the file has other lines. */
async function readClassNames(
  file: string,
  { classes }: CifarSet,
): Promise<Pick<Dataset, 'classNames'>> {
  const text = new TextDecoder().decode(await readDataFile(file, () => undefined));
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  return lines.length === classes ? { classNames: lines } : {};
}

async function readSplit(dir: string, names: readonly string[], set: CifarSet): Promise<Split> {
  const parts: Split[] = [];
  const mostBytes = MAX_FILE_RECORDS * (set.labelBytes + IMAGE_BYTES);
  for (const name of names) {
    const path = join(dir, name);
    parts.push(parseCifar(await readDataFile(path, () => mostBytes), path, set));
  }
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const inputs = new Uint8Array(count * IMAGE_BYTES);
  const targets = new Int32Array(count);
  let done = 0;
  for (const part of parts) {
    inputs.set(part.inputs, done * IMAGE_BYTES);
    targets.set(part.targets, done);
    done += part.count;
  }
  return { count, inputs, targets };
}
