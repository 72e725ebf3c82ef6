// Kernels process several vectors per iteration, then single ones, then the rest: the bits of a
// channel or element do not depend on its position or on the number of its neighbors.

import { beforeEach, describe, expect, it } from 'vitest';
import { gradCoefficientsLength } from '../../src/norm/coefficients.ts';
import { createFixture, MODES, testValues } from '../support/kernelFixture.ts';

/** Beyond one iteration of the widest loop. */
const MOST_CHANNELS = 37;
/** Whole blocks of rows, a part of one, and a rest of single rows. */
const ROWS = 153;
/** Fewer channels are summed differently. */
const MIN_CHANNELS = 16;
const WIDEST_TURN = 16;
const EPS = 1e-5;

interface Passes {
  readonly elements: Readonly<Record<string, Float32Array>>;
  readonly sums: Readonly<Record<string, Float64Array>>;
}

describe.each(MODES)('tails, %s build', (mode) => {
  const fixture = createFixture(mode);
  const { kernels } = fixture;
  beforeEach(() => fixture.reset());

  /** All passes over the first channels of tensors of {@link MOST_CHANNELS}. */
  function passesOf(channels: number): Passes {
    const length = ROWS * channels;
    const firstOf = (stream: number): Float32Array => {
      const all = testValues(ROWS * MOST_CHANNELS, 3, stream);
      return all.filter((_, i) => i % MOST_CHANNELS < channels);
    };
    const [xPtr, dyPtr] = [fixture.place(firstOf(1)), fixture.place(firstOf(2))];
    const momentsPtr = fixture.reserve(1 + 2 * channels, 8);
    const coefficientsPtr = fixture.reserve(4 * channels, 8);
    kernels.momentsF32(xPtr, ROWS, channels, coefficientsPtr, momentsPtr);
    const meanPtr = momentsPtr + 8;
    const m2Ptr = meanPtr + 8 * channels;
    const set = [channels, EPS, 0, 0, coefficientsPtr] as const;
    kernels.batchNormCoefficients(meanPtr, m2Ptr, momentsPtr, ...set);
    const gradPtr = fixture.reserve(gradCoefficientsLength(channels), 8);
    // These depend only on each channel's own numbers; sums of few channels do not.
    const constantsPtr = fixture.place(new Float64Array(2 * channels).fill(0.7));
    kernels.batchNormGradCoefficients(constantsPtr, momentsPtr, channels, coefficientsPtr, gradPtr);
    const shape = [ROWS, channels, coefficientsPtr] as const;
    const floats = (write: (ptr: number) => void): Float32Array => {
      const ptr = fixture.reserve(length);
      write(ptr);
      expect(fixture.f32(ptr, length + 1)[length]).toBeNaN();
      return fixture.f32(ptr, length).slice();
    };
    const doubles = (write: (ptr: number) => void): Float64Array => {
      const ptr = fixture.reserve(2 * channels, 8);
      write(ptr);
      expect(fixture.f64(ptr, 2 * channels + 1)[2 * channels]).toBeNaN();
      return fixture.f64(ptr, 2 * channels).slice();
    };
    const scratchPtr = fixture.reserve(gradCoefficientsLength(channels), 8);
    return {
      elements: {
        y: floats((ptr) => kernels.normalizeF32(xPtr, ptr, ...shape)),
        reluY: floats((ptr) => kernels.normalizeReluF32(xPtr, ptr, ...shape)),
        sum: floats((ptr) => kernels.normalizeAddF32(xPtr, dyPtr, ptr, ...shape)),
        reluSum: floats((ptr) => kernels.normalizeAddReluF32(xPtr, dyPtr, ptr, ...shape)),
        dx: floats((ptr) => kernels.normInputGradF32(xPtr, dyPtr, ptr, ROWS, channels, gradPtr)),
        reluDx: floats((ptr) => kernels.normReluInputGradF32(xPtr, dyPtr, ptr, ...shape, gradPtr)),
      },
      sums: {
        moments: fixture.f64(meanPtr, 2 * channels).slice(),
        sums: doubles((ptr) => kernels.normGradSumsF32(xPtr, dyPtr, ...shape, scratchPtr, ptr)),
        reluSums: doubles((ptr) =>
          kernels.normReluGradSumsF32(xPtr, dyPtr, ...shape, scratchPtr, ptr),
        ),
      },
    };
  }

  it('norm passes give a channel the same bits next to 0 to 36 others', () => {
    const most = passesOf(MOST_CHANNELS);
    for (let channels = MIN_CHANNELS; channels < MOST_CHANNELS; channels++) {
      fixture.reset();
      const { elements, sums } = passesOf(channels);
      for (const [name, values] of Object.entries(elements)) {
        const expected = most.elements[name]!.filter((_, i) => i % MOST_CHANNELS < channels);
        expect(values, `${name} of ${channels}`).toEqual(expected);
      }
      for (const [name, values] of Object.entries(sums)) {
        const expected = most.sums[name]!.filter((_, i) => i % MOST_CHANNELS < channels);
        expect(values, `${name} of ${channels}`).toEqual(expected);
      }
    }
  });

  it('norm passes with an active relu match those without, with 1 to 15 channels', () => {
    for (let channels = 1; channels < MIN_CHANNELS; channels++) {
      fixture.reset();
      const { elements } = passesOf(channels);
      const { y, reluY, dx, reluDx } = elements as Record<string, Float32Array>;
      expect(reluY).toEqual(y!.map((value) => Math.max(value, 0)));
      for (const [i, value] of y!.entries()) if (value > 0) expect(reluDx![i]).toBe(dx![i]);
    }
  });

  it('relu turns -0 into 0, and keeps NaN, in whole vectors and in the rest', () => {
    for (let length = 1; length <= 2 * WIDEST_TURN; length++) {
      fixture.reset();
      const x = Float32Array.from({ length }, (_, i) => [-0, Number.NaN, -1, 1, 0][i % 5]!);
      const expected = Array.from(x, (value) => Math.max(value, 0));
      const xPtr = fixture.place(x);
      const yPtr = fixture.reserve(length);
      kernels.reluF32(xPtr, yPtr, length);
      expect(Array.from(fixture.f32(yPtr, length))).toEqual(expected);
      kernels.addReluF32(yPtr, xPtr, fixture.place(new Float32Array(length).fill(-0)), length);
      expect(Array.from(fixture.f32(yPtr, length + 1))).toEqual([...expected, Number.NaN]);
    }
  });
});
