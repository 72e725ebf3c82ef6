// Plain twins of the folds: sums over rows, and a sum of vectors along the fixed binary tree over
// replicas.

import type { Numbers } from './conv.ts';

/** sums[c] = sum over rows of x[row][c], row after row. */
export function columnSumsRef(x: Numbers, rows: number, channels: number): Float64Array {
  const sums = new Float64Array(channels);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < channels; c++) sums[c] = sums[c]! + x[row * channels + c]!;
  }
  return sums;
}

/** Folds the leaves [lo, hi) pairwise: the left part is the largest power of two below the size. */
export function foldTreeRef<T>(
  leaves: readonly T[],
  combine: (left: T, right: T) => T,
  lo = 0,
  hi = leaves.length,
): T {
  if (hi - lo === 1) return leaves[lo]!;
  const mid = lo + 2 ** (Math.ceil(Math.log2(hi - lo)) - 1);
  return combine(foldTreeRef(leaves, combine, lo, mid), foldTreeRef(leaves, combine, mid, hi));
}
