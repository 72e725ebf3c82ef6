import { describe, expect, it } from 'vitest';
import {
  assertSame,
  checkInteger,
  InvariantError,
  RunError,
  UsageError,
} from '../../src/base/errors.ts';

describe('UsageError', () => {
  it('says what was given, what is allowed and what to try', () => {
    const details = { what: '--replicas', given: 0, allowed: 'a whole number', hint: 'replicas 8' };
    const error = new UsageError(details);
    expect(error.message).toBe('--replicas: expected a whole number, got 0. Try: replicas 8.');
    expect([error.name, error.details]).toEqual(['UsageError', details]);
  });

  it.each([
    ['text', '"text"'],
    [[1, 'a'], '[1, "a"]'],
    [{ a: 1 }, '{"a":1}'],
    [{ a: ['b', { c: null }] }, '{"a":["b", {"c":null}]}'],
    [new Float32Array(3), 'Float32Array of 12 bytes'],
    [null, 'null'],
    [undefined, 'undefined'],
    [Number.NaN, 'NaN'],
  ])('shows %o as %s', (given, shown) => {
    expect(new UsageError({ what: 'x', given, allowed: 'y' }).message).toBe(
      `x: expected y, got ${shown}.`,
    );
  });
});

describe('what an error shows of a value', () => {
  const messageOf = (given: unknown): string =>
    new UsageError({ what: 'x', given, allowed: 'y' }).message;

  it.each([
    ['text', 'a'.repeat(3e6)],
    ['list', new Array(1e6).fill(0)],
    ['object', Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`key${i}`, i]))],
  ])('is short for a %s of any length', (_, given) => {
    expect(messageOf(given).length).toBeLessThan(400);
    expect(messageOf(given)).toMatch(/^x: expected y, got .*\.\.\.\.$/);
  });

  it('is cut off in deeply nested or circular values', () => {
    let deep: unknown = [];
    for (let i = 0; i < 10_000; i++) deep = { in: [deep] };
    expect(messageOf(deep)).toContain('...');
    const round: { self?: unknown } = {};
    round.self = round;
    expect(messageOf(round)).toContain('{...}');
  });
});

describe('InvariantError', () => {
  it('shows both sides and says that it is a bug', () => {
    expect(new InvariantError('rank', 3, 2).message).toBe(
      'rank: found 3, expected 2. This is a bug in syncbn.',
    );
    expect(() => assertSame('rank', 3, 2)).toThrow(InvariantError);
    expect(() => assertSame('rank', Number.NaN, Number.NaN)).not.toThrow();
  });
});

describe('RunError', () => {
  it('names rank, step, layer, collective and who is missing', () => {
    const failure = {
      reason: 'Timed out.',
      rank: 1,
      step: 12,
      layer: '3.batchNorm',
      collective: 'moments',
      missing: [0, 2],
    };
    const cause = new Error('late');
    const error = new RunError(failure, { cause });
    expect(error.message).toBe(
      'rank 1, step 12, layer 3.batchNorm, in moments: Timed out. Not arrived: rank 0, 2.',
    );
    expect([error.failure, error.cause]).toEqual([failure, cause]);
  });

  it('leaves out what is not known', () => {
    expect(new RunError({ reason: 'A worker died.' }).message).toBe('A worker died.');
    expect(new RunError({ reason: 'threw', step: 0 }).message).toBe('step 0: threw');
  });
});

describe('checkInteger', () => {
  it('returns whole numbers within its bounds', () => {
    expect([checkInteger('n', 1, 1), checkInteger('n', 5, 0, 5)]).toEqual([1, 5]);
  });

  it.each([0, 6, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '3', null])('refuses %o', (value) => {
    expect(() => checkInteger('n', value, 1, 5)).toThrow('expected a whole number from 1 to 5');
  });
});
