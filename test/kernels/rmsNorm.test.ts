import { beforeEach, describe, expect, it } from 'vitest';
import { rmsNormGradRef, rmsNormRef } from '../../src/kernels/reference/rmsNorm.ts';
import { BUILDS, createFixture, testValues, ulps32 } from '../support/kernelFixture.ts';

const LENGTHS = [1, 3, 4, 5, 8, 13, 513];
const EPS = 1e-5;
/** Rounded once; the twin's value may lie next to the middle of two floats. */
const ALLOWED_ULPS = 1;

function expectRounded(found: Float32Array, exact: Float64Array): void {
  const scale = exact.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-30);
  for (const [i, value] of exact.entries()) {
    expect(ulps32(found[i]!, Math.fround(value), scale)).toBeLessThanOrEqual(ALLOWED_ULPS);
  }
  // What lies behind the row is nobody's.
  expect(found[exact.length]).toBeNaN();
}

describe.each(BUILDS)('rmsNorm kernels, %s build', (build) => {
  const fixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  it.each(LENGTHS)('equal their twins, a row of %d', (length) => {
    const [x, dy, w] = [1, 2, 3].map((seed) => testValues(length, 2, seed));
    for (const weight of [w!, undefined]) {
      fixture.reset();
      const weightPtr = weight === undefined ? 0 : fixture.place(weight);
      const [xPtr, dyPtr] = [fixture.place(x!), fixture.place(dy!)];
      const [yPtr, dxPtr] = [fixture.reserve(length), fixture.reserve(length)];
      const invRmsPtr = fixture.reserve(1, 8);
      const gradPtr = weight === undefined ? 0 : fixture.place(new Float64Array(length).fill(7));
      kernels.rmsNormF32(xPtr, yPtr, length, EPS, weightPtr, invRmsPtr);
      kernels.rmsNormGradF32(xPtr, dyPtr, dxPtr, length, weightPtr, invRmsPtr, gradPtr);
      const options = { length, eps: EPS, weight };
      expectRounded(fixture.f32(yPtr, length + 1), rmsNormRef(x!, options));
      const { dx, dweight } = rmsNormGradRef(x!, dy!, options);
      expectRounded(fixture.f32(dxPtr, length + 1), dx);
      if (gradPtr === 0) continue;
      for (const [i, value] of fixture.f64(gradPtr, length).entries()) {
        expect(value).toBeCloseTo(7 + dweight[i]!, 11);
      }
    }
  });

  it('do not write the input gradient if it is not needed', () => {
    const x = fixture.place(testValues(5));
    const invRmsPtr = fixture.place(Float64Array.of(1));
    const gradPtr = fixture.place(new Float64Array(5));
    const before = fixture.f32(0, 256).slice();
    kernels.rmsNormGradF32(x, x, 0, 5, 0, invRmsPtr, gradPtr);
    expect(fixture.f32(0, 256)).toEqual(before);
    expect(fixture.f64(gradPtr, 5).every((value) => value > 0)).toBe(true);
  });
});
