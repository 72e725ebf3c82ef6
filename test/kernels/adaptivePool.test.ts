// Pools to a given size against their twins over sizes and channel counts, with ties.

import { beforeEach, describe, expect, it } from 'vitest';
import * as ref from '../../src/kernels/reference/adaptivePool.ts';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';

/** From height and width, to height and width: dividing, overlapping, and enlarging. */
const SIZES = [
  [6, 4, 3, 2],
  [7, 5, 3, 4],
  [2, 3, 5, 1],
  [4, 5, 1, 1],
] as const;
const GRID = SIZES.flatMap(([height, width, outHeight, outWidth]) =>
  [1, 4, 7].map((channels) => ({
    ...{ countSamples: 2, height, width, channels, outHeight, outWidth },
  })),
);

describe.each(BUILDS)('adaptive pool kernels, %s build', (build) => {
  const fixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  it.each(GRID)('equal their twins, %o', (o) => {
    const sizes = [o.countSamples, o.height, o.width, o.channels, o.outHeight, o.outWidth] as const;
    const inLength = o.countSamples * o.height * o.width * o.channels;
    const outLength = o.countSamples * o.outHeight * o.outWidth * o.channels;
    const floats = (length: number, write: (ptr: number) => void): Float32Array => {
      const ptr = fixture.reserve(length);
      write(ptr);
      expect(fixture.f32(ptr, length + 1)[length]).toBeNaN();
      return fixture.f32(ptr, length);
    };
    const x = testValues(inLength);
    // Few distinct values, so that there are ties.
    const tied = x.map(Math.round);
    const dy = testValues(outLength, 1, 3);
    const [y, dx] = [new Float32Array(outLength), new Float32Array(inLength)];
    ref.adaptiveAvgPool2dRef(y, x, o);
    ref.adaptiveAvgPool2dGradRef(dx, dy, o);
    const xPtr = fixture.place(x);
    const dyPtr = fixture.place(dy);
    expect(floats(outLength, (ptr) => kernels.adaptiveAvgPool2dF32(xPtr, ptr, ...sizes))).toEqual(
      y,
    );
    expect(
      floats(inLength, (ptr) => kernels.adaptiveAvgPool2dGradF32(dyPtr, ptr, ...sizes)),
    ).toEqual(dx);
    const index = new Int32Array(outLength);
    ref.adaptiveMaxPool2dRef(y, index, tied, o);
    const indexPtr = fixture.reserve(outLength);
    const tiedPtr = fixture.place(tied);
    const maxima = floats(outLength, (ptr) =>
      kernels.adaptiveMaxPool2dF32(tiedPtr, ptr, indexPtr, ...sizes),
    );
    expect(maxima.map((v) => v + 0)).toEqual(y.map((v) => v + 0));
    expect(fixture.i32(indexPtr, outLength)).toEqual(index);
    expect(fixture.i32(indexPtr, outLength + 1)[outLength]).toBe(-1);
  });
});
