import { describe, expect, it } from 'vitest';
import { paint } from '../../src/cli/output/text.ts';
import { wrapped } from '../../src/cli/output/wrap.ts';

describe('prose for a terminal', () => {
  it('is unchanged if it fits', () => {
    const text = 'short\n\n  - a list\n┌────┐';
    expect(wrapped(text, 10)).toBe(text);
  });

  it('is broken between words', () => {
    expect(wrapped('one two three four', 9)).toBe('one two\nthree\nfour');
    expect(wrapped('one two three four', 13)).toBe('one two three\nfour');
  });

  it('continues at the indentation of a list or of the text after a flag', () => {
    expect(wrapped('  - one two three', 11)).toBe('  - one two\n    three');
    expect(wrapped('  one two three', 10)).toBe('  one two\n  three');
    expect(wrapped('  --flag <n>  one two three four', 28)).toBe(
      `  --flag <n>  one two three\n${' '.repeat(14)}four`,
    );
  });

  it('does not become a thin column next to a long flag', () => {
    expect(wrapped('  --a-flag-that-is-long  one two', 28)).toBe(
      '  --a-flag-that-is-long  one\n    two',
    );
  });

  it('leaves words that are wider than a line whole', () => {
    const path = '/a/folder/with/a/long/name';
    expect(wrapped(`see ${path} there`, 12)).toBe(`see\n${path}\nthere`);
  });

  it('counts no colors', () => {
    const text = `${paint('red', 'one')} two`;
    expect(wrapped(text, 7)).toBe(text);
  });
});
