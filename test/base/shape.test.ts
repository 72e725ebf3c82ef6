import { describe, expect, it } from 'vitest';
import { channelsOf, shapesDiffer, showShape, sizeOf, sizesDiffer } from '../../src/base/shape.ts';

const UNKNOWN = Number.NaN;

describe('shapes', () => {
  it('have as many elements as the product of their sizes; a scalar has one', () => {
    expect([[], [5], [2, 3, 4], [7, 0]].map(sizeOf)).toEqual([1, 5, 24, 0]);
  });

  it('are shown with x between sizes and ? for unknown ones', () => {
    expect([[], [5], [28, 28, 1], [UNKNOWN, UNKNOWN, 3]].map(showShape)).toEqual([
      'scalar',
      '5',
      '28x28x1',
      '?x?x3',
    ]);
  });

  it('have their channels last', () => {
    expect([[], [5], [2, 3, 4]].map(channelsOf)).toEqual([1, 5, 4]);
  });

  it('differ in rank and in known sizes; an unknown size agrees with every size', () => {
    expect(shapesDiffer([2, 3], [2, 3])).toBe(false);
    expect(shapesDiffer([2, 3], [3, 2])).toBe(true);
    expect(shapesDiffer([6], [2, 3])).toBe(true);
    expect(shapesDiffer([UNKNOWN, 3], [2, 3])).toBe(false);
    expect(shapesDiffer([UNKNOWN, 3], [2, 4])).toBe(true);
    expect([sizesDiffer(1, UNKNOWN), sizesDiffer(1, 1), sizesDiffer(1, 2)]).toEqual([
      false,
      false,
      true,
    ]);
  });
});
