import { beforeEach, describe, expect, it } from 'vitest';
import { preluGradRef, preluRef } from '../../src/kernels/reference/prelu.ts';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';

const CHANNELS = [1, 3, 4, 7, 8, 9, 21];
/** More than one band of rows, and none. */
const ROWS = [0, 1, 16, 37];

describe.each(BUILDS)('prelu kernels, %s build', (build) => {
  const fixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  it.each(CHANNELS)('equal their twins for %d channels, and write no more', (channels) => {
    for (const rows of ROWS) {
      fixture.reset();
      const n = rows * channels;
      const [x, dy] = [testValues(n), testValues(n, 1, 2)];
      const slopes = testValues(channels, 1, 3);
      const [xPtr, dyPtr, slopesPtr] = [x, dy, slopes].map(fixture.place) as [
        number,
        number,
        number,
      ];
      const [yPtr, dxPtr] = [fixture.reserve(n + 1), fixture.reserve(n + 1)];
      const sumsPtr = fixture.reserve(channels + 1, 8);
      kernels.preluF32(xPtr, yPtr, rows, channels, slopesPtr);
      kernels.preluGradF32(dyPtr, xPtr, dxPtr, rows, channels, slopesPtr);
      kernels.preluSlopeSumsF32(dyPtr, xPtr, rows, channels, sumsPtr);
      const { dx, dslopes } = preluGradRef(dy, x, slopes);
      const ended = (values: Float64Array) => Float32Array.of(...values, Number.NaN);
      expect(fixture.f32(yPtr, n + 1)).toEqual(ended(preluRef(x, slopes)));
      expect(fixture.f32(dxPtr, n + 1)).toEqual(ended(dx));
      expect(fixture.f64(sumsPtr, channels + 1)).toEqual(Float64Array.of(...dslopes, Number.NaN));
    }
  });

  it('work in place', () => {
    const [x, slopes] = [testValues(3 * 13), testValues(13, 1, 3)];
    const [xPtr, slopesPtr] = [fixture.place(x), fixture.place(slopes)];
    kernels.preluF32(xPtr, xPtr, 3, 13, slopesPtr);
    expect(fixture.f32(xPtr, 39)).toEqual(Float32Array.from(preluRef(x, slopes)));
  });
});
