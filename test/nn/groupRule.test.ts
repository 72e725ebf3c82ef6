// The default groups of group normalization.

import { describe, expect, it } from 'vitest';
import { defaultNumGroups, largestDivisor } from '../../src/nn/convert/groupRule.ts';
import { groupsText } from '../../src/nn/norms/normShared.ts';

const CHANNELS = Array.from({ length: 2100 }, (_, i) => i + 1);

describe('defaultNumGroups', () => {
  it.each([
    [16, 4],
    [32, 4],
    [48, 4],
    [64, 4],
    [96, 6],
    [128, 8],
    [256, 16],
    [512, 32],
    [1024, 32],
    [2048, 32],
  ])('makes groups of 16 channels in wide layers: %d channels give %d', (channels, numGroups) => {
    expect(defaultNumGroups(channels, undefined)).toBe(numGroups);
  });

  it.each([
    [1, 1],
    [4, 1],
    [8, 2],
    [12, 3],
    [13, 1],
    [20, 4],
    [37, 1],
    [74, 2],
    [100, 5],
    [513, 27],
  ])('uses a divisor of %d channels, %d', (channels, numGroups) => {
    expect(defaultNumGroups(channels, undefined)).toBe(numGroups);
  });

  it('never makes a group of fewer than 4 channels, unless the layer has fewer', () => {
    for (const channels of CHANNELS) {
      const numGroups = defaultNumGroups(channels, undefined);
      expect(channels % numGroups, `${channels}`).toBe(0);
      expect(numGroups).toBeLessThanOrEqual(32);
      expect(channels / numGroups).toBeGreaterThanOrEqual(Math.min(4, channels));
    }
  });

  it('makes groups of at least 16 values if the shape is known, unless a sample has fewer', () => {
    for (const channels of CHANNELS.slice(0, 130)) {
      for (const shape of [[channels], [2, channels], [3, 3, channels]]) {
        const values = shape.reduce((product, size) => product * size);
        const numGroups = defaultNumGroups(channels, shape);
        expect(values / numGroups, `${shape}`).toBeGreaterThanOrEqual(Math.min(16, values));
      }
    }
    expect(defaultNumGroups(16, [16])).toBe(1);
    expect(defaultNumGroups(64, [64])).toBe(4);
    expect(defaultNumGroups(16, [2, 16])).toBe(2);
    expect(defaultNumGroups(16, [2, 2, 16])).toBe(4);
  });
});

describe('groupsText', () => {
  it('says how many and how wide', () => {
    expect(groupsText(4, 64)).toBe('4 groups of 16 channels');
    expect(groupsText(1, 1)).toBe('1 group of 1 channel');
  });
});

describe('largestDivisor', () => {
  it('is at most the limit and the number', () => {
    expect([5, 32, 1].map((limit) => largestDivisor(12, limit))).toEqual([4, 12, 1]);
  });
});
