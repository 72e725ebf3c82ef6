// Upsampling kernels against their twins over sizes and channel counts, and as adjoints.

import { beforeEach, describe, expect, it } from 'vitest';
import {
  type UpsampleRefOptions,
  upsampleGradRef,
  upsampleRef,
} from '../../src/kernels/reference/upsample.ts';
import { BUILDS, createFixture, testValues, ulps32 } from '../support/kernelFixture.ts';

/** From height and width, to height and width. */
const SIZES = [
  [3, 4, 6, 8],
  [2, 5, 6, 5],
  [3, 4, 7, 5],
  [5, 6, 3, 2],
  [1, 1, 3, 4],
  [4, 3, 1, 9],
] as const;
const CHANNELS = [1, 4, 7];
const WAYS = [
  ['nearest', false],
  ['bilinear', false],
  ['bilinear', true],
] as const;

const GRID = WAYS.flatMap(([mode, alignCorners]) =>
  SIZES.flatMap(([height, width, outHeight, outWidth]) =>
    CHANNELS.map((channels) => ({
      countSamples: 2,
      ...{ height, width, channels, outHeight, outWidth, mode, alignCorners },
    })),
  ),
);

describe.each(BUILDS)('upsampling kernels, %s build', (build) => {
  const fixture = createFixture(build, 16);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  function run(o: UpsampleRefOptions, from: Float32Array, length: number, isGradient: boolean) {
    const toPtr = fixture.reserve(length);
    const nearest = isGradient ? kernels.upsampleNearestGradF32 : kernels.upsampleNearestF32;
    const bilinear = isGradient ? kernels.upsampleBilinearGradF32 : kernels.upsampleBilinearF32;
    const sizes = [o.height, o.width, o.channels, o.outHeight, o.outWidth] as const;
    const fromPtr = fixture.place(from);
    if (o.mode === 'nearest') nearest(fromPtr, toPtr, o.countSamples, ...sizes);
    else bilinear(fromPtr, toPtr, o.countSamples, ...sizes, Number(o.alignCorners));
    expect(fixture.f32(toPtr, length + 1)[length]).toBeNaN();
    return fixture.f32(toPtr, length);
  }

  it.each(GRID)('equal their twins, %o', (o) => {
    const inLength = o.countSamples * o.height * o.width * o.channels;
    const outLength = o.countSamples * o.outHeight * o.outWidth * o.channels;
    const [x, dy] = [testValues(inLength), testValues(outLength, 1, 3)];
    const y = upsampleRef(x, o);
    const dx = upsampleGradRef(dy, o);
    for (const [found, exact] of [
      [run(o, x, outLength, false), y],
      [run(o, dy, inLength, true), dx],
    ] as const) {
      // The order of a sum in float64 is not that of the twin.
      const worst = found.reduce((most, v, i) => Math.max(most, ulps32(v, exact[i]!, 4)), 0);
      expect(worst).toBeLessThanOrEqual(0.51);
    }
  });
});
