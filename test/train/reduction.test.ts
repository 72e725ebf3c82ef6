import { describe, expect, it } from 'vitest';
import { workerReplicas } from '../../src/data/sampler.ts';
import { compileKernels, instantiateKernels } from '../../src/kernels/load.ts';
import { foldTreeRef } from '../../src/kernels/reference/fold.ts';
import { createArena } from '../../src/memory/arena.ts';
import { LayoutBuilder } from '../../src/memory/layout.ts';
import { type BoundReduction, type Combine, reduce, vectorLength } from '../../src/norm/reducer.ts';
import type { Member } from '../../src/sync/group.ts';
import { bindReduction, planReduction } from '../../src/train/reduction.ts';
import { createFixture, testValues } from '../kernels/fixture.ts';

const CHANNELS = 3;
const STEPS = 2;
const REPLICAS = [1, 2, 3, 5, 8, 13, 20];
const fixture = createFixture('strict', 4);
const module = compileKernels('strict');

/** Vectors of replicas; those of moments have counts, some of them 0. */
function leavesOf(combine: Combine, replicas: number, step: number): Float64Array[] {
  return Array.from({ length: replicas }, (_, replica) => {
    const seed = 1 + replica + 50 * step;
    const values = Float64Array.from(
      testValues(vectorLength(combine, CHANNELS), 10 ** (replica % 5), seed),
      (value) => value / 3,
    );
    if (combine === 'sums') return values;
    values[0] = (replica + step) % 4;
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

/** All workers of a reduction in one thread. A worker that waits lets the next one run until it
 * waits, and the last one opens the barrier, so everybody publishes before anybody finishes. */
function bindAll(combine: Combine, replicas: number, workers: number, groupReplicas: number) {
  const ranges = Array.from({ length: workers }, (_, i) => workerReplicas(replicas, workers, i));
  const builder = new LayoutBuilder();
  const declared = { name: 'moments', combine, channels: CHANNELS, groupReplicas };
  const plan = planReduction(builder, '1.batchNorm.moments', declared, ranges);
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

const GRID = (['moments', 'sums'] as const).flatMap((combine) =>
  REPLICAS.map((replicas) => [combine, replicas] as const),
);

describe('a reduction over sync groups', () => {
  it.each(GRID)('of %s folds %d replicas to the same bits for any workers', (combine, replicas) => {
    for (const groupReplicas of [1, 2, 3, 7, Number.POSITIVE_INFINITY]) {
      for (let workers = 1; workers <= Math.min(replicas, 6); workers++) {
        const { plan, all, view, counts } = bindAll(combine, replicas, workers, groupReplicas);
        for (let step = 0; step < STEPS; step++) {
          const leaves = leavesOf(combine, replicas, step);
          for (const { lo, hi, bound } of all) {
            for (let i = 0; i < hi - lo; i++) view(bound.leafPtr(i)).set(leaves[lo + i]!);
          }
          if (plan.needsExchange) reduce(all[0]!.bound);
          else for (const { bound } of all) reduce(bound);
          const size = Math.min(groupReplicas, replicas);
          const expected = (replica: number): Float64Array => {
            const lo = Math.floor(replica / size) * size;
            return foldTreeRef(leaves.slice(lo, lo + size), combineBy(combine));
          };
          for (const { lo, hi, bound } of all) {
            for (let i = 0; i < hi - lo; i++) {
              expect(view(bound.resultPtr(i))).toEqual(expected(lo + i));
            }
            expect(bound.groupPtrs.map((ptr) => view(ptr).slice())).toEqual(
              Array.from({ length: Math.ceil(replicas / size) }, (_, g) => expected(g * size)),
            );
          }
        }
        expect(counts.synchronizations).toBe(plan.needsExchange ? workers * STEPS : 0);
      }
    }
  });

  it('synchronizes only where a group spans workers', () => {
    const needsExchange = (replicas: number, workers: number, groupReplicas: number): boolean =>
      bindAll('sums', replicas, workers, groupReplicas).plan.needsExchange;
    expect(needsExchange(8, 1, Number.POSITIVE_INFINITY)).toBe(false);
    expect(needsExchange(8, 2, Number.POSITIVE_INFINITY)).toBe(true);
    expect(needsExchange(8, 2, 1)).toBe(false);
    expect(needsExchange(8, 2, 4)).toBe(false);
    expect(needsExchange(8, 2, 3)).toBe(true);
    expect(needsExchange(8, 3, 4)).toBe(true);
  });
});
