import { describe, expect, it } from 'vitest';
import {
  bindDiagnosis,
  CONDITIONING,
  COUNT,
  DEAD_SHARE,
  DEAD_VARIANCE_SHARE,
  DIAGNOSTICS_LENGTH,
  MEAN_SHIFT,
  NON_FINITE,
  VARIANCE_FACTOR,
  VARIANCE_RATIO,
} from '../../src/norm/diagnostics.ts';

const EPS = 1e-3;

interface Moments {
  readonly count: number;
  readonly means: readonly number[];
  readonly variances: readonly number[];
}

function diagnose(shard: Moments, group: Moments): Float64Array {
  const channels = shard.means.length;
  const vector = ({ count, means, variances }: Moments): number[] => [
    count,
    ...means,
    ...variances.map((variance) => variance * count),
  ];
  const both = [...vector(shard), ...vector(group)];
  const numbers = Float64Array.from([...both, ...new Array<number>(DIAGNOSTICS_LENGTH).fill(-1)]);
  bindDiagnosis(numbers, channels, EPS)(0, both.length / 2, both.length);
  return numbers.subarray(both.length);
}

describe('the diagnosis of a shard', () => {
  it('is shift zero and factor one if the shard is the group', () => {
    const group = { count: 4, means: [3, -7], variances: [2, 5] };
    const found = diagnose(group, group);
    expect(found[COUNT]).toBe(4);
    expect(found[MEAN_SHIFT]).toBe(0);
    expect(found[VARIANCE_RATIO]).toBe(1);
    expect(found[VARIANCE_FACTOR]).toBe(1);
    expect(found[CONDITIONING]).toBeCloseTo(7 / Math.sqrt(5), 14);
    expect(found[DEAD_SHARE]).toBe(0);
    expect(found[NON_FINITE]).toBe(0);
  });

  it('measures shifts in standard deviations of the group, as root mean square', () => {
    const std = Math.sqrt(4 + EPS);
    const shard = { count: 8, means: [3 * std, 1 - 4 * std], variances: [4, 4] };
    const found = diagnose(shard, { count: 16, means: [0, 1], variances: [4, 4] });
    expect(found[MEAN_SHIFT]).toBeCloseTo(Math.sqrt((9 + 16) / 2), 14);
  });

  it('lets opposite variance ratios cancel in the ratio but not in the factor', () => {
    const up = 4 * (1 + EPS) - EPS;
    const down = (1 + EPS) / 4 - EPS;
    const group = { count: 16, means: [0, 0], variances: [1, 1] };
    const found = diagnose({ count: 8, means: [0, 0], variances: [up, down] }, group);
    expect(found[VARIANCE_RATIO]).toBeCloseTo(1, 14);
    expect(found[VARIANCE_FACTOR]).toBeCloseTo(4, 14);
    const both = diagnose({ count: 8, means: [0, 0], variances: [down, down] }, group);
    expect(both[VARIANCE_RATIO]).toBeCloseTo(1 / 4, 14);
    expect(both[VARIANCE_FACTOR]).toBeCloseTo(4, 13);
  });

  it('counts channels with almost no variance as dead and leaves them out otherwise', () => {
    const edge = DEAD_VARIANCE_SHARE * EPS;
    const found = diagnose(
      { count: 1 << 20, means: [9, 9, 9, 1], variances: [0, 0, 0, 1] },
      { count: 1 << 20, means: [0, 5, 5, 1], variances: [0, edge, edge * 1.01, 1] },
    );
    expect(found[DEAD_SHARE]).toBe(2 / 4);
    const shift = 4 / Math.sqrt(edge * 1.01 + EPS);
    expect(found[MEAN_SHIFT]).toBeCloseTo(shift / Math.SQRT2, 10);
    expect(found[CONDITIONING]).toBeCloseTo(5 / Math.sqrt(edge * 1.01), 8);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'counts a channel with %d where it occurs, and leaves it out elsewhere',
    (bad) => {
      const group = { count: 8, means: [0, bad], variances: [1, Number.NaN] };
      const source = diagnose({ count: 4, means: [0, bad], variances: [1, Number.NaN] }, group);
      const other = diagnose({ count: 4, means: [0, 2], variances: [1, 3] }, group);
      expect(source[NON_FINITE]).toBe(1);
      expect(other[NON_FINITE]).toBe(0);
      for (const found of [source, other]) {
        expect(found[MEAN_SHIFT]).toBe(0);
        expect(found[VARIANCE_FACTOR]).toBe(1);
      }
    },
  );

  it('reports nothing for an empty shard, and no variance for one value', () => {
    const group = { count: 8, means: [0], variances: [1] };
    const empty = diagnose({ count: 0, means: [0], variances: [0] }, group);
    expect([...empty.subarray(0, NON_FINITE + 1)]).toEqual([0, ...Array(5).fill(Number.NaN), 0]);
    const single = diagnose({ count: 1, means: [2], variances: [0] }, group);
    expect(single[MEAN_SHIFT]).toBeCloseTo(2 / Math.sqrt(1 + EPS), 14);
    expect(single[VARIANCE_RATIO]).toBeNaN();
    expect(single[VARIANCE_FACTOR]).toBeNaN();
    expect(single[DEAD_SHARE]).toBe(0);
  });
});
