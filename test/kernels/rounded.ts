// Whether a kernel's results match its twin's in float64, rounded once.

import { expect } from 'vitest';
import { ulps32 } from '../support/kernelFixture.ts';

/** Twin and kernel have different code for exp. */
const ALLOWED_ULPS = 1;

/** `found` has one element more than `exact`, which the kernel must not have changed. */
export function expectRounded(found: Float32Array, exact: Float64Array): void {
  const scale = exact.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-30);
  for (const [i, value] of exact.entries()) {
    expect(ulps32(found[i]!, Math.fround(value), scale)).toBeLessThanOrEqual(ALLOWED_ULPS);
  }
  expect(found[exact.length]).toBeNaN();
}
