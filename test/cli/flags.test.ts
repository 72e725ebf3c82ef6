import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { Flags, markValues, unmarkValues } from '../../src/cli/settings/flags.ts';

describe('a number', () => {
  it.each([8, '8'])('is read from %o', (value) => {
    expect(new Flags({ replicaBatch: value }).integer('replica-batch', 1)).toBe(8);
  });

  it.each(['abc', '1.5', '-1', '0', '1e3', '', true, 2 ** 31, '8x'])(
    'is refused when it is %o, and the error names flag and value',
    (value) => {
      const flags = new Flags({ replicaBatch: value });
      const read = () => flags.integer('replica-batch', 1);
      expect(read).toThrow(UsageError);
      expect(read).toThrow(/^--replica-batch(: expected .*, got .*| requires a value)/);
    },
  );

  it('with a fraction is accepted where fractions make sense', () => {
    expect(new Flags({ lr: '0.05' }).number('lr', 0)).toBe(0.05);
    expect(() => new Flags({ lr: 'fast' }).number('lr', 0)).toThrow(
      /--lr: expected .*, got "fast"/,
    );
    expect(() => new Flags({ lr: -1 }).number('lr', 0)).toThrow(/at least 0/);
  });
});

describe('a flag', () => {
  it('that is not given is undefined', () => {
    const flags = new Flags({});
    expect(flags.text('data')).toBeUndefined();
    expect(flags.integer('seed', 0)).toBeUndefined();
    expect(flags.isSet('json')).toBe(false);
    expect(flags.has('data')).toBe(false);
  });

  it('that is given twice is refused', () => {
    expect(() => new Flags({ data: ['a', 'b'] }).text('data')).toThrow(/was given 2 times: a, b/);
  });

  it('without its value is refused', () => {
    expect(() => new Flags({ data: true }).text('data')).toThrow(/--data requires a value/);
  });

  it('that takes no value is refused if it has one', () => {
    expect(() => new Flags({ json: 'yes' }).isSet('json')).toThrow(
      /--json takes no value, but got yes/,
    );
  });

  it('with a choice lists the choices', () => {
    const read = () => new Flags({ norm: 'batch' }).choice('norm', ['sync', 'local']);
    expect(read).toThrow('--norm: expected sync, local, got "batch".');
  });
});

describe('marked values', () => {
  const valueFlags = ['--lr', '--log', '--seed'];
  it.each<[readonly string[], readonly string[]]>([
    [['--lr', '0.1'], ['--lr=:0.1']],
    [['--lr', '-0.1'], ['--lr=:-0.1']],
    [['--lr', '-.1e-3'], ['--lr=:-.1e-3']],
    [['--log', '007'], ['--log=:007']],
    [['--log=a=b'], ['--log=:a=b']],
    [['--log='], ['--log=:']],
    [['--log', '-'], ['--log=:-']],
    [
      ['--lr', '--json', '7'],
      ['--lr', '--json', '7'],
    ],
    [
      ['--log', '-h'],
      ['--log', '-h'],
    ],
    [
      ['train', '--lr', '1', '--', '--lr', '2'],
      ['train', '--lr=:1', '--', '--lr', '2'],
    ],
    [['--seed'], ['--seed']],
  ])('of %j are %j', (words, expected) => {
    expect(markValues(words, valueFlags)).toEqual(expected);
  });

  it('are returned as they were typed', () => {
    const parsed = { log: ':007', lr: [':1', ':2'], json: true, seed: ':', data: '::' };
    const typed = { log: '007', lr: ['1', '2'], json: true, seed: '', data: ':' };
    expect(unmarkValues(parsed)).toEqual(typed);
  });
});
