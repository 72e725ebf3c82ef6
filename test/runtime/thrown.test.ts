// Errors that are posted between threads.

import { describe, expect, it } from 'vitest';
import { InvariantError, RunError, UsageError } from '../../src/base/errors.ts';
import { packError, showError, unpackError } from '../../src/runtime/thrown.ts';

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

  it('keeps its class and data when it is one of ours', () => {
    const run = post(errors[3]);
    expect(run).toBeInstanceOf(RunError);
    expect((run as RunError).failure).toEqual(failure);
    expect(showError(run.cause)).toBe('TypeError: x is not a function');
    const usage = post(errors[0]);
    expect(usage).toBeInstanceOf(UsageError);
    expect((usage as UsageError).details).toEqual((errors[0] as UsageError).details);
  });

  it('may be a cause of itself', () => {
    const error = new Error('ring');
    error.cause = error;
    expect(post(error).message).toBe('ring');
  });

  it('may be no error at all', () => {
    expect(post('text').message).toBe('thrown: text');
    expect(post(undefined).message).toBe('thrown: undefined');
  });
});
