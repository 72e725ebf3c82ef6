// Kernels of products against their twins, over lengths and channel counts.

import { beforeEach, describe, expect, it } from 'vitest';
import * as ref from '../../src/kernels/reference/joins.ts';
import { BUILDS, createFixture, testValues } from '../support/kernelFixture.ts';

describe.each(BUILDS)('kernels of joins, %s build', (build) => {
  const fixture = createFixture(build, 8);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  it.each([0, 1, 3, 8, 13, 64, 1001])('multiply %d elements', (n) => {
    const [a, b] = [testValues(n, 2, 1), testValues(n, 2, 2)];
    const yPtr = fixture.reserve(n + 1);
    kernels.multiplyF32(fixture.place(a), fixture.place(b), yPtr, n);
    expect(fixture.f32(yPtr, n)).toEqual(ref.multiply(a, b));
    // The one behind the end is not written.
    expect(fixture.f32(yPtr, n + 1)[n]).toBeNaN();
  });

  it.each([1, 3, 4, 8, 13, 24])('gate %d channels', (channels) => {
    const options = { countSamples: 3, countPixels: 7, channels };
    const [x, dy] = [testValues(21 * channels, 2, 1), testValues(21 * channels, 2, 2)];
    const g = testValues(3 * channels, 2, 3);
    const [yPtr, dgPtr] = [fixture.reserve(x.length), fixture.reserve(g.length + 1)];
    const xPtr = fixture.place(x);
    const sizes = [options.countSamples, options.countPixels, channels] as const;
    kernels.gateF32(xPtr, fixture.place(g), yPtr, ...sizes);
    expect(fixture.f32(yPtr, x.length)).toEqual(ref.gate(x, g, options));
    kernels.gateGradF32(fixture.place(dy), xPtr, dgPtr, ...sizes);
    expect(fixture.f32(dgPtr, g.length)).toEqual(ref.gateGrad(dy, x, options));
    expect(fixture.f32(dgPtr, g.length + 1)[g.length]).toBeNaN();
  });
});
