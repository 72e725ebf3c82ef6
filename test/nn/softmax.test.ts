import { beforeEach, describe, expect, it } from 'vitest';
import { softmaxGradRef, softmaxRef } from '../../src/kernels/reference/softmax.ts';
import { softmaxKind } from '../../src/nn/layers/softmaxKind.ts';
import { softmax } from '../../src/nn/specs/activations.ts';
import { BUILDS, createFixture, testValues, ulps32 } from '../support/kernelFixture.ts';
import { describeGolden } from '../support/layers/golden.ts';
import { describeReference, ROUNDED_ONCE } from '../support/layers/proofs.ts';

const COLUMNS = [1, 2, 3, 4, 5, 8, 13, 514];
const ROWS = 3;

describe('softmax', () => {
  describeGolden([softmaxKind]);
  describeReference(
    [
      { name: 'features', spec: softmax(), inputShape: [11] },
      { name: 'channels of images', spec: softmax(), inputShape: [2, 3, 5] },
    ],
    ROUNDED_ONCE,
  );
});

describe.each(BUILDS)('softmax kernels, %s build', (build) => {
  const fixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  function forward(x: Float32Array, columns: number, inPlace = false): Float32Array {
    const xPtr = fixture.place(x);
    const yPtr = inPlace ? xPtr : fixture.reserve(x.length);
    const scratchPtr = fixture.reserve(Math.ceil(columns / 4) * 4, 8);
    kernels.softmaxF32(xPtr, yPtr, x.length / columns, columns, scratchPtr);
    expect(fixture.f32(yPtr, x.length + 1)[x.length]).toBeNaN();
    return fixture.f32(yPtr, x.length);
  }

  it.each(COLUMNS)('equal their twins for rows of %d, in place too', (columns) => {
    const x = testValues(ROWS * columns, 8);
    const y = forward(x, columns).slice();
    for (const [i, exact] of softmaxRef(x, columns).entries()) {
      expect(ulps32(y[i]!, Math.fround(exact))).toBeLessThanOrEqual(1);
    }
    expect(forward(x, columns, true)).toEqual(y);
    const dy = testValues(x.length, 1, 3);
    const dyPtr = fixture.place(dy);
    const yPtr = fixture.place(y);
    for (const dxPtr of [fixture.reserve(x.length), dyPtr]) {
      kernels.softmaxGradF32(dyPtr, yPtr, dxPtr, ROWS, columns);
      const dx = fixture.f32(dxPtr, x.length + 1);
      for (const [i, exact] of softmaxGradRef(dy, y, columns).entries()) {
        // The sum may cancel dy.
        expect(Math.abs(dx[i]! - exact)).toBeLessThanOrEqual(2 ** -24 * Math.abs(exact) + 1e-15);
      }
      expect(dx[x.length]).toBeNaN();
    }
  });

  it('handle large numbers, and map -infinity to 0', () => {
    const x = Float32Array.of(3e38, 3e38, -3e38, -Infinity, -3e38);
    expect(forward(x, 5)).toEqual(Float32Array.of(0.5, 0.5, 0, 0, 0));
  });

  it.each([Number.NaN, Infinity])('turn only the row of a %d into NaN', (bad) => {
    const x = testValues(15);
    const clean = forward(x, 5).slice();
    x[7] = bad;
    const y = forward(x, 5);
    for (const [i, value] of y.entries()) {
      expect(value).toBe(Math.floor(i / 5) === 1 ? Number.NaN : clean[i]);
    }
    expect(forward(new Float32Array(3).fill(-Infinity), 3)).toEqual(new Float32Array(3).fill(NaN));
  });
});
