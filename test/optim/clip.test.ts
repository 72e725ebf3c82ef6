// Gradient clipping in closed form.

import { describe, expect, it } from 'vitest';
import { gradientNorm, writeClipScale } from '../../src/optim/clip.ts';

/** The scale that is written. */
function clipScale(squares: Float64Array, maxNorm: number): number {
  const rates = new Float64Array(3);
  writeClipScale(squares, maxNorm, rates, 1);
  return rates[1]!;
}

describe('clipping', () => {
  it('is maxNorm / (norm + 1e-6) if the norm is larger', () => {
    expect(gradientNorm(Float64Array.of(9, 16))).toBe(5);
    expect(clipScale(Float64Array.of(9, 16), 1)).toBe(1 / (5 + 1e-6));
  });

  it('is 1 if the norm is not larger, and for zero gradients', () => {
    expect(clipScale(Float64Array.of(9, 16), 6)).toBe(1);
    expect(clipScale(Float64Array.of(0, 0), 1e-3)).toBe(1);
    expect(clipScale(new Float64Array(0), 1)).toBe(1);
  });

  it('folds the blocks in their order', () => {
    // 1 is lost next to 2^54, but two of them together are not.
    const big = 2 ** 54;
    expect(gradientNorm(Float64Array.of(1, 1, 2, big))).toBe(Math.sqrt(big + 4));
    expect(gradientNorm(Float64Array.of(big, 1, 1, 1, 1))).toBe(2 ** 27);
  });

  it('lets a NaN through, so that a broken run is seen', () => {
    expect(clipScale(Float64Array.of(1, Number.NaN), 1)).toBeNaN();
  });
});
