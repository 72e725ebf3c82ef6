// The cut of a global batch over grids of batches, replicas and workers, empty grains included.

import { describe, expect, it } from 'vitest';
import {
  cutGrains,
  defaultGrains,
  fillGrains,
  type GrainCut,
  type GrainState,
  grainCapacity,
  grainRanges,
  grainStart,
  groupGrains,
  type Locality,
  partOf,
  partStart,
} from '../../src/reduce/grains.ts';

const SAMPLES = [1, 2, 3, 5, 7, 16, 33, 64, 65, 100, 250];
const REPLICAS = [1, 2, 3, 5, 8, 64];
const WORKERS = [1, 2, 3, 5, 8];
const LOCALITIES: readonly Locality[] = ['none', 'borders', 'whole'];

const CUTS: readonly GrainCut[] = SAMPLES.flatMap((globalBatch) =>
  REPLICAS.flatMap((replicas) =>
    LOCALITIES.map((locality) =>
      cutGrains({ globalBatch, replicas, locality, grains: defaultGrains(globalBatch) }),
    ),
  ),
);

const startsOf = (cut: GrainCut, samples: number): number[] =>
  Array.from({ length: cut.count + 1 }, (_, grain) => grainStart(cut, samples, grain));

const newState = (countGrains: number): GrainState => ({
  countSamples: -1,
  grainStart: new Int32Array(countGrains + 1),
  firstSample: -1,
  globalCount: -1,
});

describe('partStart', () => {
  it('splits in order into sizes that differ by at most one, the larger ones first', () => {
    for (const n of [0, ...SAMPLES]) {
      for (const parts of REPLICAS) {
        const sizes = Array.from(
          { length: parts },
          (_, part) => partStart(n, parts, part + 1) - partStart(n, parts, part),
        );
        expect(partStart(n, parts, 0)).toBe(0);
        expect(sizes.reduce((a, b) => a + b, 0)).toBe(n);
        expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
        expect(sizes[0]! - sizes[parts - 1]!).toBeLessThanOrEqual(1);
      }
    }
  });

  it('agrees with partOf', () => {
    for (const n of SAMPLES) {
      for (const parts of REPLICAS) {
        for (let thing = 0; thing < n; thing++) {
          const part = partOf(n, parts, thing);
          expect(partStart(n, parts, part)).toBeLessThanOrEqual(thing);
          expect(partStart(n, parts, part + 1)).toBeGreaterThan(thing);
        }
        expect(partOf(n, parts, n)).toBe(parts);
      }
    }
  });

  it('leaves the last parts empty if there are fewer items than parts', () => {
    expect([0, 1, 2, 3, 4, 5].map((part) => partStart(3, 5, part))).toEqual([0, 1, 2, 3, 3, 3]);
  });
});

describe('the rule of grains', () => {
  it('uses one sample per grain in small batches, and at least 32 grains from 128 on', () => {
    for (let batch = 1; batch <= 8; batch++) expect(defaultGrains(batch)).toBe(batch);
    for (let batch = 1; batch < 2000; batch++) {
      expect(defaultGrains(batch)).toBeLessThanOrEqual(batch);
      expect(defaultGrains(batch + 1)).toBeGreaterThanOrEqual(defaultGrains(batch));
      if (batch >= 128) expect(defaultGrains(batch)).toBeGreaterThanOrEqual(32);
    }
  });

  it('does not depend on replicas unless something is local to them', () => {
    const cuts = REPLICAS.map((replicas) =>
      cutGrains({ globalBatch: 128, grains: 32, replicas, locality: 'none' }),
    );
    expect(new Set(cuts.map((cut) => JSON.stringify(cut)))).toEqual(
      new Set([JSON.stringify({ count: 32, shards: 1 })]),
    );
  });

  it('ends grains at the boundaries of replicas if statistics are local to them', () => {
    for (const replicas of REPLICAS) {
      for (const locality of ['borders', 'whole'] as const) {
        const cut = cutGrains({ globalBatch: 100, grains: 32, replicas, locality });
        for (const samples of SAMPLES) {
          const starts = new Set(startsOf(cut, samples));
          for (let replica = 0; replica <= replicas; replica++) {
            expect(starts).toContain(partStart(samples, replicas, replica));
          }
        }
        if (locality === 'whole') expect(cut.count).toBe(replicas);
        else expect(cut.count).toBeGreaterThanOrEqual(Math.min(32, 100));
      }
    }
  });

  it('makes the requested number of grains, at most one per sample', () => {
    const cutOf = (grains: number): GrainCut =>
      cutGrains({ globalBatch: 20, grains, replicas: 4, locality: 'none' });
    expect(cutOf(1).count).toBe(1);
    expect(cutOf(7).count).toBe(7);
    expect(cutOf(64).count).toBe(20);
    // One for each of so many replicas is what a run had before there were grains.
    const before = cutGrains({ globalBatch: 20, grains: 6, replicas: 6, locality: 'borders' });
    expect(startsOf(before, 20)).toEqual([0, 4, 8, 11, 14, 17, 20]);
  });
});

