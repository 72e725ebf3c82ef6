import { describe, expect, it } from 'vitest';
import { BUILDS, createFixture } from '../support/kernelFixture.ts';

const BAD = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
/** The largest of float32, the smallest, and zeros of both signs. */
const GOOD = [3.4028234663852886e38, -3.4028234663852886e38, 1.401298464324817e-45, 0, -0];

describe.each(BUILDS)('allFiniteF32, %s', (build) => {
  const { kernels, place, reset } = createFixture(build, 2);

  it('finds a bad number at every position of every length, and none past the end', () => {
    for (let n = 0; n <= 70; n++) {
      reset();
      const values = Float32Array.from({ length: n }, (_, i) => GOOD[i % GOOD.length]!);
      expect(kernels.allFiniteF32(place(values), n)).toBe(1);
      for (let at = 0; at < n; at++) {
        reset();
        const bad = values.slice();
        bad[at] = BAD[at % BAD.length]!;
        expect(kernels.allFiniteF32(place(bad), n), `${at} of ${n}`).toBe(0);
      }
    }
  });
});
