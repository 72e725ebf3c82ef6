import { describe, expect, it } from 'vitest';
import { instantiateKernels } from '../../src/kernels/binaries.ts';
import { compileKernels } from '../../src/kernels/load.ts';
import { foldTreeRef } from '../../src/kernels/reference/fold.ts';
import { createArena } from '../../src/memory/arena.ts';
import { LayoutBuilder } from '../../src/memory/layout.ts';
import { bindReduction, countGroups, planReduction } from '../../src/reduce/exchange.ts';
import { type GrainCut, planGrains } from '../../src/reduce/grains.ts';
import {
  type BoundReduction,
  type Combine,
  type ReductionDeclaration,
  reduce,
  vectorLength,
} from '../../src/reduce/reduction.ts';
import type { Member } from '../../src/sync/group.ts';
import { createFixture, testValues } from '../support/kernelFixture.ts';

const CHANNELS = 3;
const STEPS = 2;
/** Each cut with so many replicas whose borders it keeps. */
const CUTS: readonly GrainCut[] = [
  [1, 1],
  [2, 1],
  [13, 1],
  [2, 2],
  [3, 3],
  [8, 8],
  [20, 20],
  [6, 2],
  [12, 3],
  [10, 5],
  [21, 7],
].map(([count, shards]) => ({ count: count!, shards: shards! }));
const fixture = createFixture('strict', 4);
const module = compileKernels('strict');

/** Vectors of grains; those of moments have counts, some of them 0. */
function leavesOf(combine: Combine, grains: number, step: number): Float64Array[] {
  return Array.from({ length: grains }, (_, grain) => {
    const seed = 1 + grain + 50 * step;
    const values = Float64Array.from(
      testValues(vectorLength(combine, CHANNELS), 10 ** (grain % 5), seed),
      (value) => value / 3,
    );
    if (combine === 'sums') return values;
    values[0] = (grain + step) % 4;
    if (values[0] === 0) values.fill(0);
    return values.map((value, i) => (i > CHANNELS ? Math.abs(value) : value));
  });
}

/** One fold by the kernel, whose own tests compare it with its twin. */
function combineBy(combine: Combine): (a: Float64Array, b: Float64Array) => Float64Array {
  const length = vectorLength(combine, CHANNELS);
  return (a, b) => {
    fixture.reset();
    const [aPtr, bPtr] = [fixture.place(a), fixture.place(b)];
    const dstPtr = fixture.reserve(length, 8);
    if (combine === 'moments') fixture.kernels.mergeMoments(dstPtr, aPtr, bPtr, CHANNELS);
    else fixture.kernels.addF64(dstPtr, aPtr, bPtr, length);
    return fixture.f64(dstPtr, length).slice();
  };
}

interface Bound {
  readonly lo: number;
  readonly hi: number;
  readonly bound: BoundReduction;
}

type GroupReplicas = ReductionDeclaration['groupReplicas'];

/** All workers of a reduction in one thread. A worker that waits lets the next one run until it
 * waits, and the last one opens the barrier, so everybody publishes before anybody finishes. */
function bindAll(combine: Combine, cut: GrainCut, workers: number, groupReplicas: GroupReplicas) {
  const grains = planGrains(cut, { process: 0, workers: [workers] });
  const { ranges } = grains;
  const builder = new LayoutBuilder();
  const declared = { name: 'moments', combine, channels: CHANNELS, groupReplicas };
  const plan = planReduction(builder, '1.batchNorm.moments', declared, grains);
  const memory = createArena(builder.freeze());
  const kernels = instantiateKernels(module, memory);
  const counts = { synchronizations: 0 };
  const all: Bound[] = [];
  for (const [rank, range] of ranges.entries()) {
    const member: Pick<Member, 'rank' | 'worldSize' | 'sync'> = {
      rank,
      worldSize: workers,
      sync() {
        counts.synchronizations++;
        if (rank + 1 < all.length) reduce(all[rank + 1]!.bound);
      },
    };
    all.push({ ...range, bound: bindReduction(plan, kernels, member as Member, range) });
  }
  const length = vectorLength(combine, CHANNELS);
  const view = (ptr: number): Float64Array => new Float64Array(memory.buffer, ptr, length);
  return { plan, all, view, counts };
}

