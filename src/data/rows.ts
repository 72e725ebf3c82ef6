// Some of the samples of arrays that have one after the other: which ones, and copies of them.

import { Purpose, RandomStream } from '../base/random.ts';

/** The draw is the same for everyone who limits the same data to the same count. */
const LIMIT_SEED = 1;

/** The random numbers by which data is limited: those of all samples, or of chunk `chunk`. */
export function limitStream(chunk = -1): RandomStream {
  return new RandomStream().reset(LIMIT_SEED, Purpose.subset, 1 + chunk, 0);
}

/** `count` of the indices below `total`, ascending: each is taken with the chance that is left for
 * it (Knuth, The Art of Computer Programming 3.4.2, algorithm S). */
export function drawRows(total: number, count: number, random: RandomStream): Int32Array {
  const indices = new Int32Array(count);
  let found = 0;
  for (let i = 0; found < count; i++) {
    if (random.nextBelow(total - i) < count - found) indices[found++] = i;
  }
  return indices;
}

/** Copies of the rows with these indices. */
export function rows<T extends Uint8Array | Int32Array | Float32Array | Float64Array>(
  values: T,
  length: number,
  indices: Int32Array,
): T {
  const picked = values.slice(0, indices.length * length) as T;
  for (const [row, index] of indices.entries()) {
    picked.set(values.subarray(index * length, (index + 1) * length), row * length);
  }
  return picked;
}
