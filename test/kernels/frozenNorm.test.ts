import { beforeEach, describe, expect, it } from 'vitest';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';

describe.each(BUILDS)('scaleRowsF32, %s build', (build) => {
  const fixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  it.each([1, 3, 4, 5, 8, 13])('multiplies rows of %d channels, even in place', (channels) => {
    const rows = 7;
    const x = testValues(rows * channels);
    const scale = Float64Array.from(testValues(channels, 3, 2), (value) => value / 3);
    const [xPtr, yPtr] = [fixture.place(x), fixture.reserve(x.length)];
    const scalePtr = fixture.place(scale);
    const exact = x.map((value, i) => Math.fround(value * scale[i % channels]!));
    kernels.scaleRowsF32(xPtr, yPtr, rows, channels, scalePtr);
    expect(fixture.f32(yPtr, x.length)).toEqual(exact);
    expect(fixture.f32(yPtr, x.length + 1)[x.length]).toBeNaN();
    kernels.scaleRowsF32(xPtr, xPtr, rows, channels, scalePtr);
    expect(fixture.f32(xPtr, x.length)).toEqual(exact);
  });
});
