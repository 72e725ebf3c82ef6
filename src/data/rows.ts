// Draws and copies a subset of the consecutive samples in an array.

import { Purpose, RandomStream } from '../base/random.ts';

/** Fixed, so that limiting the same data to the same count always draws the same samples. */
const LIMIT_SEED = 1;

/** The random numbers used to limit data: for all samples, or for chunk `chunk`. */
export function limitStream(chunk = -1): RandomStream {
  return new RandomStream().reset(LIMIT_SEED, Purpose.subset, 1 + chunk, 0);
}

/** Draws `count` of the indices below `total`, ascending, by selection sampling (Knuth, The Art of
 * Computer Programming 3.4.2, algorithm S). */
export function drawRows(total: number, count: number, random: RandomStream): Int32Array {
  const indices = new Int32Array(count);
  let found = 0;
  for (let i = 0; found < count; i++) {
    if (random.nextBelow(total - i) < count - found) indices[found++] = i;
  }
  return indices;
}

/** Copies the rows with these indices. */
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
