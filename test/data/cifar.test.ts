// CIFAR-10 binary files, made by hand.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { CIFAR10, CIFAR100, parseCifar, readCifarDataset } from '../../src/data/formats/cifar.ts';
import { openDataset } from '../../src/data/open.ts';
import { folderOf } from '../support/dataFiles.ts';

/** Pixel (y, x) of plane c is y + 40 c + x mod 3 plus the label. */
function record(label: number): Uint8Array {
  const bytes = new Uint8Array(3073);
  bytes[0] = label;
  for (let c = 0; c < 3; c++) {
    for (let p = 0; p < 1024; p++) bytes[1 + c * 1024 + p] = pixel(label, p, c);
  }
  return bytes;
}

function pixel(label: number, p: number, c: number): number {
  return Math.floor(p / 32) + 40 * c + (p % 3) + label;
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function folder(): Record<string, Uint8Array> {
  const batches = [1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, record(i)] as const);
  return { ...Object.fromEntries(batches), 'test_batch.bin': join(record(9), record(0)) };
}

describe('parseCifar', () => {
  it('turns planes into channels last', () => {
    const { count, inputs, targets } = parseCifar(join(record(3), record(7)), 'file', CIFAR10);
    expect(count).toBe(2);
    expect([...targets]).toEqual([3, 7]);
    const expected: number[] = [];
    for (const label of [3, 7]) {
      for (let p = 0; p < 1024; p++) for (let c = 0; c < 3; c++) expected.push(pixel(label, p, c));
    }
    expect([...inputs]).toEqual(expected);
  });

  it.each([0, 1, 3072, 3074, 6145])('refuses %d bytes', (length) => {
    expect(() => parseCifar(new Uint8Array(length), 'file', CIFAR10)).toThrow(UsageError);
    expect(() => parseCifar(new Uint8Array(length), 'file', CIFAR10)).toThrow(
      new RegExp(`file is truncated: expected .*, got "${length} bytes"`),
    );
  });

  it('refuses a label above 9 and names the record', () => {
    const bytes = join(record(0), record(10));
    expect(() => parseCifar(bytes, 'file', CIFAR10)).toThrow(
      /label of record 1 in file: expected a class from 0 to 9.*, got 10/,
    );
  });
});

describe('readCifarDataset', () => {
  it('joins the five training files in order', async () => {
    const data = await readCifarDataset(await folderOf(folder()), CIFAR10);
    expect(data).toMatchObject({
      name: 'cifar10',
      inputShape: [32, 32, 3],
      inputType: 'u8',
      mean: [0.4914, 0.4822, 0.4465],
      std: [0.247, 0.2435, 0.2616],
    });
    expect([...data.train.targets]).toEqual([1, 2, 3, 4, 5]);
    expect([...data.test.targets]).toEqual([9, 0]);
    expect(data.train.inputs).toEqual(
      parseCifar(join(...[1, 2, 3, 4, 5].map(record)), 'all', CIFAR10).inputs,
    );
  });

  it('names the files that are missing', async () => {
    const { 'data_batch_3.bin': _, ...rest } = folder();
    const reading = readCifarDataset(await folderOf(rest), CIFAR10);
    await expect(reading).rejects.toThrow(/^data_batch_3.bin missing in/);
  });

  it('reads CIFAR-100, where the second byte is the class, with its names', async () => {
    const two = (coarse: number, fine: number): Uint8Array =>
      join(Uint8Array.of(coarse), record(fine));
    const names = Array.from({ length: 100 }, (_, i) => `class ${i}`);
    const dir = await folderOf({
      'train.bin': join(two(19, 99), two(0, 7)),
      'test.bin': two(3, 12),
      'fine_label_names.txt': Buffer.from(`${names.join('\n')}\n`),
    });
    const data = await openDataset(dir);
    expect(data.task).toEqual({ kind: 'classification', classes: 100 });
    expect(data).toMatchObject({ name: 'cifar100', classNames: names });
    expect([...data.train.targets, ...data.test.targets]).toEqual([99, 7, 12]);
    expect(data.test.inputs).toEqual(parseCifar(two(3, 12), 'file', CIFAR100).inputs);
    expect(data.test.inputs[0]).toBe(pixel(12, 0, 0));
    expect(() => parseCifar(two(0, 100), 'file', CIFAR100)).toThrow(/label of record 0.*got 100/);
  });
});
