// Files of users' own data to damage: tables, NumPy's archives and less common arrays, CIFAR-100,
// packed sets. If a format has checksums or lengths, part of the damage keeps them valid.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SET_FILE } from '../../src/data/images/setContent.ts';
import { writePackedSet } from '../../src/data/images/writeSet.ts';
import { openDataset } from '../../src/index.ts';
import { npyBytes, npzBytes } from '../support/dataFiles.ts';
import type { Dice } from './dice.ts';
import type { Target } from './fuzzTarget.ts';
import { mutateBytes, mutateData } from './mutations.ts';

type Files = Readonly<Record<string, Uint8Array>>;

const RECORD_BYTES = 3074;
const MIB = 2 ** 20;

const floats = (length: number): Float64Array => Float64Array.from({ length }, (_, i) => i / 7);
const labels = (length: number): BigInt64Array =>
  BigInt64Array.from({ length }, (_, i) => BigInt(i % 3));

/** Arrays as others store them: columns first, single bytes, one-hot labels. */
export function oddNpyFolder(): Files {
  const oneHot = Uint8Array.from({ length: 36 }, (_, i) => Number(i % 3 === Math.floor(i / 3) % 3));
  return {
    'x_train.npy': npyBytes('<f8', [12, 6], floats(72), { fortran: true, version: 2 }),
    'y_train.npy': npyBytes('|b1', [12, 3], oneHot),
    'x_test.npy': npyBytes(
      '>i2',
      [5, 6],
      new Int16Array(30).map((_, i) => i * 300),
    ),
    'y_test.npy': npyBytes('|u1', [5, 3], oneHot.slice(0, 15), { fortran: false }),
  };
}

export function cifar100Folder(): Files {
  const records = (count: number): Uint8Array =>
    Uint8Array.from({ length: count * RECORD_BYTES }, (_, i) => (i * 7) % 100);
  return { 'train.bin': records(2), 'test.bin': records(1) };
}

function npzArrays(): Files {
  return {
    'x_train.npy': npyBytes(
      '<f4',
      [12, 6],
      new Float32Array(72).map((_, i) => i / 7),
    ),
    'y_train.npy': npyBytes('<i8', [12], labels(12)),
    'x_test.npy': npyBytes(
      '<f4',
      [5, 6],
      new Float32Array(30).map((_, i) => i / 7),
    ),
    'y_test.npy': npyBytes('<i8', [5], labels(5)),
  };
}

export function npzFolder(): Files {
  return { 'data.npz': npzBytes(npzArrays(), { isDeflated: true }) };
}

/** Half of the time the damage is in an array, or in what is packed after it. */
export function npzInside(dice: Dice, npz: Uint8Array): Uint8Array {
  if (dice.chance(0.5)) return mutateBytes(dice, npz);
  const arrays: Record<string, Uint8Array> = { ...npzArrays() };
  const name = dice.pick(Object.keys(arrays));
  const zeros = Buffer.alloc(dice.chance(0.02) ? dice.pick([1, 20, 200]) * MIB : 0);
  const array = new Uint8Array(Buffer.concat([mutateBytes(dice, arrays[name]!), zeros]));
  arrays[name] = array;
  if (dice.chance(0.1)) delete arrays[dice.pick(Object.keys(arrays))];
  if (dice.chance(0.1)) arrays[`${dice.pick(['../', '/', '', 'x'])}y.npy`] = array;
  const archive = npzBytes(arrays, { isDeflated: dice.chance(0.7) });
  return dice.chance(0.2) ? mutateBytes(dice, archive) : archive;
}

export function csvFolder(): Files {
  const rows = (count: number): string =>
    Array.from({ length: count }, (_, i) => `${i / 7},"${i * 100}",${i % 3}`).join('\r\n');
  const table = (count: number): Uint8Array => Buffer.from(`a,"b ""c""",label\r\n${rows(count)}\n`);
  return { 'train.csv': table(12), 'test.csv': table(5) };
}

const CSV_PARTS = [
  ...['"', '""', ',', ';', '\t', '\r', '\n', '\0', '\ufeff', 'NaN', '-', '1e999', '1e-999', '=1+1'],
  ...['__proto__', 'label', ' ', '0x1', '1'.repeat(400), ','.repeat(300), '"'.repeat(301)],
];

/** Half of the time with characters that have a meaning in tables. */
export function csvInside(dice: Dice, csv: Uint8Array): Uint8Array {
  if (dice.chance(0.5)) return mutateBytes(dice, csv);
  let text = Buffer.from(csv).toString();
  for (let n = dice.between(1, 4); n > 0; n--) {
    const at = dice.below(text.length + 1);
    text = text.slice(0, at) + dice.pick(CSV_PARTS) + text.slice(at + dice.below(4));
  }
  // A table of one line that does not end.
  if (dice.chance(0.005)) text += '7'.repeat(20 * MIB);
  return new Uint8Array(Buffer.from(text));
}

/** Half of the time in the list of a packed set, or in a file with a corrected checksum. */
export async function packedTarget(folder: string): Promise<Target> {
  const dir = join(folder, 'packed');
  const samples = (count: number) => ({
    count,
    inputs: [Uint8Array.from({ length: count * 20 }, (_, i) => i)],
    targets: [Int32Array.from({ length: count }, (_, i) => i % 3)],
  });
  await writePackedSet(dir, {
    ...{ name: 'shapes', classNames: ['a', 'b', 'c'], made: { decoder: 'none' } },
    ...{ inputShape: [4, 5, 1], targetShape: [], countClasses: () => 3, chunkSamples: 16 },
    ...{ train: samples(12), test: samples(5) },
  });
  const names = readdirSync(dir);
  const files = new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(dir, name)))]));
  const list = JSON.parse(Buffer.from(files.get(SET_FILE)!).toString());
  return {
    format: 'packed set',
    attempt(dice) {
      const name = dice.pick(names);
      const isList = name === SET_FILE;
      const changed = isList && dice.chance(0.7) ? shallowText(mutateData(dice, list)) : undefined;
      const input =
        changed === undefined
          ? mutateBytes(dice, files.get(name)!)
          : new Uint8Array(Buffer.from(changed));
      return {
        input,
        async read() {
          writeFileSync(join(dir, name), input);
          if (!isList && dice.chance(0.8)) {
            const digest = createHash('sha256').update(input).digest('hex');
            const right = { ...list, files: { ...list.files, [name]: digest } };
            writeFileSync(join(dir, SET_FILE), JSON.stringify(right));
          }
          try {
            await openDataset(dir);
          } finally {
            for (const [whole, bytes] of files) writeFileSync(join(dir, whole), bytes);
          }
        },
      };
    },
  };
}

/** Undefined for data that JSON.stringify cannot write. */
function shallowText(data: unknown): string | undefined {
  try {
    return JSON.stringify(data) ?? 'null';
  } catch {
    return undefined;
  }
}
