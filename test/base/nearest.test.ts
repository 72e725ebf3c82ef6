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

  it('is the only one that begins so, and no chance likeness of a short one', () => {
    expect(nearestWord('e', ['lr', 'epochs'])).toBe('epochs');
    expect(nearestWord('e', ['lr', 'seed'])).toBeUndefined();
    expect(nearestWord('foo', ['fold', 'train'])).toBeUndefined();
  });

  it('is none where nothing is near', () => {
    expect(nearestWord('xyzzy', ['train', 'eval'])).toBeUndefined();
  });
});
