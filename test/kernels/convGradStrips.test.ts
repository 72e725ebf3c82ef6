import { describe, expect, it } from 'vitest';
import { convOutputSizeRef } from '../../src/kernels/reference/conv.ts';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';
import { GEOMETRIES, optionsOf } from './convShapes.ts';

describe.each(BUILDS)('a weight gradient from packed strips, %s build', (build) => {
  const fixture = createFixture(build, 64);
  it.each([
    // More pixels than a strip has and more rows than are packed at once; parts of a row.
    { size: [19, 21], channels: [32, 48] },
    { size: [3, 103], channels: [16, 160] },
  ] as const)('has the bits of the direct one, %o', ({ size, channels: [inner, outer] }) => {
    fixture.reset();
    const o = optionsOf({ ...GEOMETRIES[0]!, size }, inner, outer);
    const [outHeight, outWidth] = convOutputSizeRef(o);
    const [rows, inBytes, outBytes] = [9 * inner, inner * 4, outer * 4];
    const xPtr = fixture.place(testValues(o.height * o.width * inner, 2, 1));
    const dyPtr = fixture.place(testValues(outHeight * outWidth * outer, 1, 4));
    const start = testValues(rows * outer, 1, 9);
    const floats = 224 * (16 + Math.min(256, rows));
    const scratchPtr = fixture.reserve(floats);
    const weightGrad = (accumulate: number, stripsPtr: number): Float32Array => {
      const gradPtr = fixture.place(start);
      fixture.kernels.convWeightGradTilesF32(
        xPtr,
        ...([o.width * inBytes, inBytes, 3, o.width * inBytes, 3, inBytes, inner] as const),
        ...([dyPtr, outWidth * outBytes, outBytes, outHeight, outWidth, outer] as const),
        ...([gradPtr, outBytes, accumulate, stripsPtr] as const),
      );
      return fixture.f32(gradPtr, rows * outer);
    };
    for (const accumulate of [0, 1]) {
      expect(weightGrad(accumulate, scratchPtr)).toEqual(weightGrad(accumulate, 0));
    }
    const scratch = fixture.f32(scratchPtr, floats + 1);
    expect(scratch[0]).not.toBeNaN();
    expect(scratch[floats]).toBeNaN();
  });
});
