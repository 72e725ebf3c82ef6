// .npy files and folders: what is read, what is refused, and that nothing else is ever thrown.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { parseNpy, readNpyDataset } from '../../src/data/formats/npy.ts';
import { folderOf, npyBytes, npyFile } from '../support/dataFiles.ts';

describe('parseNpy', () => {
  it.each([1, 2, 3] as const)('reads every dtype in format version %d', (version) => {
    const read = (descr: string, values: ArrayBufferView): unknown =>
      parseNpy(npyBytes(descr, [3], values, { version }), 'file').values;
    expect(read('|u1', Uint8Array.of(0, 1, 255))).toEqual(Uint8Array.of(0, 1, 255));
    expect(read('<i4', Int32Array.of(-1, 0, 7))).toEqual(Int32Array.of(-1, 0, 7));
    expect(read('<i8', BigInt64Array.of(-1n, 0n, 7n))).toEqual(Int32Array.of(-1, 0, 7));
    expect(read('<f4', Float32Array.of(0.1, -0, 3e38))).toEqual(Float32Array.of(0.1, -0, 3e38));
    expect(read('<f8', Float64Array.of(0.1, -0, 1e-3))).toEqual(Float64Array.of(0.1, -0, 1e-3));
  });

  it.each([[[]], [[1]], [[2, 3]], [[2, 3, 4]], [[2, 1, 4, 3]], [[0, 5]]])(
    'reads shape %j',
    (shape) => {
      const count = shape.reduce((product: number, size) => product * size, 1);
      const values = Uint8Array.from({ length: count }, (_, i) => i);
      expect(parseNpy(npyBytes('|u1', shape, values), 'file')).toEqual({ shape, values });
    },
  );

  it('reads keys in any order, without the last comma, and sizes as Python 2 wrote them', () => {
    const text = "{'shape':(2L,),'fortran_order':False , 'descr': '|u1'}";
    const file = npyFile(text, { values: Uint8Array.of(1, 2) });
    expect(parseNpy(file, 'file').shape).toEqual([2]);
  });

  it('reads floats from any address', () => {
    const bytes = npyBytes('<f4', [2], Float32Array.of(1.5, 2.5));
    const moved = new Uint8Array(bytes.length + 1);
    moved.set(bytes, 1);
    expect(parseNpy(moved.subarray(1), 'file').values).toEqual(Float32Array.of(1.5, 2.5));
  });

  const good = npyBytes('<f4', [2, 2], new Float32Array(4));
  const head = (text: string): Uint8Array => npyFile(text, { values: new Uint8Array(4) });
  const cases: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(0), /^file is truncated: got "0 bytes"/],
    ['another magic', new Uint8Array(64), /magic of file: got "00 00 00 00 00 00"/],
    ['the magic alone', good.subarray(0, 6), /^file is truncated: got "6 bytes"/],
    [
      'a cut header',
      good.subarray(0, 60),
      /^file is truncated: got "60 bytes".*header of 128 bytes/,
    ],
    ['a cut body', good.subarray(0, 143), /^file is truncated: got "143 bytes".*exactly 144 bytes/],
    [
      'trailing bytes',
      Uint8Array.from([...good, 1]),
      /trailing bytes: got "145 bytes".*exactly 144/,
    ],
    [
      'version 4',
      npyFile("{'descr': '|u1'}", { version: 4 }),
      /version of file: got 4, allowed is 1, 2, 3/,
    ],
    [
      'Fortran order',
      npyBytes('<f4', [2, 2], new Float32Array(4), { fortran: true }),
      /order of file: got "Fortran order".*ascontiguousarray/,
    ],
    [
      'object arrays',
      npyBytes('|O', [4], new Uint8Array(4)),
      /dtype of file: got "'\|O'".*pickles/,
    ],
    [
      'big-endian numbers',
      npyBytes('>f4', [1], new Uint8Array(4)),
      /dtype of file: got "'>f4'".*astype/,
    ],
    [
      'records',
      head("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"),
      /dtype of file: got "\[\('a', '<f4'\)\]"/,
    ],
    ['a header that is no dictionary', head('hello'), /header of file: got "hello/],
    ['a missing key', head("{'descr': '|u1', 'shape': (4,), }"), /header of file/],
    [
      'code in the header',
      head("{'descr': '|u1', 'fortran_order': False, 'shape': exit(), }"),
      /header of file/,
    ],
    [
      'something behind the dictionary',
      head("{'descr': '|u1', 'fortran_order': False, 'shape': (4,), } 1"),
      /header of file/,
    ],
    [
      'negative sizes',
      head("{'descr': '|u1', 'fortran_order': False, 'shape': (-4, -1), }"),
      /shape of file: got "\(-4, -1\)"/,
    ],
    [
      'a shape that is no tuple',
      head("{'descr': '|u1', 'fortran_order': False, 'shape': [4], }"),
      /shape of file/,
    ],
    [
      'sizes beyond any memory',
      head(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2147483647, 2147483647, 2147483647), }",
      ),
      /^file is truncated/,
    ],
    [
      'a size beyond 32 bits',
      head("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999,), }"),
      /shape of file/,
    ],
    [
      'int64 values beyond 32 bits',
      npyBytes('<i8', [1], BigInt64Array.of(2n ** 31n)),
      /value 0 of file: got "2147483648"/,
    ],
  ];
  it.each(cases)('refuses %s', (_, bytes, message) => {
    expect(() => parseNpy(bytes, 'file')).toThrow(UsageError);
    expect(() => parseNpy(bytes, 'file')).toThrow(message);
  });

  it('bounds the length of the header before it reads it', () => {
    const bytes = npyFile("{'descr': '|u1'}", { version: 2 });
    new DataView(bytes.buffer).setUint32(8, 0xffffffff, true);
    expect(() => parseNpy(bytes, 'file')).toThrow('header length of file: got "4294967295 bytes"');
  });

  it('throws nothing but UsageError on any bytes', () => {
    const word = fc.constantFrom(
      ...["'descr'", "'shape'", "'fortran_order'", ':', ',', '{', '}', '(', ')', "'|u1'", "'<f8'"],
      ...['False', 'True', '2', '1', ' ', '[', ']', "'", '99999999999', '-1', 'é'],
    );
    const text = fc.array(word, { maxLength: 24 }).map((words) => npyFile(words.join('')));
    const dictionary = fc
      .tuple(
        fc.constantFrom('|u1', '<f4', '<i8', '|O'),
        fc.array(fc.nat(3), { maxLength: 5 }),
        fc.uint8Array(),
      )
      .map(([descr, shape, values]) => npyBytes(descr, shape, values));
    const flipped = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, value]) => {
      const bytes = Uint8Array.from(good);
      bytes[at] = value;
      return bytes;
    });
    const any = fc.oneof(fc.uint8Array({ maxLength: 64 }), text, dictionary, flipped);
    fc.assert(
      fc.property(any, (bytes) => {
        try {
          const { shape, values } = parseNpy(bytes, 'file');
          expect(values).toHaveLength(shape.reduce((product, size) => product * size, 1));
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('readNpyDataset', () => {
  const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i % 2) * 255);
  const images = {
    'x_train.npy': npyBytes('|u1', [2, 2, 1, 2], bytes(8)),
    'y_train.npy': npyBytes('<i8', [2], BigInt64Array.of(0n, 1n)),
    'x_test.npy': npyBytes('|u1', [1, 2, 1, 2], bytes(4)),
    'y_test.npy': npyBytes('|u1', [1], Uint8Array.of(2)),
  };

  it('reads byte images with integer classes, and their statistics per channel', async () => {
    const data = await readNpyDataset(await folderOf(images));
    expect(data).toMatchObject({
      inputShape: [2, 1, 2],
      inputType: 'u8',
      mean: [0, 1],
      std: [1, 1],
    });
    expect(data.task).toEqual({ kind: 'classification', classes: 3 });
    expect([...data.train.targets]).toEqual([0, 1]);
    expect(data.test.targets).toEqual(Int32Array.of(2));
  });

  it('reads whole numbers [N, H, W] as masks, in bytes 255 as no class', async () => {
    const masks = (dtype: string, values: ArrayBufferView) => npyBytes(dtype, [2, 2, 1], values);
    const given = { ...images, 'y_test.npy': npyBytes('|u1', [1, 2, 1], Uint8Array.of(0, 3)) };
    for (const [train, first] of [
      [masks('|u1', Uint8Array.of(255, 1, 2, 0)), -100],
      [masks('<i8', BigInt64Array.of(-100n, 1n, 2n, 0n)), -100],
    ] as const) {
      const data = await readNpyDataset(await folderOf({ ...given, 'y_train.npy': train }));
      expect(data.task).toEqual({ kind: 'segmentation', classes: 4, targetShape: [2, 1] });
      expect([...data.train.targets]).toEqual([first, 1, 2, 0]);
      expect([...data.test.targets]).toEqual([0, 3]);
    }
    const black = { ...given, 'y_train.npy': masks('|u1', Uint8Array.of(255, 0, 0, 255)) };
    await expect(readNpyDataset(await folderOf(black))).rejects.toThrow(
      /^masks in .*: got "only 0 and 255".*masks \/\/ 255/,
    );
  });

  it('reads the domains of training samples where there are some', async () => {
    const name = 'domains_train.npy';
    const domains = npyBytes('<i8', [2], BigInt64Array.of(4n, 0n));
    const { train } = await readNpyDataset(await folderOf({ ...images, [name]: domains }));
    expect(train.domains).toEqual(Int32Array.of(4, 0));
    expect((await readNpyDataset(await folderOf(images))).train.domains).toBeUndefined();
    const floats = npyBytes('<f4', [2], Float32Array.of(4, 0));
    const fewer = npyBytes('|u1', [1], Uint8Array.of(4));
    for (const wrong of [floats, fewer]) {
      const dir = await folderOf({ ...images, [name]: wrong });
      await expect(readNpyDataset(dir)).rejects.toThrow(/allowed is whole numbers \[2\], one/);
    }
  });

  it('reads [N, H, W] as images of one channel', async () => {
    const data = await readNpyDataset(
      await folderOf({
        ...images,
        'x_train.npy': npyBytes('|u1', [2, 2, 2], bytes(8)),
        'x_test.npy': npyBytes('|u1', [1, 2, 2], bytes(4)),
      }),
    );
    expect(data).toMatchObject({ inputShape: [2, 2, 1], mean: [0.5], std: [0.5] });
  });

  it.each([
    [[2], [1]],
    [[2, 3], [3]],
  ])('reads float targets of shape %j as regression', async (shape, targetShape) => {
    const inner = shape[1] ?? 1;
    const data = await readNpyDataset(
      await folderOf({
        'x_train.npy': npyBytes('<f8', [2, 2], Float64Array.of(1, 5, 3, 5)),
        'y_train.npy': npyBytes('<f4', shape, new Float32Array(2 * inner).fill(0.5)),
        'x_test.npy': npyBytes('<f4', [1, 2], Float32Array.of(1, 2)),
        'y_test.npy': npyBytes('<f8', [1, ...shape.slice(1)], new Float64Array(inner)),
      }),
    );
    expect(data).toMatchObject({ inputShape: [2], inputType: 'f32', mean: [2, 5], std: [1, 1] });
    const units = { mean: Array(inner).fill(0.5), std: Array(inner).fill(1) };
    expect(data.task).toEqual({ kind: 'regression', targetShape, ...units });
    expect(data.train.targets).toEqual(new Float32Array(2 * inner));
    expect(data.test.targets).toEqual(new Float32Array(inner).fill(-0.5));
  });

  const cases: [string, Record<string, Uint8Array>, RegExp][] = [
    [
      'integers as inputs',
      { 'x_train.npy': npyBytes('<i4', [2, 1], new Int32Array(2)) },
      /dtype of .*x_train.npy: got "integers"/,
    ],
    [
      'inputs without axes',
      { 'x_train.npy': npyBytes('|u1', [2], bytes(2)) },
      /shape of .*x_train.npy: got \[2\]/,
    ],
    [
      'inputs with five axes',
      { 'x_train.npy': npyBytes('|u1', [2, 1, 1, 1, 1], bytes(2)) },
      /shape of .*x_train.npy/,
    ],
    [
      'class indices with two axes',
      { 'y_train.npy': npyBytes('<i4', [2, 1], new Int32Array(2)) },
      /shape of .*y_train.npy: got \[2, 1\], allowed is \[N\] for class/,
    ],
    [
      'another number of targets',
      { 'y_train.npy': npyBytes('<i4', [3], new Int32Array(3)) },
      /samples in .*y_train.npy: got 3, allowed is 2/,
    ],
    [
      'test samples of another shape',
      { 'x_test.npy': npyBytes('|u1', [1, 1, 2, 2], bytes(4)) },
      /sample shape of x_test.npy .*got "1x2x2", allowed is 2x1x2/,
    ],
    [
      'float test inputs for byte training',
      { 'x_test.npy': npyBytes('<f4', [1, 2, 1, 2], new Float32Array(4)) },
      /dtypes of x_train.npy and x_test.npy/,
    ],
    [
      'float test targets for classes',
      { 'y_test.npy': npyBytes('<f4', [1], new Float32Array(1)) },
      /dtypes of y_train.npy and y_test.npy/,
    ],
    [
      'a negative class',
      { 'y_train.npy': npyBytes('<i4', [2], Int32Array.of(0, -1)) },
      /label of sample 1 in train/,
    ],
    [
      'quantities as classes',
      { 'y_train.npy': npyBytes('<i4', [2], Int32Array.of(0, 1e6)) },
      /classes of/,
    ],
  ];
  it.each(cases)('refuses %s', async (_, changes, message) => {
    const error = await readNpyDataset(await folderOf({ ...images, ...changes })).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(message);
  });

  it('names the files that are missing', async () => {
    const { 'y_test.npy': _, ...rest } = images;
    await expect(readNpyDataset(await folderOf(rest))).rejects.toThrow(/^y_test.npy missing in/);
  });

  it('refuses an input that is no number before its statistics', async () => {
    const x = npyBytes('<f4', [2, 1], Float32Array.of(1, Number.NaN));
    const dir = await folderOf({
      ...images,
      'x_train.npy': x,
      'x_test.npy': npyBytes('<f4', [1, 1], Float32Array.of(1)),
    });
    await expect(readNpyDataset(dir)).rejects.toThrow(/inputs of train of .*"NaN at value 1"/);
  });

  describe('with channels first', () => {
    const values = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => i);
    const folder = (train: readonly number[], test: readonly number[]) => {
      const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
      return folderOf({
        ...images,
        'x_train.npy': npyBytes('|u1', train, values(size(train))),
        'x_test.npy': npyBytes('|u1', test, values(size(test))),
      });
    };

    it.each([
      [[2, 3], [3]],
      [
        [2, 3, 4],
        [4, 3],
      ],
      [
        [2, 3, 4, 2],
        [4, 2, 3],
      ],
      [
        [2, 3, 2, 4, 2],
        [2, 4, 2, 3],
      ],
    ])('turns %j over to samples of %j', async (shape, inputShape) => {
      const dir = await folder(shape, [1, ...shape.slice(1)]);
      const data = await readNpyDataset(dir, { layout: 'channelsFirst' });
      expect(data.inputShape).toEqual(inputShape);
      expect(data.mean).toHaveLength(3);
      const rows = data.train.inputs.length / 6;
      for (const [i, value] of data.train.inputs.entries()) {
        const [row, channel] = [Math.floor(i / 3), i % 3];
        const sample = Math.floor(row / rows);
        expect(value).toBe(sample * 3 * rows + channel * rows + (row % rows));
      }
    });

    it('takes sequences and volumes with channels last only when it is told so', async () => {
      const sequences = await folder([2, 4, 3], [1, 4, 3]);
      expect((await readNpyDataset(sequences)).inputShape).toEqual([4, 3, 1]);
      const told = await readNpyDataset(sequences, { layout: 'channelsLast' });
      expect(told.inputShape).toEqual([4, 3]);
      const volumes = await folder([2, 2, 2, 2, 3], [1, 2, 2, 2, 3]);
      const { inputShape } = await readNpyDataset(volumes, { layout: 'channelsLast' });
      expect(inputShape).toEqual([2, 2, 2, 3]);
      await expect(readNpyDataset(volumes)).rejects.toThrow("Try: layout 'channelsLast'");
    });

    it('refuses layouts that there are not', async () => {
      const dir = await folderOf(images);
      await expect(readNpyDataset(dir, { layout: 'NCHW' as never })).rejects.toThrow(
        "layout of the data: got \"NCHW\", allowed is 'channelsLast', 'channelsFirst'.",
      );
    });
  });
});
