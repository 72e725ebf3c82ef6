// Errors that are posted between threads.

import { describe, expect, it } from 'vitest';
import { InvariantError, RunError, UsageError } from '../../src/base/errors.ts';
import { MAX_TEXT_LENGTH, showError } from '../../src/base/showError.ts';
import { packError, unpackError } from '../../src/runtime/thrown.ts';

const post = (thrown: unknown) => unpackError(structuredClone(packError(thrown)));

describe('an error that is posted', () => {
  const failure = { reason: 'late.', rank: 1, step: 3, layer: '2.relu', missing: [0, 2] };
  const errors = [
    new UsageError({ what: 'lr', given: -1, allowed: 'a positive number', hint: '0.1' }),
    new UsageError({ what: 'shape', given: [1, 2], allowed: 'three sizes' }),
    new UsageError({ what: 'norm', given: () => 1, allowed: 'a name' }),
    new RunError(failure, { cause: new TypeError('x is not a function') }),
    new InvariantError('regions', 1, 2),
    new RangeError('too long'),
  ];
  for (const error of errors) {
    it(`keeps name, message and stack: ${error.message}`, () => {
      const copy = post(error);
      expect(copy).toMatchObject({ name: error.name, message: error.message, stack: error.stack });
    });
  }

  it('keeps its class and data if it is one of ours', () => {
    const run = post(errors[3]);
    expect(run).toBeInstanceOf(RunError);
    expect((run as RunError).failure).toEqual(failure);
    expect(showError(run.cause)).toBe('TypeError: x is not a function');
    const usage = post(errors[0]);
    expect(usage).toBeInstanceOf(UsageError);
    expect((usage as UsageError).details).toEqual((errors[0] as UsageError).details);
  });

  it('may be its own cause', () => {
    const error = new Error('ring');
    error.cause = error;
    expect(post(error).message).toBe('ring');
  });

  it('may be a value that is not an error', () => {
    const shown = [
      ['text', 'text'],
      [undefined, 'undefined'],
      [{ code: 'E_WRONG', at: [1, 2] }, '{"code":"E_WRONG","at":[1, 2]}'],
      [Symbol('why'), 'Symbol(why)'],
      [() => 1, 'a function'],
      [Object.create(null), '{}'],
      [new Map([[1, 2]]), 'a Map'],
    ] as const;
    for (const [thrown, text] of shown) expect(post(thrown).message).toBe(`thrown: ${text}`);
  });

  it('may throw when it is inspected', () => {
    const hostile = new Proxy({}, { get: () => expect.unreachable('a trap') });
    expect(post(hostile).message).toMatch(/^thrown: /);
    const error = Object.defineProperties(new Error('x'), {
      message: { get: () => expect.unreachable('a getter') },
      name: { value: { not: 'text' } },
      cause: { get: () => expect.unreachable('another getter') },
    });
    expect(post(error).message).toBe('an error without a message');
    expect(showError(error)).toBe('{"not":"text"}: an error without a message');
  });

  it('is cut if it is huge, wherever the text is', () => {
    const huge = 'x'.repeat(2_800_000);
    const errors = [
      huge,
      { huge },
      new Error(huge),
      new RunError({ reason: huge, rank: 1 }),
      new UsageError({ what: 'lr', given: huge, allowed: 'a number' }),
      new UsageError({ what: 'lr', given: [huge, huge], allowed: 'a number' }),
      new Error('outer', { cause: new Error(huge) }),
    ];
    for (const error of errors) {
      const packed = JSON.stringify(packError(error));
      expect(packed.length).toBeLessThan(8 * MAX_TEXT_LENGTH);
      expect(JSON.stringify(packError(post(error))).length).toBeLessThan(8 * MAX_TEXT_LENGTH);
    }
    expect(post(new Error(huge)).message).toMatch(/x \.\.\. \(cut, 2800000 characters\)$/);
  });

  it('has its first cause if it is an aggregate error', async () => {
    const error = await Promise.any([Promise.reject(new TypeError('first'))]).catch((e) => e);
    expect(showError(post(error).cause)).toBe('TypeError: first');
  });
});
