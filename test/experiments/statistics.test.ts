import { describe, expect, it } from 'vitest';
import {
  intervalOf,
  pairedDifference,
  showInterval,
  studentQuantile,
  verdictOf,
} from '../../src/experiments/engine/statistics.ts';

describe('studentQuantile', () => {
  // From printed tables of the distribution.
  it.each([
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [4, 2.776],
    [5, 2.571],
    [9, 2.262],
    [10, 2.228],
    [29, 2.045],
    [120, 1.98],
  ])('matches the tables for %i degrees of freedom', (freedom, t) => {
    expect(studentQuantile(0.975, freedom)).toBeCloseTo(t, 3);
  });

  it('comes close to the normal quantile', () => {
    expect(studentQuantile(0.975, 100_000)).toBeCloseTo(1.95996, 4);
  });
});

describe('intervalOf', () => {
  it('is the mean with t times the standard error', () => {
    const { mean, halfWidth, count } = intervalOf([1, 2, 3]);
    expect([mean, count]).toEqual([2, 3]);
    expect(halfWidth).toBeCloseTo(4.30265 / Math.sqrt(3), 4);
  });

  it('has no width for one value, and no mean for none', () => {
    expect(intervalOf([5])).toEqual({ mean: 5, halfWidth: Number.NaN, count: 1 });
    expect(intervalOf([]).mean).toBeNaN();
  });
});

describe('pairedDifference', () => {
  it('leaves out what both have in common', () => {
    expect(pairedDifference([11, 22, 33], [1, 12, 23])).toEqual({
      mean: 10,
      halfWidth: 0,
      count: 3,
    });
  });

  it('refuses lists of different lengths', () => {
    expect(() => pairedDifference([1, 2], [1])).toThrow(/values to compare with/);
  });
});

describe('verdictOf', () => {
  const at = (mean: number, halfWidth: number) => ({ mean, halfWidth, count: 3 });

  it('confirms and refutes only if the interval is entirely on one side', () => {
    expect(verdictOf(at(1, 0.9), 'above')).toBe('confirmed');
    expect(verdictOf(at(1, 1.1), 'above')).toBe('inconclusive');
    expect(verdictOf(at(-1, 0.9), 'above')).toBe('refuted');
    expect(verdictOf(at(-1, 0.9), 'below')).toBe('confirmed');
    expect(verdictOf(at(1, 0.9), 'below')).toBe('refuted');
  });

  it('compares with the smallest claimed difference', () => {
    expect(verdictOf(at(2, 0.5), 'above', 1)).toBe('confirmed');
    expect(verdictOf(at(2, 0.5), 'above', 2.2)).toBe('inconclusive');
    expect(verdictOf(at(0.5, 0.2), 'below', 1)).toBe('confirmed');
  });

  it('is inconclusive without an interval', () => {
    expect(verdictOf(at(1, Number.NaN), 'above')).toBe('inconclusive');
  });
});

describe('showInterval', () => {
  it('shows the unit once, and no interval if there is none', () => {
    expect(showInterval(intervalOf([1, 1]), 1, '%')).toBe('1.0 +- 0.0 %');
    expect(showInterval(intervalOf([0.25]))).toBe('0.250');
  });
});
