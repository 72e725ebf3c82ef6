// CIFAR-10 binary files, made by hand.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { parseCifar, readCifarDataset } from '../../src/data/formats/cifar.ts';
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
    const { count, inputs, targets } = parseCifar(join(record(3), record(7)), 'file');
    expect(count).toBe(2);
    expect([...targets]).toEqual([3, 7]);
    const expected: number[] = [];
    for (const label of [3, 7]) {
      for (let p = 0; p < 1024; p++) for (let c = 0; c < 3; c++) expected.push(pixel(label, p, c));
    }
    expect([...inputs]).toEqual(expected);
  });

  it.each([0, 1, 3072, 3074, 6145])('refuses %d bytes', (length) => {
    expect(() => parseCifar(new Uint8Array(length), 'file')).toThrow(UsageError);
    expect(() => parseCifar(new Uint8Array(length), 'file')).toThrow(
      `file is truncated: got "${length} bytes"`,
    );
  });

  it('refuses a label above 9 and names the record', () => {
    const bytes = join(record(0), record(10));
    expect(() => parseCifar(bytes, 'file')).toThrow(
      'label of record 1 in file: got 10, allowed is a class from 0 to 9',
    );
  });
});

describe('readCifarDataset', () => {
  it('joins the five training files in order', async () => {
    const data = await readCifarDataset(await folderOf(folder()));
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
      parseCifar(join(...[1, 2, 3, 4, 5].map(record)), 'all').inputs,
    );
  });

  it('names the files that are missing', async () => {
    const { 'data_batch_3.bin': _, ...rest } = folder();
    const reading = readCifarDataset(await folderOf(rest));
    await expect(reading).rejects.toThrow(/^data_batch_3.bin missing in/);
  });
});
