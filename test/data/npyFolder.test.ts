// Folders of .npy files: what the arrays mean, and what is refused.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { readNpyDataset } from '../../src/data/npy/npyFolder.ts';
import { folderOf, npyBytes } from '../support/dataFiles.ts';

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

  it('reads whole numbers [N, H, W] as masks, and 255 in bytes as no class', async () => {
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
      /^masks in .*: expected .*, got "only 0 and 255".*masks \/\/ 255/,
    );
  });

  it('reads whole numbers as inputs, even those that float32 cannot hold', async () => {
    const whole = (count: number, values: Int32Array) => npyBytes('<i4', [count, 1], values);
    const data = await readNpyDataset(
      await folderOf({
        ...images,
        'x_train.npy': whole(2, Int32Array.of(1_700_000_000, 1_700_000_001)),
        'x_test.npy': whole(1, Int32Array.of(1_700_000_002)),
      }),
    );
    expect(data.shift).toEqual([1_700_000_000.5]);
    expect([...data.train.inputs, ...data.test.inputs]).toEqual([-0.5, 0.5, 1.5]);
  });

  it('reads labels [N, 1], and whole numbers as regression targets on request', async () => {
    const dir = await folderOf({
      ...images,
      'y_train.npy': npyBytes('<i8', [2, 1], BigInt64Array.of(2n, 4n)),
      'y_test.npy': npyBytes('|u1', [1, 1], Uint8Array.of(1)),
    });
    const { task, train } = await readNpyDataset(dir);
    expect(task).toEqual({ kind: 'classification', classes: 5 });
    expect([...train.targets]).toEqual([2, 4]);
    const numbers = await readNpyDataset(dir, { regression: true });
    expect(numbers.task).toEqual({ kind: 'regression', targetShape: [1], mean: [3], std: [1] });
    expect([...numbers.train.targets]).toEqual([-1, 1]);
  });

  it('draws test samples from the training samples, or has none, without test files', async () => {
    const { 'x_test.npy': _x, 'y_test.npy': _y, ...rest } = images;
    const dir = await folderOf(rest);
    expect((await readNpyDataset(dir)).test.count).toBe(0);
    const { train, test } = await readNpyDataset(dir, { testSplit: 0.5 });
    expect([train.count, test.count]).toEqual([1, 1]);
    const both = readNpyDataset(await folderOf(images), { testSplit: 1 });
    await expect(both).rejects.toThrow(/^testSplit cannot be combined with x_test.npy in/);
  });

  it('lists the arrays that it does not read', async () => {
    const { notices } = await readNpyDataset(await folderOf({ ...images, 'ids.npy': bytes(1) }));
    expect(notices).toEqual([expect.stringMatching(/^Not read in .*: ids.npy\.$/)]);
  });

  it('reads the domains of training samples if there are any', async () => {
    const name = 'domains_train.npy';
    const domains = npyBytes('<i8', [2], BigInt64Array.of(4n, 0n));
    const { train } = await readNpyDataset(await folderOf({ ...images, [name]: domains }));
    expect(train.domains).toEqual(Int32Array.of(4, 0));
    expect((await readNpyDataset(await folderOf(images))).train.domains).toBeUndefined();
    const floats = npyBytes('<f4', [2], Float32Array.of(4, 0));
    const fewer = npyBytes('|u1', [1], Uint8Array.of(4));
    for (const wrong of [floats, fewer]) {
      const dir = await folderOf({ ...images, [name]: wrong });
      await expect(readNpyDataset(dir)).rejects.toThrow(/expected whole numbers \[2\], one/);
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
      'inputs without axes',
      { 'x_train.npy': npyBytes('|u1', [2], bytes(2)) },
      /shape of .*x_train.npy: expected .*, got \[2\]/,
    ],
    [
      'inputs with five axes',
      { 'x_train.npy': npyBytes('|u1', [2, 1, 1, 1, 1], bytes(2)) },
      /shape of .*x_train.npy/,
    ],
    [
      'another number of targets',
      { 'y_train.npy': npyBytes('<i4', [3], new Int32Array(3)) },
      /samples in .*y_train.npy: expected 2.*, got 3/,
    ],
    [
      'test samples of another shape',
      { 'x_test.npy': npyBytes('|u1', [1, 1, 2, 2], bytes(4)) },
      /sample shape of x_test.npy .*expected 2x1x2.*, got "1x2x2"/,
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

  it('refuses NaN among inputs before it computes their statistics', async () => {
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

    it('reads sequences and volumes as channels last only if requested', async () => {
      const sequences = await folder([2, 4, 3], [1, 4, 3]);
      expect((await readNpyDataset(sequences)).inputShape).toEqual([4, 3, 1]);
      const told = await readNpyDataset(sequences, { layout: 'channelsLast' });
      expect(told.inputShape).toEqual([4, 3]);
      const volumes = await folder([2, 2, 2, 2, 3], [1, 2, 2, 2, 3]);
      const { inputShape } = await readNpyDataset(volumes, { layout: 'channelsLast' });
      expect(inputShape).toEqual([2, 2, 2, 3]);
      await expect(readNpyDataset(volumes)).rejects.toThrow("Try: layout 'channelsLast'");
    });

    it('refuses unknown layouts', async () => {
      const dir = await folderOf(images);
      await expect(readNpyDataset(dir, { layout: 'NCHW' as never })).rejects.toThrow(
        `layout of the data: expected 'channelsLast', 'channelsFirst', got "NCHW".`,
      );
    });
  });
});
