// From a name or a folder to the right reader.

import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { openDataset } from '../../src/data/open.ts';
import { folderOf, idxFolder, maskFiles, npyBytes, npzBytes } from '../support/dataFiles.ts';

const npy = {
  'x_train.npy': npyBytes('|u1', [1, 2], Uint8Array.of(1, 2)),
  'y_train.npy': npyBytes('|u1', [1], Uint8Array.of(1)),
  'x_test.npy': npyBytes('|u1', [1, 2], Uint8Array.of(1, 2)),
  'y_test.npy': npyBytes('|u1', [1], Uint8Array.of(1)),
};

describe('openDataset', () => {
  it('opens named datasets', async () => {
    expect((await openDataset('mnist')).train.count).toBe(60_000);
    expect((await openDataset('synthetic')).name).toBe('synthetic');
  });

  it('chooses the format by the files of a folder', async () => {
    expect((await openDataset(await folderOf(idxFolder(3, 2)))).inputShape).toEqual([2, 3, 1]);
    expect((await openDataset(await folderOf(npy))).inputShape).toEqual([2]);
    const beside = { ...npy, 'train/notes.txt': new Uint8Array() };
    expect((await openDataset(await folderOf(beside))).inputShape).toEqual([2]);
    const record = new Uint8Array(3073);
    const names = ['data_batch_1.bin', 'data_batch_2.bin', 'data_batch_3.bin', 'data_batch_4.bin'];
    const files = [...names, 'data_batch_5.bin', 'test_batch.bin'].map((name) => [name, record]);
    expect((await openDataset(await folderOf(Object.fromEntries(files)))).name).toBe('cifar10');
    const masks = await openDataset(await folderOf(maskFiles(4)), { classes: 5, testSplit: 1 });
    expect(masks.task).toEqual({ kind: 'segmentation', classes: 5, targetShape: [3, 2] });
    expect(masks.test.count).toBe(1);
  });

  it('lists what it found and what it understands if it knows none of the files', async () => {
    const dir = await folderOf({ 'a.txt': new Uint8Array(1), 'b.dat': new Uint8Array(1) });
    const error = (await openDataset(dir).catch((e: unknown) => e)) as Error;
    expect(error).toBeInstanceOf(UsageError);
    for (const part of ['a.txt, b.dat', 'IDX', 'CIFAR-10 binary', 'npy', 'data_batch_1.bin']) {
      expect(error.message).toContain(part);
    }
  });

  it('refuses a number of classes and a test split for data that has both', async () => {
    const record = new Uint8Array(3073);
    const parts = [1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, record]);
    const files = Object.fromEntries([...parts, ['test_batch.bin', record]]);
    for (const data of ['synthetic', await folderOf(files)]) {
      await expect(openDataset(data, { classes: 3 })).rejects.toThrow(
        /^classes of data: expected .*PNG.*, got /,
      );
      await expect(openDataset(data, { testSplit: 1 })).rejects.toThrow(
        /^testSplit of data: expected/,
      );
    }
  });

  it('accepts a number of classes, which no target may exceed', async () => {
    const dir = await folderOf(npy);
    const { task } = await openDataset(dir, { classes: 7 });
    expect(task).toEqual({ kind: 'classification', classes: 7 });
    await expect(openDataset(dir, { classes: 1 })).rejects.toThrow(
      /^targets of .*: expected 0 to 0, for 1 classes.*, got "class 1"/,
    );
    await expect(openDataset(dir, { classes: 7, regression: true })).rejects.toThrow('"numbers"');
  });

  it('opens an npz file by its name, or by its folder if it is the only one', async () => {
    const file = npzBytes(npy);
    const dir = await folderOf({ 'few.npz': file, 'readme.txt': new Uint8Array() });
    for (const data of [dir, join(dir, 'few.npz')]) {
      expect(await openDataset(data)).toMatchObject({ name: 'few', train: { count: 1 } });
    }
    const two = await folderOf({ 'a.npz': file, 'b.npz': file });
    await expect(openDataset(two)).rejects.toThrow(/expected one of them.*, got "a.npz, b.npz"/);
    const beside = await folderOf({ ...npy, 'a.npz': file });
    expect((await openDataset(beside)).name).toBe(basename(beside));
  });

  it('looks into a folder that contains only another folder', async () => {
    const within = (place: string) =>
      folderOf(Object.fromEntries(Object.entries(npy).map(([name, b]) => [place + name, b])));
    expect((await openDataset(await within('a/b/raw/'))).name).toBe('raw');
    await expect(openDataset(await within('a/b/c/raw/'))).rejects.toThrow(
      /b[/\\]c: expected .*, got "raw"/,
    );
  });

  it('refuses a folder with two formats', async () => {
    const dir = await folderOf({ ...idxFolder(3, 2), ...npy });
    await expect(openDataset(dir)).rejects.toThrow('files of IDX and npy');
  });

  it('refuses what is neither a name nor a folder, and lists the names', async () => {
    const dir = await folderOf({ file: new Uint8Array(1) });
    for (const name of ['minst', join(dir, 'file')]) {
      await expect(openDataset(name)).rejects.toThrow(UsageError);
      await expect(openDataset(name)).rejects.toThrow(
        /mnist, .*small-scenes, fashion-scenes(, a folder|, or an existing file or folder)/,
      );
    }
  });
});
