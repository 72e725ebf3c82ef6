import { describe, expect, it } from 'vitest';
import { nearestWord } from '../../src/base/nearest.ts';

describe('the nearest word', () => {
  it.each([
    ['trian', 'train'],
    ['epoch', 'epochs'],
    ['replicabatch', 'replica-batch'],
  ])('to %s is %s', (typed, expected) => {
    expect(nearestWord(typed, ['train', 'epochs', 'replica-batch', 'eval'])).toBe(expected);
  });

  it('is the only one with that prefix, not a short one that is similar by chance', () => {
    expect(nearestWord('e', ['lr', 'epochs'])).toBe('epochs');
    expect(nearestWord('e', ['lr', 'seed'])).toBeUndefined();
    expect(nearestWord('foo', ['fold', 'train'])).toBeUndefined();
  });

  it('does not exist if nothing is similar', () => {
    expect(nearestWord('xyzzy', ['train', 'eval'])).toBeUndefined();
  });
});
