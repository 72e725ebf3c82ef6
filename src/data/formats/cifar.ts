// CIFAR-10 in its binary version (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html):
// records of one label byte and 3 planes of 32 x 32 bytes, red, green, blue. Planes become channels
// last here. The Python version (pickles) is not read.

import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { checkDataset, type Dataset, type Split } from '../dataset.ts';
import { listFolder, readDataFile, showNames, truncated } from './files.ts';

const SIZE = 32;
const CHANNELS = 3;
const PIXELS = SIZE * SIZE;
const IMAGE_BYTES = PIXELS * CHANNELS;
const RECORD_BYTES = 1 + IMAGE_BYTES;
const CLASSES = 10;
/** All of CIFAR-10 in one file: there is no header that would say how much there is. */
const MAX_FILE_RECORDS = 60_000;
/** Over all training pixels, as commonly rounded. The std values are those in common use. */
const MEAN = [0.4914, 0.4822, 0.4465];
const STD = [0.247, 0.2435, 0.2616];
const TRAIN_FILES = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
const TEST_FILES = ['test_batch.bin'];

/** Parses one file of records into images [count, 32, 32, 3] and labels; `file` is for messages.
 * Throws a UsageError when the length is not a whole number of records or a label is above 9. */
export function parseCifar(bytes: Uint8Array, file: string): Split {
  const count = Math.floor(bytes.length / RECORD_BYTES);
  if (count === 0 || bytes.length % RECORD_BYTES !== 0) {
    const next = (count + 1) * RECORD_BYTES;
    throw truncated(
      file,
      bytes.length,
      `a multiple of ${RECORD_BYTES} bytes, for instance ${next}`,
    );
  }
  const inputs = new Uint8Array(count * IMAGE_BYTES);
  const targets = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const record = i * RECORD_BYTES;
    const label = bytes[record]!;
    if (label >= CLASSES) {
      const what = `label of record ${i} in ${file}`;
      throw new UsageError({ what, given: label, allowed: `a class from 0 to ${CLASSES - 1}` });
    }
    targets[i] = label;
    for (let c = 0; c < CHANNELS; c++) {
      const plane = record + 1 + c * PIXELS;
      const into = i * IMAGE_BYTES + c;
      for (let p = 0; p < PIXELS; p++) inputs[into + p * CHANNELS] = bytes[plane + p]!;
    }
  }
  return { count, inputs, targets };
}

/** Reads a folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin. Throws
 * UsageErrors. */
export async function readCifarDataset(dir: string): Promise<Dataset> {
  const names = await listFolder(dir);
  const missing = [...TRAIN_FILES, ...TEST_FILES].filter((name) => !names.includes(name));
  if (missing.length > 0) {
    throw new UsageError({
      what: `${missing.join(', ')} missing in ${dir}`,
      given: showNames(names),
      allowed: [...TRAIN_FILES, ...TEST_FILES].join(', '),
    });
  }
  return checkDataset({
    name: 'cifar10',
    inputShape: [SIZE, SIZE, CHANNELS],
    inputType: 'u8',
    task: { kind: 'classification', classes: CLASSES },
    mean: MEAN,
    std: STD,
    train: await readSplit(dir, TRAIN_FILES),
    test: await readSplit(dir, TEST_FILES),
  });
}

/** Whether a folder with these names is meant to be read by {@link readCifarDataset}. */
export function looksLikeCifar(names: readonly string[]): boolean {
  return names.includes(TRAIN_FILES[0]!);
}

async function readSplit(dir: string, names: readonly string[]): Promise<Split> {
  const parts: Split[] = [];
  for (const name of names) {
    const path = join(dir, name);
    parts.push(parseCifar(await readDataFile(path, () => MAX_FILE_RECORDS * RECORD_BYTES), path));
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
