import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findTorch, findTorches, pythonOf, pythonsOf } from '../../bench/torch.ts';

describe('the interpreters of --torch', () => {
  it.each([
    { given: undefined, expected: ['/usr/bin/python3'] },
    { given: 'python3', expected: ['python3'] },
    { given: process.execPath, expected: [process.execPath] },
    { given: `python3,${process.execPath}`, expected: ['python3', process.execPath] },
    { given: ['python3', 'a,b', 'python3'], expected: ['python3', 'a', 'b'] },
    { given: './package.json', expected: [resolve('package.json')] },
  ])('of $given are $expected', ({ given, expected }) => {
    expect(pythonsOf(given)).toEqual(expected);
  });

  it.each(['', 'python3,', '/missing/python3'])('are not %j', (given) => {
    expect(() => pythonsOf(given)).toThrow(/--torch: .* commands that run Python/);
  });

  it('are one if a command compares with one', () => {
    expect(pythonOf('python3')).toBe('python3');
    expect(() => pythonOf('python3,a')).toThrow(/--torch: .* a single one here/);
  });
});

describe('an interpreter without PyTorch', () => {
  it('is missing, with the last line of its output', async () => {
    expect(await findTorch(process.execPath)).toEqual({
      missing: expect.stringMatching(/none with gloo in .*node.*python3-torch\): Node\.js v/),
    });
    expect(await findTorch('no-such-python')).toEqual({
      missing: expect.stringMatching(/in no-such-python .*ENOENT/),
    });
  });

  it('does not affect those that have it', async () => {
    expect(await findTorches(['no-such-python'])).toEqual([]);
  });
});
