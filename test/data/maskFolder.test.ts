// Folders of images and masks in PNG files.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { readMaskFolder } from '../../src/data/images/maskFolder.ts';
import { folderOf, maskFiles } from '../support/dataFiles.ts';
import { pngBytes } from '../support/pngBytes.ts';

const SIZE = { width: 2, height: 3 };
const six = (value: number): number[] => new Array(6).fill(value);

describe('readMaskFolder', () => {
  it('reads grays, and masks with the classes of their pixels, -100 for 255', async () => {
    const dir = await folderOf({ ...maskFiles(3), 'images/.DS_Store': new Uint8Array(1) });
    const { inputShape, inputType, task, train, test } = await readMaskFolder(dir);
    expect([inputShape, inputType, test.count]).toEqual([[3, 2, 1], 'u8', 0]);
    expect(task).toEqual({ kind: 'segmentation', classes: 3, targetShape: [3, 2] });
    expect(Array.from(train.inputs)).toEqual([...six(0), ...six(1), ...six(2)]);
    const mask = (first: number) => [first, 1, 1, 1, 1, -100];
    expect(Array.from(train.targets)).toEqual([...mask(0), ...mask(1), ...mask(2)]);
  });

  it('reads palette indexes as classes, and palette colors as images', async () => {
    const values = [0, 1, 2, 2, 1, 0];
    const chunks = [['PLTE', [10, 20, 30, 40, 50, 60, 70, 80, 90]]] as const;
    const indexed = pngBytes({ ...SIZE, kind: 'palette', bits: 2, values, chunks });
    const counted = Array.from({ length: 18 }, (_, i) => i);
    const rgb = pngBytes({ ...SIZE, kind: 'rgb', values: counted });
    const dir = await folderOf({
      ...{ 'images/a.png': indexed, 'masks/a.png': indexed },
      ...{ 'images/b.PNG': rgb, 'masks/b.PNG': indexed },
    });
    const { inputShape, task, train } = await readMaskFolder(dir);
    expect([inputShape, task]).toMatchObject([[3, 2, 3], { classes: 3 }]);
    expect(Array.from(train.inputs.subarray(0, 9))).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90]);
    expect(Array.from(train.inputs.subarray(18))).toEqual(counted);
    expect(Array.from(train.targets)).toEqual([...values, ...values]);
  });

  it('reads 1-bit grays as black and white', async () => {
    const bits = pngBytes({ ...SIZE, bits: 1, values: [1, 0, 1, 0, 1, 0] });
    const { train } = await readMaskFolder(
      await folderOf({ 'images/a.png': bits, 'masks/a.png': bits }),
    );
    expect(Array.from(train.inputs)).toEqual([255, 0, 255, 0, 255, 0]);
    expect(Array.from(train.targets)).toEqual([1, 0, 1, 0, 1, 0]);
  });

  it.each([
    ['inside', ['train/images', 'train/masks'], ['test/images', 'test/masks']],
    ['outside', ['images/train', 'masks/train'], ['images/test', 'masks/test']],
  ] as const)('finds train and test with images and masks %s', async (_, train, test) => {
    const dir = await folderOf({ ...maskFiles(3, train), ...maskFiles(2, test) });
    const data = await readMaskFolder(dir);
    expect([data.train.count, data.test.count]).toEqual([3, 2]);
    await expect(readMaskFolder(dir, { testSplit: 1 })).rejects.toThrow(
      /testSplit cannot be combined with/,
    );
  });

  it('draws a test split, the same one each time', async () => {
    const dir = await folderOf(maskFiles(12));
    const { train, test } = await readMaskFolder(dir, { testSplit: 0.25 });
    expect([train.count, test.count]).toEqual([9, 3]);
    const firsts = (values: ArrayLike<number>) => Array.from(values).filter((_, i) => i % 6 === 0);
    const both = [...firsts(train.inputs), ...firsts(test.inputs)];
    expect(both.sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect((await readMaskFolder(dir, { testSplit: 3 })).test).toEqual(test);
    await expect(readMaskFolder(dir, { testSplit: 12 })).rejects.toThrow(
      /testSplit: expected .*, got 12/,
    );
  });

  const image = pngBytes({ ...SIZE, values: six(1) });
  const rgb = pngBytes({ ...SIZE, kind: 'rgb', values: new Array(18).fill(1) });
  const wide = pngBytes({ width: 3, height: 2, values: six(1) });
  const deep = pngBytes({ ...SIZE, bits: 16, values: six(1) });
  const clear = pngBytes({
    ...SIZE,
    kind: 'palette',
    values: six(0),
    chunks: [
      ['PLTE', [1, 2, 3]],
      ['tRNS', [0]],
    ],
  });
  it.each<[string, Readonly<Record<string, Uint8Array>>, RegExp]>([
    [
      'an image without a mask',
      { 'images/x.png': image },
      /x\.png of .*images is missing in .*masks/,
    ],
    [
      'a mask without an image',
      { 'masks/x.png': image },
      /x\.png of .*masks is missing in .*images/,
    ],
    [
      'images of two sizes',
      { 'images/1.png': wide },
      /size of .*1\.png: expected .*0\.png.*, got .*2x3x1/,
    ],
    [
      'images of two numbers of channels',
      { 'images/1.png': rgb },
      /size of .*1\.png: expected .*, got .*3x2x3/,
    ],
    ['a mask of another size', { 'masks/1.png': wide }, /size of .*masks.*3x2.*got .*2x3/],
    [
      'a mask of colors',
      { 'masks/1.png': rgb },
      /mask .*1\.png: expected gray.*, got "RGB of 8 bits"/,
    ],
    [
      'a mask of 16 bits',
      { 'masks/1.png': deep },
      /mask .*1\.png: expected .*, got "gray of 16 bits"/,
    ],
    [
      'an image of 16 bits',
      { 'images/1.png': deep },
      /bits of .*1\.png: expected at most 8.*, got 16/,
    ],
    [
      'transparent colors',
      { 'images/0.png': clear, 'images/1.png': clear, 'images/2.png': clear },
      /transparent/,
    ],
    [
      'other files',
      { 'images/a.jpg': image },
      /folder .*images: expected only PNG files.*, got "a\.jpg"/,
    ],
    [
      'a class too many',
      {},
      /class of pixel 0 in .*2\.png: expected 0 to 1 for 2 classes.*, got 2/,
    ],
  ])('refuses %s', async (_what, files, message) => {
    const dir = await folderOf({ ...maskFiles(3), ...files });
    const read = readMaskFolder(dir, { classes: 2 });
    await expect(read).rejects.toThrow(UsageError);
    await expect(read).rejects.toThrow(message);
  });

  it('refuses masks of 0 and 255, which may mean two classes', async () => {
    const mask = pngBytes({ ...SIZE, values: [0, 255, 0, 255, 0, 255] });
    const dir = await folderOf({ 'images/a.png': image, 'masks/a.png': mask });
    await expect(readMaskFolder(dir)).rejects.toThrow(/got "only 0 and 255".*masks of 0 and 1/);
  });

  it('says what is missing in a folder train', async () => {
    const dir = await folderOf({ 'train/cats/a.png': image });
    await expect(readMaskFolder(dir)).rejects.toThrow(
      /train: expected images and masks.*, got "cats"/,
    );
  });
});