/** The grains of each group, worked out from its replicas. */
function groupsOf({ count, shards }: GrainCut, groupReplicas: GroupReplicas) {
  const perShard = count / shards;
  const size = groupReplicas === 'none' ? 1 : Math.min(groupReplicas, shards) * perShard;
  return Array.from({ length: Math.ceil(count / size) }, (_, g) => ({
    lo: g * size,
    hi: Math.min((g + 1) * size, count),
  }));
}

const GRID = (['moments', 'sums'] as const).flatMap((combine) =>
  CUTS.map((cut) => ({ combine, ...cut })),
);

describe('a reduction over sync groups', () => {
  it.each(GRID)(
    'of $combine folds $count grains, $shards shards, to the same bits for any workers',
    ({ combine, ...cut }) => {
      for (const groupReplicas of ['none', 1, 2, 3, 7, Number.POSITIVE_INFINITY] as const) {
        const groups = groupsOf(cut, groupReplicas);
        for (let workers = 1; workers <= Math.min(cut.count, 6); workers++) {
          const { plan, all, view, counts } = bindAll(combine, cut, workers, groupReplicas);
          for (let step = 0; step < STEPS; step++) {
            const leaves = leavesOf(combine, cut.count, step);
            for (const { lo, hi, bound } of all) {
              for (let i = 0; i < hi - lo; i++) view(bound.leafPtr(i)).set(leaves[lo + i]!);
            }
            if (plan.needsExchange) reduce(all[0]!.bound);
            else for (const { bound } of all) reduce(bound);
            const expected = groups.map(({ lo, hi }) =>
              foldTreeRef(leaves.slice(lo, hi), combineBy(combine)),
            );
            for (const { lo, hi, bound } of all) {
              const local = groups.flatMap((group, g) =>
                group.lo < hi && group.hi > lo ? [{ ...group, folded: expected[g]! }] : [],
              );
              expect(bound.groups).toHaveLength(local.length);
              expect(countGroups(cut, { lo, hi }, groupReplicas)).toBe(local.length);
              for (const [g, { folded, ...group }] of local.entries()) {
                const found = bound.groups[g]!;
                expect(found.lo).toBe(Math.max(group.lo, lo) - lo);
                expect(found.hi).toBe(Math.min(group.hi, hi) - lo);
                expect(view(found.resultPtr)).toEqual(folded);
              }
              expect(bound.groupPtrs.map((ptr) => view(ptr).slice())).toEqual(expected);
            }
          }
          expect(counts.synchronizations).toBe(plan.needsExchange ? workers * STEPS : 0);
        }
      }
    },
  );

  it('synchronizes only if a group spans workers', () => {
    const needsExchange = (shards: number, workers: number, groupReplicas: GroupReplicas) => {
      const cuts = [1, 3].map((perShard) => ({ count: shards * perShard, shards }));
      const found = cuts.map(
        (cut) => bindAll('sums', cut, workers, groupReplicas).plan.needsExchange,
      );
      expect(new Set(found).size).toBe(1);
      return found[0];
    };
    expect(needsExchange(8, 1, Number.POSITIVE_INFINITY)).toBe(false);
    expect(needsExchange(8, 2, Number.POSITIVE_INFINITY)).toBe(true);
    expect(needsExchange(8, 2, 1)).toBe(false);
    expect(needsExchange(8, 2, 4)).toBe(false);
    expect(needsExchange(8, 2, 3)).toBe(true);
    expect(needsExchange(8, 2, 'none')).toBe(false);
  });
});
