// What every file keeps to: budgets of lines and columns, and a header that says what it is.

import { describe, expect, it } from 'vitest';
import { sources, textOf, written } from '../support/sources.ts';

const MAX_LINES = 400;
const MAX_COLUMNS = 100;
const MAX_HEADER_LINES = 8;

describe('every file', () => {
  it(`has at most ${MAX_LINES} lines`, () => {
    const long = written
      .map((file) => ({ file, lines: textOf(file).split('\n').length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES);
    expect(long).toEqual([]);
  });

  it(`has lines of at most ${MAX_COLUMNS} columns`, () => {
    const long = written.flatMap((file) =>
      textOf(file)
        .split('\n')
        .flatMap((line, i) => (line.length > MAX_COLUMNS ? [`${file}:${i + 1}`] : [])),
    );
    expect(long).toEqual([]);
  });

  it(`begins with at most ${MAX_HEADER_LINES} lines that say what it is`, () => {
    // A test file says what it is by its name and its titles.
    const wrong = written.filter((file) => {
      if (file.endsWith('.test.ts')) return false;
      const lines = textOf(file)
        .replace(/^#!.*\n/, '')
        .split('\n');
      const header = lines.findIndex((line) => !line.startsWith('//'));
      return header < 1 || header > MAX_HEADER_LINES;
    });
    expect(wrong).toEqual([]);
  });

  it('of src has no default export', () => {
    const wrong = sources.filter((file) => /^export default/m.test(textOf(file)));
    expect(wrong).toEqual([]);
  });
});
