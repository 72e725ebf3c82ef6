// IDX files and folders: what is read, what is refused, and that nothing else is ever thrown.

import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { parseIdx } from '../../src/data/formats/idx.ts';
import { readIdxDataset } from '../../src/data/formats/idxFolder.ts';
import { openDataset } from '../../src/data/open.ts';
import { folderOf, idxBytes, idxFolder } from '../support/dataFiles.ts';

describe('parseIdx', () => {
  it.each([[[3]], [[2, 2]], [[2, 2, 3]], [[1, 2, 2, 3]], [[0, 28, 28]]])(
    'reads bytes of shape %j',
    (shape) => {
      const count = shape.reduce((product, size) => product * size, 1);
      const values = Uint8Array.from({ length: count }, (_, i) => 255 - i);
      const bytes = idxBytes(shape, values);
      expect(parseIdx(bytes, 'file')).toEqual({ shape, values });
      expect(parseIdx(gzipSync(bytes), 'file')).toEqual({ shape, values });
    },
  );

  it.each([
    [0x09, [0xff, 2], Int32Array.of(-1, 2)],
    [0x0b, [0xff, 0xfe, 1, 0], Int32Array.of(-2, 256)],
    [0x0c, [0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff], Int32Array.of(256, -1)],
    [0x0d, [0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0], Float32Array.of(1, -2)],
    [0x0e, [0x3f, 0xf0, ...new Array(14).fill(0)], Float64Array.of(1, 0)],
  ])('reads numbers of type %d', (type, data, values) => {
    const bytes = Uint8Array.from([0, 0, type, 1, 0, 0, 0, 2, ...data]);
    expect(parseIdx(bytes, 'file')).toEqual({ shape: [2], values });
    expect(parseIdx(gzipSync(bytes), 'file').values).toEqual(values);
  });

  it('reads a view that starts inside its buffer', () => {
    const bytes = idxBytes([2], [4, 5]);
    const moved = new Uint8Array(bytes.length + 3);
    moved.set(bytes, 3);
    expect([...parseIdx(moved.subarray(3), 'file').values]).toEqual([4, 5]);
  });

  const good = idxBytes([2, 2, 3], new Uint8Array(12));
  const huge = idxBytes([0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], []);
  const magic = (...bytes: number[]): Uint8Array => Uint8Array.from([...bytes, 0, 0, 0, 0]);
  const cases: [string, Uint8Array, RegExp][] = [
    [
      'an empty file',
      new Uint8Array(0),
      /^file is truncated: expected .* at least 4 bytes.*, got "0 bytes"/,
    ],
    [
      'a cut header',
      good.subarray(0, 9),
      /^file is truncated: expected .*header of 16 bytes.*, got "9 bytes"/,
    ],
    [
      'a cut body',
      good.subarray(0, 27),
      /^file is truncated: expected .*exactly 28 bytes.*, got "27 bytes"/,
    ],
    [
      'trailing bytes',
      Uint8Array.from([...good, 0]),
      /trailing bytes: expected .*exactly 28.*, got "29 bytes"/,
    ],
    ['sizes beyond any memory', huge, /^file is truncated: expected .*, got "20 bytes"/],
    [
      'a wrong magic number',
      magic(1, 2, 3, 4),
      /magic number of file: expected .*, got "01 02 03 04"/,
    ],
    ['another type', magic(0, 0, 0x0a, 1), /one of 08 09 0b 0c 0d 0e.*, got "00 00 0a 01"/],
    ['no axes', magic(0, 0, 8, 0), /magic number of file/],
    ['five axes', magic(0, 0, 8, 5), /magic number of file/],
    ['a cut gzip stream', gzipSync(good).subarray(0, 15), /whole gzip stream/],
  ];
  it.each(cases)('refuses %s', (_, bytes, message) => {
    expect(() => parseIdx(bytes, 'file')).toThrow(UsageError);
    expect(() => parseIdx(bytes, 'file')).toThrow(message);
  });

  it('throws nothing but UsageError on any bytes', () => {
    const header = fc
      .tuple(
        fc.constantFrom(0, 0, 0, 1),
        fc.constantFrom(8, 8, 8, 9, 13, 14),
        fc.nat(6),
        fc.uint8Array({ maxLength: 40 }),
      )
      .map(([zero, type, rank, rest]) => Uint8Array.from([0, zero, type, rank, ...rest]));
    const zipped = header.map((bytes) => new Uint8Array(gzipSync(bytes)));
    const flipped = fc.tuple(fc.nat(27), fc.nat(255)).map(([at, value]) => {
      const bytes = Uint8Array.from(good);
      bytes[at] = value;
      return bytes;
    });
    const gzipNoise = fc.uint8Array().map((rest) => Uint8Array.from([0x1f, 0x8b, 8, 0, ...rest]));
    const any = fc.oneof(fc.uint8Array({ maxLength: 64 }), header, zipped, flipped, gzipNoise);
    fc.assert(
      fc.property(any, (bytes) => {
        try {
          const { shape, values } = parseIdx(bytes, 'file');
          expect(values).toHaveLength(shape.reduce((product, size) => product * size, 1));
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('readIdxDataset', () => {
  it('reads four files, counts classes and computes the statistics of training', async () => {
    const dir = await folderOf(idxFolder(3, 2));
    const data = await readIdxDataset(dir);
    expect(data).toMatchObject({
      name: basename(dir),
      inputShape: [2, 3, 1],
      inputType: 'u8',
      task: { kind: 'classification', classes: 3 },
    });
    expect(data.train.count).toBe(3);
    expect(data.test.count).toBe(2);
    expect([...data.train.targets]).toEqual([0, 1, 2]);
    expect([...data.test.inputs]).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    // Bytes 0, 1, 2 equally often: mean 1 / 255, biased std sqrt(2 / 3) / 255.
    expect(data.mean[0]).toBeCloseTo(1 / 255, 15);
    expect(data.std[0]).toBeCloseTo(Math.sqrt(2 / 3) / 255, 15);
  });

  it('reads each spelling, gzip or not, mixed', async () => {
    const files = idxFolder(3, 2);
    const dir = await folderOf({
      'train-images.idx3-ubyte': files['train-images-idx3-ubyte']!,
      'train-labels-idx1-ubyte.gz': gzipSync(files['train-labels-idx1-ubyte']!),
      't10k-images.idx3-ubyte.gz': gzipSync(files['t10k-images-idx3-ubyte']!),
      't10k-labels.idx1-ubyte': files['t10k-labels-idx1-ubyte']!,
    });
    const data = await readIdxDataset(dir);
    expect([data.train.count, data.test.count]).toEqual([3, 2]);
  });

  /** The files of a set, with this prefix in their names. */
  const named = (prefix: string, train = 3): Record<string, Uint8Array> =>
    Object.fromEntries(
      Object.entries(idxFolder(train, 2)).map(([name, bytes]) => {
        return [`${prefix}${name.replace('t10k', 'test')}`, bytes];
      }),
    );

  it('reads names with a prefix, which selects one of several sets', async () => {
    const qmnist = await readIdxDataset(await folderOf(named('qmnist-')));
    expect(qmnist).toMatchObject({ name: 'qmnist', train: { count: 3 }, test: { count: 2 } });
    const dir = await folderOf({ ...named('emnist-letters-', 4), ...named('emnist-digits-') });
    await expect(readIdxDataset(dir)).rejects.toThrow(
      /got "files of emnist-digits-, emnist-letters-".*Try: .*emnist-digits\./,
    );
    const letters = await openDataset(join(dir, 'emnist-letters'));
    expect(letters).toMatchObject({ name: 'emnist-letters', train: { count: 4 } });
    await expect(openDataset(join(dir, 'emnist'))).rejects.toThrow(
      /^the dataset .*emnist is unknown: expected mnist/,
    );
  });

  it('takes the first column of labels, as QMNIST has them', async () => {
    const rows = [0, 0, 0, 5, 9, 9, 9, 9, 0, 0, 0, 1, 8, 8, 8, 8, 0, 0, 0, 3, 7, 7, 7, 7];
    const labels = Uint8Array.from([0, 0, 12, 2, 0, 0, 0, 3, 0, 0, 0, 2, ...rows]);
    const { 'train-labels-idx1-ubyte': _, ...rest } = idxFolder(3, 2);
    const data = await readIdxDataset(await folderOf({ ...rest, 'train-labels-idx2-int': labels }));
    expect([...data.train.targets]).toEqual([5, 1, 3]);
  });

  it('reads images of floats', async () => {
    const floats = (count: number): Uint8Array => {
      const bytes = new DataView(new ArrayBuffer(16 + 4 * count));
      bytes.setUint32(0, 0x0d03);
      for (const [i, size] of [count, 1, 1].entries()) bytes.setUint32(4 + 4 * i, size);
      for (let i = 0; i < count; i++) bytes.setFloat32(16 + 4 * i, i - 0.5);
      return new Uint8Array(bytes.buffer);
    };
    const data = await readIdxDataset(
      await folderOf({
        ...idxFolder(3, 2),
        'train-images-idx3-ubyte': floats(3),
        't10k-images-idx3-ubyte': floats(2),
      }),
    );
    expect(data).toMatchObject({ inputType: 'f32', mean: [0.5], inputShape: [1, 1, 1] });
    expect([...data.test.inputs]).toEqual([-0.5, 0.5]);
  });

  it('reads images with channels', async () => {
    const dir = await folderOf({
      ...idxFolder(1, 1),
      'train-images-idx3-ubyte': idxBytes([1, 1, 1, 3], [0, 51, 255]),
      't10k-images-idx3-ubyte': idxBytes([1, 1, 1, 3], [1, 2, 3]),
    });
    const data = await readIdxDataset(dir);
    expect(data.inputShape).toEqual([1, 1, 3]);
    expect(data.mean).toEqual([0, 0.2, 1]);
  });

  it('uses known names, classes and statistics', async () => {
    const dir = await folderOf(idxFolder(3, 2));
    const statistics = { mean: [0.25], std: [0.5] };
    const known = { name: 'digits', classes: 10, statistics };
    const data = await readIdxDataset(dir, known);
    expect(data).toMatchObject({ name: 'digits', mean: [0.25], std: [0.5] });
    expect(data.task).toEqual({ kind: 'classification', classes: 10 });
  });

  const files = idxFolder(3, 2);
  const cases: [string, Record<string, Uint8Array | undefined>, RegExp][] = [
    [
      'a missing file',
      { 't10k-labels-idx1-ubyte': undefined },
      /t10k-labels-idx1-ubyte is missing/,
    ],
    [
      'fewer labels than images',
      { 'train-labels-idx1-ubyte': idxBytes([2], [0, 1]) },
      /different numbers of samples in .*: expected one for each of 3 images.*, got "2 labels"/,
    ],
    [
      'labels with three axes',
      { 'train-labels-idx1-ubyte': idxBytes([3, 1, 1], [0, 1, 2]) },
      /axes of .*train-labels-idx1-ubyte: expected .*, got "3 \(3x1x1\)"/,
    ],
    [
      'flat images',
      { 't10k-images-idx3-ubyte': idxBytes([2, 6], new Uint8Array(12)) },
      /axes of .*t10k-images/,
    ],
    [
      'test images of another size',
      { 't10k-images-idx3-ubyte': idxBytes([2, 3, 2], new Uint8Array(12)) },
      /size of test images in .*: expected .*, got "3x2x1"/,
    ],
    [
      'images without pixels',
      {
        'train-images-idx3-ubyte': idxBytes([3, 0, 3], []),
        't10k-images-idx3-ubyte': idxBytes([2, 0, 3], []),
      },
      /input shape/,
    ],
    [
      'no training images',
      {
        'train-images-idx3-ubyte': idxBytes([0, 2, 3], []),
        'train-labels-idx1-ubyte': idxBytes([0], []),
      },
      /training samples/,
    ],
    [
      'a truncated file',
      { 'train-images-idx3-ubyte': files['train-images-idx3-ubyte']!.subarray(0, 20) },
      /train-images-idx3-ubyte is truncated/,
    ],
  ];
  it.each(cases)('refuses %s', async (_, changes, message) => {
    const entries = Object.entries({ ...files, ...changes });
    const kept = entries.filter((entry): entry is [string, Uint8Array] => entry[1] !== undefined);
    const dir = await folderOf(Object.fromEntries(kept));
    const error = await readIdxDataset(dir).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(message);
  });

  it('refuses a label outside the known classes', async () => {
    const dir = await folderOf(files);
    await expect(readIdxDataset(dir, { classes: 2 })).rejects.toThrow(/label of sample 2 in train/);
  });
});

describe('a packed file', () => {
  it('is unpacked no further than its header says', () => {
    const file = new Uint8Array(64 * 2 ** 20);
    file.set([0, 0, 8, 1, 0, 0, 0, 10]);
    const packed = gzipSync(file);
    const before = process.memoryUsage().arrayBuffers;
    expect(() => parseIdx(packed, 'bomb.gz')).toThrow(
      /bomb.gz: .*the 18 that its header.*more bytes/,
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 2 ** 20);
  });
});
