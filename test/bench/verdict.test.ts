import { describe, expect, it } from 'vitest';
import type { Turns } from '../../bench/turns.ts';
import { judge, speedOf, verdictOf } from '../../bench/verdict.ts';

const turnsOf = (...ratios: readonly number[]): Turns => ({ ms: 1, otherMs: 1, ratios });
const spread = (p50: number, width: number): number[] =>
  Array.from({ length: 41 }, (_, i) => p50 + ((i - 20) / 20) * width);

describe('the speed that follows from turns', () => {
  it('is their median, between order statistics', () => {
    expect(speedOf([1, 3, 2, 5, 4, 7, 6, 8.5])).toEqual({ p50: Math.sqrt(20), low: 1, high: 8.5 });
    const hundred = speedOf(Array.from({ length: 100 }, (_, i) => 100 - i));
    // (100 - 2.576 * 10) / 2 = 37.1: the 37th from both ends.
    expect(hundred).toEqual({ p50: Math.sqrt(50 * 51), low: 37, high: 64 });
  });

  it('has a narrower interval the more turns there are', () => {
    const few = speedOf(spread(1, 0.2).filter((_, i) => i % 4 === 0));
    const many = speedOf(Array.from({ length: 10 }, () => spread(1, 0.2)).flat());
    expect(many.high - many.low).toBeLessThan((few.high - few.low) / 2);
  });
});

describe('a build', () => {
  it.each([
    { what: 'the same within 5 %', speed: { p50: 0.96, low: 0.95, high: 0.97 }, is: 'same' },
    { what: 'slower', speed: { p50: 0.94, low: 0.9, high: 0.97 }, is: 'slower' },
    { what: 'not slower where it is noise', speed: { p50: 0.8, low: 0.6, high: 1.01 }, is: 'same' },
    { what: 'faster', speed: { p50: 1.06, low: 1.01, high: 1.2 }, is: 'faster' },
    { what: 'not faster by noise', speed: { p50: 1.2, low: 0.99, high: 1.4 }, is: 'same' },
  ])('is $what', ({ speed, is }) => {
    expect(verdictOf(speed)).toBe(is);
  });
});

describe('what seems slower', () => {
  it('is measured again, alone, and counts as slower only if it always is', async () => {
    const script: Record<string, readonly (readonly number[])[]> = {
      slower: [spread(0.5, 0.1), spread(0.7, 0.1), spread(0.6, 0.1)],
      once: [spread(0.8, 0.1), spread(1, 0.1)],
      same: [spread(1, 0.1)],
    };
    const passes: string[][] = [];
    const found = await judge(async (isWanted, keep) => {
      const wanted = Object.keys(script).filter(isWanted);
      for (const name of wanted) keep(name, turnsOf(...script[name]![passes.length]!));
      passes.push(wanted);
    });
    expect(passes).toEqual([['slower', 'once', 'same'], ['slower', 'once'], ['slower']]);
    expect(found.map(({ name, verdict, ratio }) => [name, verdict, ratio.p50])).toEqual([
      ['slower', 'slower', 0.7],
      ['once', 'same', 1],
      ['same', 'same', 1],
    ]);
  });
});