describe('grainStart', () => {
  it('rises from 0 to the samples, with grains of a shard differing by at most one', () => {
    for (const cut of CUTS) {
      for (const samples of SAMPLES) {
        const starts = startsOf(cut, samples);
        expect(starts[0]).toBe(0);
        expect(starts[cut.count]).toBe(samples);
        const sizes = starts.slice(1).map((start, i) => start - starts[i]!);
        expect(Math.min(...sizes)).toBeGreaterThanOrEqual(0);
        const perShard = cut.count / cut.shards;
        for (let shard = 0; shard < cut.shards; shard++) {
          const own = sizes.slice(shard * perShard, (shard + 1) * perShard);
          expect(Math.max(...own) - Math.min(...own)).toBeLessThanOrEqual(1);
        }
      }
    }
  });
});

describe('the grains of workers', () => {
  it('are contiguous and complete, and differ by at most one grain, or shard', () => {
    for (const cut of CUTS) {
      for (const workers of WORKERS.filter((w) => w <= cut.count)) {
        const ranges = grainRanges(cut, workers);
        expect(ranges[0]!.lo).toBe(0);
        expect(ranges.at(-1)!.hi).toBe(cut.count);
        for (const [i, { lo }] of ranges.slice(1).entries()) expect(lo).toBe(ranges[i]!.hi);
        const sizes = ranges.map(({ lo, hi }) => hi - lo);
        expect(Math.min(...sizes)).toBeGreaterThan(0);
        const unit = workers <= cut.shards ? cut.count / cut.shards : 1;
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(unit);
        for (const { lo } of ranges) expect(lo % unit).toBe(0);
      }
    }
  });

  it('hold the samples that a single worker would have there', () => {
    for (const cut of CUTS) {
      for (const samples of SAMPLES) {
        for (const workers of WORKERS.filter((w) => w <= cut.count)) {
          const starts = grainRanges(cut, workers).flatMap((range) => {
            const state = newState(range.hi - range.lo);
            fillGrains(state, cut, samples, range);
            expect(state.grainStart[0]).toBe(0);
            expect(state.countSamples).toBe(state.grainStart[range.hi - range.lo]);
            expect(state.globalCount).toBe(samples);
            return [...state.grainStart.subarray(0, -1)].map((at) => state.firstSample + at);
          });
          expect(starts).toEqual(startsOf(cut, samples).slice(0, -1));
        }
      }
    }
  });

  it('have room for any step up to the full batch', () => {
    for (const locality of LOCALITIES) {
      for (const replicas of REPLICAS) {
        const cut = cutGrains({ globalBatch: 33, grains: 33, replicas, locality });
        for (const range of grainRanges(cut, Math.min(3, cut.count))) {
          const state = newState(range.hi - range.lo);
          let most = 0;
          for (let samples = 1; samples <= 33; samples++) {
            fillGrains(state, cut, samples, range);
            most = Math.max(most, state.countSamples);
          }
          expect(grainCapacity(cut, 33, range)).toBe(most);
        }
      }
    }
  });

  it('have no samples, at the end of the batch, if all are empty', () => {
    const state = newState(2);
    fillGrains(state, { count: 4, shards: 4 }, 2, { lo: 2, hi: 4 });
    expect(state).toEqual({
      countSamples: 0,
      grainStart: Int32Array.of(0, 0, 0),
      firstSample: 2,
      globalCount: 2,
    });
  });

  it('refuse a state for other grains', () => {
    const cut = { count: 4, shards: 1 };
    expect(() => fillGrains(newState(1), cut, 4, { lo: 0, hi: 2 })).toThrow(/grainStart/);
  });
});

describe('groupGrains', () => {
  it('is the grains of the given replicas, or all if they share one shard', () => {
    const cut = { count: 24, shards: 8 };
    expect([1, 2, 8, 9, Number.POSITIVE_INFINITY].map((k) => groupGrains(cut, k))).toEqual([
      3, 6, 24, 24, 24,
    ]);
    expect(groupGrains({ count: 32, shards: 1 }, 4)).toBe(32);
  });
});
