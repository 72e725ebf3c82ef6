// Files of the dataset formats, made by hand in memory, and folders to put them into.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { onTestFinished } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { pngBytes } from './pngBytes.ts';

/** A folder with these files, also in folders, removed when the test has finished. */
export async function folderOf(files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'syncbn-data-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), bytes);
  }
  return dir;
}

/** An IDX file of bytes. */
export function idxBytes(shape: readonly number[], values: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + values.length);
  bytes.set([0, 0, 8, shape.length]);
  const view = new DataView(bytes.buffer);
  shape.forEach((size, i) => {
    view.setUint32(4 + 4 * i, size);
  });
  bytes.set(Uint8Array.from(values), 4 + 4 * shape.length);
  return bytes;
}

/** The four files of an IDX folder: `train` and `test` images of 2 x 3 pixels, image i all i. */
export function idxFolder(train: number, test: number): Record<string, Uint8Array> {
  const images = (n: number): Uint8Array =>
    idxBytes(
      [n, 2, 3],
      Array.from({ length: n * 6 }, (_, i) => Math.floor(i / 6)),
    );
  const labels = (n: number): Uint8Array =>
    idxBytes(
      [n],
      Array.from({ length: n }, (_, i) => i % 3),
    );
  return {
    'train-images-idx3-ubyte': images(train),
    'train-labels-idx1-ubyte': labels(train),
    't10k-images-idx3-ubyte': images(test),
    't10k-labels-idx1-ubyte': labels(test),
  };
}

/** `count` images of 3 x 2 pixels with masks of their names: image i all i, with i in the first
 * pixel of its mask, 255 in the last one, else 1. */
export function maskFiles(
  count: number,
  places: readonly [images: string, masks: string] = ['images', 'masks'],
): Record<string, Uint8Array> {
  const files = Array.from({ length: count }, (_, i) => {
    const image = pngBytes({ width: 2, height: 3, values: new Array(6).fill(i) });
    const mask = pngBytes({ width: 2, height: 3, values: [i, 1, 1, 1, 1, 255] });
    return places.map((place, at) => [`${place}/${i}.png`, at === 0 ? image : mask] as const);
  });
  return Object.fromEntries(files.flat());
}

/** A .npy file as NumPy writes it: the header padded so that the values start at a multiple of
 * 64. */
export function npyBytes(
  descr: string,
  shape: readonly number[],
  values: ArrayBufferView,
  options: { readonly version?: 1 | 2 | 3; readonly fortran?: boolean } = {},
): Uint8Array {
  const { version = 1, fortran = false } = options;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const order = fortran ? 'True' : 'False';
  return npyFile(`{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${tuple}, }`, {
    version,
    values,
  });
}

/** A .npy file with any text as its header. */
export function npyFile(
  text: string,
  options: { readonly version?: number; readonly values?: ArrayBufferView } = {},
): Uint8Array {
  const { version = 1, values = new Uint8Array(0) } = options;
  const start = version === 1 ? 10 : 12;
  const padded = `${text}${' '.repeat(63 - ((start + text.length) % 64))}\n`;
  const bytes = new Uint8Array(start + padded.length + values.byteLength);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  const view = new DataView(bytes.buffer);
  if (version === 1) view.setUint16(8, padded.length, true);
  else view.setUint32(8, padded.length, true);
  bytes.set(Buffer.from(padded, 'latin1'), start);
  bytes.set(
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    bytes.length - values.byteLength,
  );
  return bytes;
}

/** A zip archive with these files, deflated where `isDeflated`. */
export function npzBytes(
  files: Readonly<Record<string, Uint8Array>>,
  { isDeflated = false }: { readonly isDeflated?: boolean } = {},
): Uint8Array {
  const locals: Uint8Array[] = [];
  const list: Uint8Array[] = [];
  let at = 0;
  for (const [name, bytes] of Object.entries(files)) {
    const packed = isDeflated ? deflateRawSync(bytes) : bytes;
    const head = new DataView(new ArrayBuffer(26));
    head.setUint16(0, 20, true);
    head.setUint16(4, isDeflated ? 8 : 0, true);
    head.setUint32(10, crc32(bytes), true);
    head.setUint32(14, packed.length, true);
    head.setUint32(18, bytes.length, true);
    head.setUint16(22, name.length, true);
    const fields = Buffer.from(head.buffer);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(at, 10);
    const start = Buffer.from('PK\x01\x02\x14\x00', 'latin1');
    list.push(Buffer.concat([start, fields, place, Buffer.from(name)]));
    locals.push(local);
    at += local.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(list.length, 8);
  end.writeUInt16LE(list.length, 10);
  end.writeUInt32LE(Buffer.concat(list).length, 12);
  end.writeUInt32LE(at, 16);
  return new Uint8Array(Buffer.concat([...locals, ...list, end]));
}

/** Three training samples and one test sample of two channels, two classes. */
export function smallDataset(changes: Partial<Dataset> = {}): Dataset {
  return {
    name: 'small',
    inputShape: [1, 2, 2],
    inputType: 'u8',
    task: { kind: 'classification', classes: 2 },
    mean: [0.5, 0.25],
    std: [1, 2],
    train: {
      count: 3,
      inputs: Uint8Array.from({ length: 12 }, (_, i) => i),
      targets: Int32Array.of(0, 1, 1),
    },
    test: { count: 1, inputs: Uint8Array.of(9, 8, 7, 6), targets: Int32Array.of(1) },
    ...changes,
  };
}
