// Shapes for the tests of the convolution kernels, and how far sums may be from their twins.

import { expect } from 'vitest';
import type { ConvRefOptions } from '../../src/kernels/reference/conv.ts';

export const CHANNELS = [1, 3, 4, 5, 8, 13, 32];
const UNIT_ROUNDOFF = 2 ** -24;

/** One sample that needs no padding: what the kernels see. */
interface Geometry {
  readonly size: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
}

export const GEOMETRIES: readonly Geometry[] = [
  { size: [5, 6], kernel: [3, 3], stride: [1, 1], dilation: [1, 1] },
  { size: [7, 6], kernel: [3, 2], stride: [2, 1], dilation: [1, 1] },
  { size: [7, 8], kernel: [2, 3], stride: [1, 2], dilation: [2, 2] },
  { size: [4, 5], kernel: [1, 1], stride: [1, 1], dilation: [1, 1] },
  { size: [3, 3], kernel: [3, 3], stride: [1, 1], dilation: [1, 1] },
  // 56, 35 and 13 pixels: more than a band, and every rest behind tiles of six.
  { size: [8, 7], kernel: [1, 1], stride: [1, 1], dilation: [1, 1] },
  { size: [9, 7], kernel: [3, 3], stride: [1, 1], dilation: [1, 1] },
  { size: [15, 3], kernel: [3, 3], stride: [1, 1], dilation: [1, 1] },
];

export const PAIRS = CHANNELS.flatMap((inChannels) =>
  CHANNELS.map((outChannels) => [inChannels, outChannels] as const),
);

export function optionsOf(
  geometry: Geometry,
  inChannels: number,
  outChannels: number,
  groups = 1,
): ConvRefOptions {
  const { size, kernel, stride, dilation } = geometry;
  const [height, width] = size;
  const sizes = { countSamples: 1, height, width, inChannels, outChannels, groups };
  return { ...sizes, kernel, stride, dilation, padding: [0, 0] };
}

/** The bound of a chain of n products and sums in float32: (n + 2) roundings of the sum of
 * magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). */
export function expectClose(
  found: ArrayLike<number>,
  exact: Float64Array,
  magnitude: Float64Array,
  terms: number,
): void {
  expect(found.length).toBe(exact.length);
  for (let i = 0; i < exact.length; i++) {
    const bound = (terms + 2) * UNIT_ROUNDOFF * magnitude[i]! + Number.MIN_VALUE;
    if (!(Math.abs(found[i]! - exact[i]!) <= bound)) {
      expect.fail(`element ${i}: ${found[i]} instead of ${exact[i]}, allowed ${bound}`);
    }
  }
}

export const abs = (values: Float32Array): Float32Array => values.map(Math.abs);
