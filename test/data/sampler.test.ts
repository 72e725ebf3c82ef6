// The steps of an epoch over grids, and its order.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { identityOrder, planEpoch, shuffleOrder } from '../../src/data/loading/sampler.ts';

const COUNTS = [1, 2, 3, 5, 7, 16, 63, 64, 65, 100];

describe('planEpoch', () => {
  it('uses every sample, with an uneven last batch unless it is dropped', () => {
    expect(planEpoch({ countSamples: 100, globalBatch: 32 })).toEqual({
      stepsPerEpoch: 4,
      lastBatch: 4,
    });
    expect(planEpoch({ countSamples: 100, globalBatch: 32, dropLast: true })).toEqual({
      stepsPerEpoch: 3,
      lastBatch: 32,
    });
    expect(planEpoch({ countSamples: 96, globalBatch: 32 })).toEqual({
      stepsPerEpoch: 3,
      lastBatch: 32,
    });
    expect(planEpoch({ countSamples: 5, globalBatch: 32 })).toEqual({
      stepsPerEpoch: 1,
      lastBatch: 5,
    });
  });

  it('adds up to the number of samples on a grid', () => {
    for (const countSamples of COUNTS) {
      for (const globalBatch of COUNTS) {
        const { stepsPerEpoch, lastBatch } = planEpoch({ countSamples, globalBatch });
        expect((stepsPerEpoch - 1) * globalBatch + lastBatch).toBe(countSamples);
        expect(lastBatch).toBeGreaterThan(0);
        expect(lastBatch).toBeLessThanOrEqual(globalBatch);
      }
    }
  });

  it('refuses to drop the only batch, and counts below 1', () => {
    expect(() => planEpoch({ countSamples: 5, globalBatch: 6, dropLast: true })).toThrow(
      UsageError,
    );
    expect(() => planEpoch({ countSamples: 0, globalBatch: 6 })).toThrow(UsageError);
    expect(() => planEpoch({ countSamples: 5, globalBatch: 0 })).toThrow(UsageError);
  });
});

describe('shuffleOrder', () => {
  const shuffled = (length: number, seed: number, epoch: number): number[] => {
    const order = new Int32Array(length).fill(-1);
    shuffleOrder(order, seed, epoch);
    return [...order];
  };

  it.each([0, 1, 2, 7, 4096])('is a permutation of %d samples', (length) => {
    const sorted = shuffled(length, 1, 0).sort((a, b) => a - b);
    expect(sorted).toEqual(Array.from({ length }, (_, i) => i));
  });

  it('depends only on seed and epoch, not on what was in the array', () => {
    const order = Int32Array.from(shuffled(100, 1, 0));
    shuffleOrder(order, 1, 5);
    expect([...order]).toEqual(shuffled(100, 1, 5));
    expect(shuffled(100, 1, 5)).not.toEqual(shuffled(100, 1, 6));
    expect(shuffled(100, 1, 5)).not.toEqual(shuffled(100, 2, 5));
  });

  it('makes each order of four samples equally often', () => {
    const counts = new Map<string, number>();
    const epochs = 24_000;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const key = shuffled(4, 9, epoch).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    // Chi square with 23 degrees of freedom is above 58 once in 10,000 times.
    let chiSquare = 0;
    for (const count of counts.values()) chiSquare += (count - epochs / 24) ** 2 / (epochs / 24);
    expect(chiSquare).toBeLessThan(58);
  });
});

describe('identityOrder', () => {
  it('writes the samples in order', () => {
    const order = new Int32Array(4).fill(9);
    identityOrder(order);
    expect([...order]).toEqual([0, 1, 2, 3]);
  });
});
