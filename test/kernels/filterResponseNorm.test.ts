import { beforeEach, describe, expect, it } from 'vitest';
import {
  filterResponseGradRef,
  filterResponseRef,
} from '../../src/kernels/reference/filterResponseNorm.ts';
import { BUILDS, createFixture, testValues, ulps32 } from '../support/kernelFixture.ts';

const CHANNELS = [1, 3, 4, 5, 13, 513];
const ROWS = [1, 2, 7];
const GRID = CHANNELS.flatMap((channels) => ROWS.map((rows) => [rows, channels] as const));
const EPS = 1e-2;
/** Rounded once; the twin's value may lie next to the middle of two floats. */
const ALLOWED_ULPS = 1;

function expectRounded(found: Float32Array, exact: Float64Array): void {
  const scale = exact.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-30);
  for (const [i, value] of exact.entries()) {
    expect(ulps32(found[i]!, Math.fround(value), scale)).toBeLessThanOrEqual(ALLOWED_ULPS);
  }
  // What lies behind the sample is nobody's.
  expect(found[exact.length]).toBeNaN();
}

describe.each(BUILDS)('filterResponseNorm kernels, %s build', (build) => {
  const fixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  it.each(GRID)('equal their twins, %d rows of %d channels', (rows, channels) => {
    const length = rows * channels;
    const [x, dz] = [testValues(length, 2, 1), testValues(length, 1, 2)];
    const [weight, bias, threshold] = [3, 4, 5].map((seed) => testValues(channels, 1, seed));
    const [xPtr, dzPtr] = [fixture.place(x), fixture.place(dz)];
    const [zPtr, dxPtr] = [fixture.reserve(length), fixture.reserve(length)];
    const coefficientsPtr = fixture.reserve(4 * channels, 8);
    const sumsPtr = fixture.reserve(3 * channels, 8);
    kernels.filterResponseCoefficients(
      xPtr,
      rows,
      channels,
      EPS,
      fixture.place(weight!),
      fixture.place(bias!),
      fixture.place(threshold!),
      coefficientsPtr,
    );
    kernels.filterResponseF32(xPtr, zPtr, rows, channels, coefficientsPtr);
    kernels.filterResponseGradSums(xPtr, dzPtr, rows, channels, coefficientsPtr, sumsPtr);
    kernels.filterResponseInputGradF32(
      xPtr,
      dzPtr,
      dxPtr,
      rows,
      channels,
      coefficientsPtr,
      sumsPtr,
    );
    const options = { rows, channels, eps: EPS, weight, bias, threshold };
    expectRounded(fixture.f32(zPtr, length + 1), filterResponseRef(x, options));
    const exact = filterResponseGradRef(x, dz, options);
    expectRounded(fixture.f32(dxPtr, length + 1), exact.dx);
    const sums = [...exact.dweight, ...exact.dbias, ...exact.dthreshold];
    for (const [i, value] of fixture.f64(sumsPtr, 3 * channels).entries()) {
      expect(value).toBeCloseTo(sums[i]!, 11);
    }
  });
});
