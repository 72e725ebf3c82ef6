import { describe, expect, it } from 'vitest';
import { count, countList, seconds, wordList } from '../../bench/options.ts';

const NAMES = ['sync', 'local', 'group'] as const;

describe('a list of words', () => {
  it('keeps the given order', () => {
    expect(wordList('--norm', 'group, sync', NAMES)).toEqual(['group', 'sync']);
  });

  it.each(['', 'batch', 'sync,', 'Sync'])('refuses %j and names what is allowed', (given) => {
    expect(() => wordList('--norm', given, NAMES)).toThrow(/--norm: .* sync, local, group/);
  });
});

describe('a list of counts', () => {
  it.each([
    { given: 4, expected: [4] },
    { given: '2,16', expected: [2, 16] },
    { given: ['2', '16'], expected: [2, 16] },
  ])('reads $given as $expected', ({ given, expected }) => {
    expect(countList('--replica-batch', given)).toEqual(expected);
  });

  it.each(['2,0', '2,,4', '1.5', 'x', ''])('refuses %j', (given) => {
    expect(() => countList('--replica-batch', given)).toThrow(/--replica-batch: .* whole number/);
  });
});

describe('a count', () => {
  it.each([0, -1, 1.5, 'two', true])('refuses %j', (given) => {
    expect(() => count('--workers', given)).toThrow(/--workers: .* whole number from 1/);
  });
});

describe('seconds', () => {
  it('may be a fraction', () => {
    expect(seconds('--seconds', 0.25)).toBe(0.25);
  });

  it.each([0, -1, Number.NaN, 'x', true])('refuse %j', (given) => {
    expect(() => seconds('--seconds', given)).toThrow(/--seconds: .* above 0/);
  });
});
