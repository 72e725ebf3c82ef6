import { describe, expect, it } from 'vitest';
import { quantile, summarize } from '../../bench/stats.ts';

const HUNDRED = Array.from({ length: 100 }, (_, i) => i + 1);

describe('a quantile', () => {
  it.each([
    { values: [7], share: 0.5, expected: 7 },
    { values: [1, 2], share: 0.5, expected: 1 },
    { values: [1, 2, 3], share: 0.5, expected: 2 },
    { values: [1, 2, 3], share: 0.99, expected: 3 },
    { values: HUNDRED, share: 0.99, expected: 99 },
    { values: HUNDRED, share: 0, expected: 1 },
    { values: HUNDRED, share: 1, expected: 100 },
  ])('of $values.length values at $share is the value $expected', (given) => {
    expect(quantile(given.values, given.share)).toBe(given.expected);
  });
});

describe('a summary', () => {
  it('does not depend on the order of the values, and does not change them', () => {
    const values = [10, 9, 100, 1];
    expect(summarize(values)).toEqual({ min: 1, p50: 9, p99: 100 });
    expect(values).toEqual([10, 9, 100, 1]);
  });
});
