// Data folders to damage: a small one of each format. One file is damaged at a time.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { sizeOf } from '../../src/base/shape.ts';
import { type Dataset, nn, openDataset, optim } from '../../src/index.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import type { Dice } from './dice.ts';
import {
  cifar100Folder,
  csvFolder,
  csvInside,
  npzFolder,
  npzInside,
  oddNpyFolder,
} from './fuzzFormats.ts';
import { maskFolder, pngInside } from './fuzzPng.ts';
import type { Target } from './fuzzTarget.ts';
import { mutateBytes } from './mutations.ts';

export function dataTargets(folder: string): readonly Target[] {
  return [
    folderTarget(
      folder,
      'idx',
      idxFolder((bytes) => bytes),
    ),
    folderTarget(folder, 'idx.gz', idxFolder(gzipSync, '.gz'), gzipInside),
    folderTarget(folder, 'npy', npyFolder()),
    folderTarget(folder, 'cifar', cifarFolder()),
    folderTarget(folder, 'png', maskFolder(), pngInside),
    folderTarget(folder, 'odd npy', oddNpyFolder()),
    folderTarget(folder, 'cifar-100', cifar100Folder()),
    folderTarget(folder, 'npz', npzFolder(), npzInside),
    folderTarget(folder, 'csv', csvFolder(), csvInside),
  ];
}

/** One file of a data folder is damaged, the others stay whole. */
function folderTarget(
  folder: string,
  format: string,
  files: Readonly<Record<string, Uint8Array>>,
  damage: (dice: Dice, bytes: Uint8Array) => Uint8Array = mutateBytes,
): Target {
  const dir = join(folder, format);
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
  const names = Object.keys(files);
  return {
    format,
    attempt(dice) {
      const name = dice.pick(names);
      const input = damage(dice, files[name]!);
      return {
        input,
        async read() {
          writeFileSync(join(dir, name), input);
          try {
            const data = await openDataset(dir);
            resolveOptions({
              ...{ data, replicas: 1, workers: 1, globalBatch: 2, optimizer: optim.adam() },
              model: modelFor(data),
            });
          } finally {
            writeFileSync(join(dir, name), files[name]!);
          }
        },
      };
    },
  };
}

/** A layer that fits the data. */
function modelFor({ inputShape, task }: Dataset) {
  if (task.kind === 'segmentation') {
    return nn.sequential([nn.conv2d(inputShape[2]!, task.classes, { kernel: 1 })]);
  }
  const outputs = task.kind === 'classification' ? task.classes : 1;
  return nn.sequential([nn.flatten(), nn.linear(sizeOf(inputShape), outputs)]);
}

function idxFolder(
  pack: (bytes: Uint8Array) => Uint8Array,
  suffix = '',
): Record<string, Uint8Array> {
  const idx = (shape: readonly number[], at: (i: number) => number): Uint8Array => {
    const header = Buffer.alloc(4 + 4 * shape.length);
    header.set([0, 0, 8, shape.length]);
    shape.forEach((size, i) => {
      header.writeUInt32BE(size, 4 + 4 * i);
    });
    return pack(
      Buffer.concat([header, Uint8Array.from({ length: sizeOf(shape) }, (_, i) => at(i))]),
    );
  };
  return {
    [`train-images-idx3-ubyte${suffix}`]: idx([12, 4, 5], (i) => i),
    [`train-labels-idx1-ubyte${suffix}`]: idx([12], (i) => i % 3),
    [`t10k-images-idx3-ubyte${suffix}`]: idx([5, 4, 5], (i) => 3 * i),
    [`t10k-labels-idx1-ubyte${suffix}`]: idx([5], (i) => i % 3),
  };
}

/** Half of the time the damage is inside a stream that unpacks without errors. */
function gzipInside(dice: Dice, packed: Uint8Array): Uint8Array {
  if (dice.chance(0.5)) return mutateBytes(dice, packed);
  const bytes = mutateBytes(dice, gunzipSync(packed));
  const zeros = dice.chance(0.02)
    ? Buffer.alloc(dice.pick([1, 20, 200]) * 2 ** 20)
    : Buffer.alloc(0);
  return gzipSync(Buffer.concat([bytes, zeros]), { level: 1 });
}

function npyFolder(): Record<string, Uint8Array> {
  const npy = (descr: string, shape: string, values: ArrayBufferView): Uint8Array => {
    const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
    const padded = `${text}${' '.repeat(63 - ((10 + text.length) % 64))}\n`;
    const head = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length, 0]);
    const body = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    return Buffer.concat([head, Buffer.from(padded, 'latin1'), body]);
  };
  const floats = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => i / 7);
  const labels = (n: number): BigInt64Array =>
    BigInt64Array.from({ length: n }, (_, i) => BigInt(i % 3));
  return {
    'x_train.npy': npy('<f4', '(12, 6)', floats(72)),
    'y_train.npy': npy('<i8', '(12,)', labels(12)),
    'x_test.npy': npy('<f4', '(5, 6)', floats(30)),
    'y_test.npy': npy('<i8', '(5,)', labels(5)),
  };
}

function cifarFolder(): Record<string, Uint8Array> {
  const record = (label: number): Uint8Array =>
    Uint8Array.from({ length: 3073 }, (_, i) => (i === 0 ? label : (i * label) % 256));
  const batches = [1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, record(i)] as const);
  return { ...Object.fromEntries(batches), 'test_batch.bin': record(7) };
}
