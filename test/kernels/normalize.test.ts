// The bits of the pass that writes a normalization's output.

import { beforeEach, describe, expect, it } from 'vitest';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';

describe.each(BUILDS)('normalize kernels, %s build', (build) => {
  const fixture = createFixture(build, 64);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  it.each([
    [3, 5],
    [21, 16],
    [9, 37],
    [5, 64],
  ])(
    'with an add has the bits of separate norm, add and relu, %d rows of %d channels',
    (...shape) => {
      const [rows, channels] = shape;
      const length = rows * channels;
      const x = testValues(length);
      const other = testValues(length, 2, 5);
      x[channels + 1] = Number.NaN;
      other[2 * channels] = Number.NaN;
      const coefficients = Float64Array.from(testValues(4 * channels, 2, 7));
      const coefficientsPtr = fixture.place(coefficients);
      const [xPtr, otherPtr] = [fixture.place(x), fixture.place(other)];
      const written = (write: (ptr: number) => void): Float32Array => {
        const ptr = fixture.reserve(length + 1);
        write(ptr);
        expect(fixture.f32(ptr, length + 1)[length]).toBeNaN();
        return fixture.f32(ptr, length).slice();
      };
      const y = written((ptr) => kernels.normalizeF32(xPtr, ptr, ...shape, coefficientsPtr));
      const sum = y.map((value, i) => value + other[i]!);
      expect(sum.some((value) => value < 0)).toBe(true);
      const found = written((ptr) =>
        kernels.normalizeAddF32(xPtr, otherPtr, ptr, ...shape, coefficientsPtr),
      );
      expect(found).toEqual(sum);
      const foundRelu = written((ptr) =>
        kernels.normalizeAddReluF32(xPtr, otherPtr, ptr, ...shape, coefficientsPtr),
      );
      expect(foundRelu).toEqual(sum.map((value) => Math.max(value, 0)));
    },
  );

  it('normalizeF32 gives a row the same bits alone and among others', () => {
    const [rows, channels] = [700, 13];
    const x = testValues(rows * channels);
    const coefficientsPtr = fixture.place(Float64Array.from(testValues(4 * channels, 2, 7)));
    const [xPtr, yPtr] = [fixture.place(x), fixture.reserve(x.length)];
    kernels.normalizeF32(xPtr, yPtr, rows, channels, coefficientsPtr);
    for (const row of [0, 1, 314, 315, 316, 699]) {
      const alonePtr = fixture.reserve(channels);
      kernels.normalizeF32(xPtr + row * channels * 4, alonePtr, 1, channels, coefficientsPtr);
      const amongPtr = yPtr + row * channels * 4;
      expect(fixture.f32(alonePtr, channels)).toEqual(fixture.f32(amongPtr, channels));
    }
  });
});
