// Small packed sets, in folders of their own.

import { join } from 'node:path';
import { writePackedSet } from '../../../src/data/images/writeSet.ts';
import { folderOf } from '../dataFiles.ts';

/** Bytes of an image, and images of a chunk. */
export const [SIZE, CHUNK] = [6, 16];

/** A set of images [3, 2, 1] of three classes, or with masks of two. */
export async function packed({ train = 70, test = 20, isMasks = false } = {}): Promise<string> {
  const dir = join(await folderOf({}), 'set');
  const parts = <T>(count: number, part: (from: number, length: number) => T): T[] =>
    Array.from({ length: Math.ceil(count / CHUNK) }, (_, i) =>
      part(i * CHUNK, Math.min(CHUNK, count - i * CHUNK)),
    );
  const bytes = (from: number, length: number) =>
    Uint8Array.from({ length: length * SIZE }, (_, i) => ((from * SIZE + i) * 37) % 251);
  const masks = (_from: number, length: number) =>
    Uint8Array.from({ length: length * SIZE }, (_, i) => [0, 1, 255][i % 3]!);
  const labels = (from: number, length: number) =>
    Int32Array.from({ length }, (_, i) => (from + i) % 3);
  const split = (count: number) => ({
    count,
    inputs: parts(count, bytes),
    targets: isMasks ? parts(count, masks) : parts(count, labels),
  });
  await writePackedSet(dir, {
    ...{ name: 'set', inputShape: [3, 2, 1], targetShape: isMasks ? [3, 2] : [] },
    ...{ chunkSamples: CHUNK, classNames: [], made: {}, countClasses: () => (isMasks ? 2 : 3) },
    ...{ train: split(train), ...(test > 0 && { test: split(test) }) },
  });
  return dir;
}
