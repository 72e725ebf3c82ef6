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

  it('is none where nothing is near', () => {
    expect(nearestWord('xyzzy', ['train', 'eval'])).toBeUndefined();
  });
});
