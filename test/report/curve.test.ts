import { describe, expect, it } from 'vitest';
import { Curve } from '../../src/report/curve.ts';

function filled(count: number, y: (x: number) => number, capacity?: number): Curve {
  const curve = new Curve(capacity);
  for (let x = 1; x <= count; x++) curve.add(x, y(x));
  return curve;
}

describe('Curve', () => {
  it('keeps all points while there is room', () => {
    expect(filled(3, (x) => x * x).points()).toEqual([
      { x: 1, y: 1 },
      { x: 2, y: 4 },
      { x: 3, y: 9 },
    ]);
  });

  it('averages neighbors each time it is full', () => {
    expect(filled(8, (x) => x, 8).points()).toEqual([
      { x: 2, y: 1.5 },
      { x: 4, y: 3.5 },
      { x: 6, y: 5.5 },
      { x: 8, y: 7.5 },
    ]);
    const long = filled(1_000_000, (x) => x, 100);
    expect(long.length).toBeLessThan(100);
    expect(long.length).toBeGreaterThanOrEqual(50);
    for (const { x, y } of long.points()) expect(Math.abs(x - y)).toBeLessThan(1_000_000 / 50);
  });

  it('counts values that are not finite and leaves them out', () => {
    const curve = filled(4, (x) => [1, Number.NaN, Number.POSITIVE_INFINITY, 2][x - 1]!);
    expect(curve.countNotFinite).toBe(2);
    expect(curve.points().map(({ x }) => x)).toEqual([1, 4]);
  });

  it('keeps a peak if it is thinned for drawing', () => {
    const curve = filled(10_000 - 1, (x) => (x === 7777 ? 50 : x === 3333 ? -50 : 0));
    const drawn = curve.points(100);
    expect(drawn.length).toBeLessThanOrEqual(100);
    expect(drawn).toContainEqual({ x: 7777, y: 50 });
    expect(drawn).toContainEqual({ x: 3333, y: -50 });
    const xs = drawn.map(({ x }) => x);
    expect(xs).toEqual(xs.toSorted((a, b) => a - b));
    expect(curve.largest).toBe(50);
  });
});
