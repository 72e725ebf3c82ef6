// Damaged data files of every format: for any bytes, the result is a dataset or a UsageError that
// names the file or its folder, and memory stays in proportion to the file.

import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { CIFAR10, parseCifar } from '../../src/data/formats/cifar.ts';
import { parseCsv } from '../../src/data/formats/csv.ts';
import { parseIdx } from '../../src/data/formats/idx.ts';
import { parsePng } from '../../src/data/images/png.ts';
import { parseNpy } from '../../src/data/npy/npy.ts';
import { parseNpz } from '../../src/data/npy/npz.ts';
import { openDataset } from '../../src/data/open.ts';
import { folderOf, idxFolder, maskFiles, npyBytes, npzBytes } from '../support/dataFiles.ts';

const RECORD_BYTES = 3073;

function record(label: number): Uint8Array {
  return Uint8Array.from({ length: RECORD_BYTES }, (_, i) => (i === 0 ? label : i % 251));
}

const labels = (count: number): BigInt64Array =>
  BigInt64Array.from({ length: count }, (_, i) => BigInt(i % 2));
const inputs = (count: number): Float32Array =>
  Float32Array.from({ length: 3 * count }, (_, i) => i / 7);

const ARRAYS = {
  'x_train.npy': npyBytes('<f4', [4, 3], inputs(4)),
  'y_train.npy': npyBytes('<i8', [4], labels(4)),
  'x_test.npy': npyBytes('<f4', [2, 3], inputs(2)),
  'y_test.npy': npyBytes('<i8', [2], labels(2)),
};
const TABLE = Uint8Array.from(Buffer.from('x,"y z",label\n1,-2.5e3,cat\n"0",.25,"a ""dog"""\n'));

function readAllOf(bytes: Uint8Array, file: string): void {
  const { names, read } = parseNpz(bytes, file);
  for (const name of names) read(name);
}

const FORMATS: readonly (readonly [
  name: string,
  files: Readonly<Record<string, Uint8Array>>,
  parse: (bytes: Uint8Array, file: string) => unknown,
])[] = [
  ['idx', idxFolder(4, 2), parseIdx],
  ['npy', ARRAYS, parseNpy],
  [
    'cifar',
    {
      ...Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, record(i)])),
      'test_batch.bin': record(7),
    },
    (bytes, file) => parseCifar(bytes, file, CIFAR10),
  ],
  ['png', maskFiles(3), parsePng],
  ['npz', { 'a.npz': npzBytes(ARRAYS) }, readAllOf],
  ['deflated npz', { 'a.npz': npzBytes(ARRAYS, { isDeflated: true }) }, readAllOf],
  ['csv', { 'train.csv': TABLE, 'test.csv': TABLE }, parseCsv],
];

/** Where headers are; a file may be longer. */
const HEAD_BYTES = 140;

/** Bytes that are truncated, extended, changed, declared huge, or not of any format. */
function damaged(whole: Uint8Array): fc.Arbitrary<Uint8Array> {
  const place = fc.nat(Math.min(whole.length, HEAD_BYTES) - 1);
  const cut = fc.nat(whole.length).map((length) => whole.subarray(0, length));
  const longer = fc
    .uint8Array({ minLength: 1, maxLength: 64 })
    .map((more) => Uint8Array.from([...whole, ...more]));
  const changed = fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 4 });
  const huge = fc.tuple(place, fc.constantFrom([0xff, 0xff, 0xff, 0xff], [0x7f, 0xff, 0xff, 0xff]));
  // Sizes are decimal numbers in npy.
  const digits = place.map((at) => [at, [...Buffer.from('999999999')]] as const);
  const written = fc.oneof(huge, digits).map(([at, values]) => {
    const bytes = Uint8Array.from(whole);
    bytes.set(values.slice(0, bytes.length - at), at);
    return bytes;
  });
  return fc.oneof(
    cut,
    longer,
    changed.map((changes) => {
      const bytes = Uint8Array.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    }),
    written,
    fc.uint8Array({ maxLength: 200 }),
  );
}

/** The damage of one file of a folder. */
function damageIn(files: Readonly<Record<string, Uint8Array>>) {
  return fc
    .constantFrom(...Object.keys(files))
    .chain((name) => damaged(files[name]!).map((bytes) => ({ name, bytes })));
}

describe.each(FORMATS)('a damaged file of %s', (_, files, parse) => {
  it('is parsed or refused by its name, within memory of its size', () => {
    // What is made of a byte: at most a number of 8 bytes, before and after a conversion.
    const bytesFor = (size: number): number => 65_536 + 16 * size;
    fc.assert(
      fc.property(damageIn(files), ({ bytes }) => {
        const before = process.memoryUsage().arrayBuffers;
        try {
          parse(bytes, 'the file');
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
          expect(error.message).toContain('the file');
        }
        const grown = process.memoryUsage().arrayBuffers - before;
        expect(grown).toBeLessThan(bytesFor(bytes.length));
      }),
      { numRuns: 1000 },
    );
  });

  it('makes a dataset or an error that names it or its folder', async () => {
    const dir = await folderOf(files);
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(damageIn(files), async ({ name, bytes }) => {
        await writeFile(join(dir, name), bytes);
        try {
          const data = await openDataset(dir);
          expect(data.train.inputs.length).toBeGreaterThan(0);
        } catch (error) {
          refused++;
          if (!(error instanceof UsageError)) throw error;
          expect(error.message).toContain(basename(dir));
        } finally {
          await writeFile(join(dir, name), files[name]!);
        }
      }),
      { numRuns: 150 },
    );
    expect(refused).toBeGreaterThan(50);
    expect((await openDataset(dir)).train.count).toBeGreaterThan(0);
  });
});
