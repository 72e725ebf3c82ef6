// Steps, shards, worker ranges and orders over grids, empty shards included.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import {
  fillShard,
  identityOrder,
  planEpoch,
  type ShardState,
  shardStart,
  shuffleOrder,
  workerCapacity,
  workerReplicas,
} from '../../src/data/sampler.ts';

const COUNTS = [1, 2, 3, 5, 7, 16, 63, 64, 65, 100];
const REPLICAS = [1, 2, 3, 5, 8, 64];
const WORKERS = [1, 2, 3, 5, 8];

function newState(countLocal: number): ShardState {
  return {
    countSamples: -1,
    replicaStart: new Int32Array(countLocal + 1),
    firstSample: -1,
    globalCount: -1,
  };
}

describe('planEpoch', () => {
  it('uses every sample, in an uneven last batch, unless asked to drop it', () => {
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

describe('shardStart', () => {
  it('splits in order into sizes that differ by at most one, the larger ones first', () => {
    for (const n of [0, ...COUNTS]) {
      for (const replicas of REPLICAS) {
        const sizes = Array.from(
          { length: replicas },
          (_, r) => shardStart(n, replicas, r + 1) - shardStart(n, replicas, r),
        );
        expect(shardStart(n, replicas, 0)).toBe(0);
        expect(sizes.reduce((a, b) => a + b, 0)).toBe(n);
        expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
        expect(sizes[0]! - sizes[replicas - 1]!).toBeLessThanOrEqual(1);
      }
    }
  });

  it('leaves the last shards empty when there are fewer samples than replicas', () => {
    expect([0, 1, 2, 3, 4, 5].map((r) => shardStart(3, 5, r))).toEqual([0, 1, 2, 3, 3, 3]);
  });
});

describe('workerReplicas', () => {
  it('gives every replica to one worker, in order, sizes differing by at most one', () => {
    for (const replicas of REPLICAS) {
      for (const workers of WORKERS.filter((w) => w <= replicas)) {
        let next = 0;
        const sizes: number[] = [];
        for (let w = 0; w < workers; w++) {
          const { lo, hi } = workerReplicas(replicas, workers, w);
          expect(lo).toBe(next);
          sizes.push(hi - lo);
          next = hi;
        }
        expect(next).toBe(replicas);
        expect(Math.min(...sizes)).toBeGreaterThan(0);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }
    }
  });

  it('refuses fewer replicas than workers and workers that do not exist', () => {
    expect(() => workerReplicas(2, 3, 0)).toThrow(UsageError);
    expect(() => workerReplicas(3, 3, 3)).toThrow(UsageError);
  });
});

describe('fillShard', () => {
  it('tells all workers together the same shards as one worker alone, on a grid', () => {
    for (const n of COUNTS) {
      for (const replicas of REPLICAS) {
        for (const workers of WORKERS.filter((w) => w <= replicas)) {
          const starts: number[] = [];
          for (let w = 0; w < workers; w++) {
            const range = workerReplicas(replicas, workers, w);
            const state = newState(range.hi - range.lo);
            fillShard(state, n, replicas, range);
            for (let i = 0; i < range.hi - range.lo; i++)
              starts.push(state.firstSample + state.replicaStart[i]!);
            expect(state.replicaStart[0]).toBe(0);
            expect(state.countSamples).toBe(state.replicaStart[range.hi - range.lo]);
            expect(state.globalCount).toBe(n);
          }
          expect(starts).toEqual(
            Array.from({ length: replicas }, (_, r) => shardStart(n, replicas, r)),
          );
        }
      }
    }
  });

  it('gives a worker whose replicas are all empty no samples, at the end of the batch', () => {
    const state = newState(2);
    fillShard(state, 2, 4, { lo: 2, hi: 4 });
    expect(state).toEqual({
      countSamples: 0,
      replicaStart: Int32Array.of(0, 0, 0),
      firstSample: 2,
      globalCount: 2,
    });
  });

  it('writes into a longer replicaStart only what is its own', () => {
    const state = { ...newState(0), replicaStart: Int32Array.of(7, 7, 7, 7) };
    fillShard(state, 4, 4, { lo: 1, hi: 3 });
    expect([...state.replicaStart]).toEqual([0, 1, 2, 7]);
  });

  it('refuses a replicaStart that is too short', () => {
    expect(() => fillShard(newState(1), 4, 4, { lo: 0, hi: 2 })).toThrow(/replicaStart/);
  });
});

describe('workerCapacity', () => {
  it('is the most that fillShard gives in any step up to the full batch', () => {
    for (const globalBatch of [1, 5, 16, 33]) {
      for (const replicas of REPLICAS) {
        const range = workerReplicas(replicas, Math.min(3, replicas), Math.min(1, replicas - 1));
        const state = newState(range.hi - range.lo);
        let most = 0;
        for (let n = 1; n <= globalBatch; n++) {
          fillShard(state, n, replicas, range);
          most = Math.max(most, state.countSamples);
        }
        expect(workerCapacity(globalBatch, replicas, range)).toBe(most);
      }
    }
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

  it('depends on seed and epoch alone, not on what was in the array', () => {
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
  it('writes the samples as they come', () => {
    const order = new Int32Array(4).fill(9);
    identityOrder(order);
    expect([...order]).toEqual([0, 1, 2, 3]);
  });
});
