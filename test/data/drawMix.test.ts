// Which samples are mixed, and how.

import { describe, expect, it } from 'vitest';
import { expInPlace } from '../../src/base/random.ts';
import { bindMixDraw, type Mix } from '../../src/data/loading/drawMix.ts';

const SHAPE = [8, 6, 3];
const plain = { maxShift: 0, flip: false };
const room = (): Mix => ({
  ...{ partner: 0, share: Float64Array.of(1), isCut: false },
  ...{ top: 0, bottom: 0, left: 0, right: 0 },
});

function drawn(plan: { mixup?: number; cutmix?: number }, count: number, batch = 5): Mix[] {
  const draw = bindMixDraw({ ...plain, ...plan }, 3, SHAPE);
  return Array.from({ length: count }, (_, i) => {
    const mix = room();
    draw(mix, Math.floor(i / batch), i % batch, batch);
    return mix;
  });
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a mix', () => {
  it.each([0.05, 0.4, 1, 8])('has shares from Beta(alpha, alpha), alpha %d', (alpha) => {
    const shares = drawn({ mixup: alpha }, 20_000).map(({ share }) => share[0]!);
    for (const share of shares) expect(share >= 0 && share <= 1).toBe(true);
    const variance = 1 / (4 * (2 * alpha + 1));
    // Standard errors of the mean, and at most that of a variance of values from 0 to 1.
    expect(Math.abs(mean(shares) - 0.5)).toBeLessThan(4 * Math.sqrt(variance / 20_000));
    const found = mean(shares.map((share) => (share - 0.5) ** 2));
    expect(Math.abs(found - variance)).toBeLessThan(0.25 * variance ** 0.5 * 4 * 20_000 ** -0.5);
  });

  it('is equally often with each other sample of the batch, never with itself', () => {
    const counts = new Array<number>(25).fill(0);
    for (const [i, { partner }] of drawn({ mixup: 1 }, 20_000).entries()) {
      counts[(i % 5) * 5 + partner]!++;
    }
    for (const [i, count] of counts.entries()) {
      if (i % 6 === 0) expect(count).toBe(0);
      else expect(Math.abs(count - 1000)).toBeLessThan(4 * Math.sqrt(750));
    }
  });

  it('does not change a single sample', () => {
    expect(drawn({ mixup: 1 }, 1, 1)).toEqual([room()]);
  });

  it('cuts boxes within the image, and shares by their area', () => {
    for (const { isCut, top, bottom, left, right, share } of drawn({ cutmix: 1 }, 500)) {
      expect(isCut).toBe(true);
      expect(top >= 0 && top <= bottom && bottom <= 8).toBe(true);
      expect(left >= 0 && left <= right && right <= 6).toBe(true);
      expect(share[0]).toBe(1 - ((bottom - top) * (right - left)) / 48);
    }
  });

  it('is one or the other with equal probability if both are on', () => {
    const cut = drawn({ mixup: 1, cutmix: 1 }, 4000).filter(({ isCut }) => isCut).length;
    expect(Math.abs(cut - 2000)).toBeLessThan(4 * Math.sqrt(1000));
  });
});

describe('expInPlace', () => {
  it('is e^x to a few ulp for each unit of x, for x of at most 0', () => {
    const exp = (x: number): number => {
      const numbers = Float64Array.of(x);
      expInPlace(numbers, 0);
      return numbers[0]!;
    };
    for (let x = 0; x > -650; x = x * 1.07 - 1e-3) {
      expect(Math.abs(exp(x) / Math.exp(x) - 1)).toBeLessThan(4.5e-16 * (1 + -x));
    }
    expect(exp(0)).toBe(1);
    expect(exp(Number.NEGATIVE_INFINITY)).toBe(0);
  });
});
