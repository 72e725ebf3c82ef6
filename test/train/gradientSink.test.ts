import { describe, expect, it } from 'vitest';
import { coverNodes, finishSchedule, stackDepth } from '../../src/base/tree.ts';
import { workerReplicas } from '../../src/data/sampler.ts';
import { foldTreeRef } from '../../src/kernels/reference/fold.ts';
import { bindGradientSink } from '../../src/train/gradientSink.ts';
import { createFixture, testValues } from '../kernels/fixture.ts';

const REPLICAS = Array.from({ length: 20 }, (_, i) => i + 1);
const LENGTH = 5;
const STEPS = 2;

const fixture = createFixture('strict', 16);
const { kernels } = fixture;

type Numbers = Float32Array | Float64Array;

/** Numbers of very different sizes, so that another order of additions gives other bits. */
function leavesOf(replicas: number, isWide: boolean, step: number): Numbers[] {
  return Array.from({ length: replicas }, (_, replica) => {
    const values = testValues(LENGTH, 10 ** (replica % 7), replica + 31 * step);
    return isWide ? Float64Array.from(values, (value) => value / 3) : values;
  });
}

function add(left: Numbers, right: Numbers): Numbers {
  return left.map((value, i) => value + right[i]!) as Numbers;
}

/** Folds all leaves through the sinks of all workers; returns what every published node holds. */
function foldThroughSinks(replicas: number, workers: number, isWide: boolean): Numbers[][] {
  fixture.reset();
  const bytes = isWide ? 8 : 4;
  const view = (ptr: number): Numbers =>
    isWide ? fixture.f64(ptr, LENGTH) : fixture.f32(ptr, LENGTH);
  const sinks = Array.from({ length: workers }, (_, worker) => {
    const { lo, hi } = workerReplicas(replicas, workers, worker);
    const nodes = coverNodes(0, replicas, lo, hi);
    const nodePtrs = nodes.map(() => fixture.reserve(LENGTH, bytes));
    const depth = stackDepth(hi - lo);
    const leafPtr = fixture.reserve(depth * LENGTH, bytes);
    const endPtr = leafPtr + depth * LENGTH * bytes;
    const levelBytes = LENGTH * bytes;
    const places = { nodes, nodePtrs, leafPtr, levelBytes, firstReplica: lo };
    const sink = bindGradientSink({ kernels, length: LENGTH, isWide, ...places });
    return { sink, nodePtrs, lo, hi, endPtr };
  });
  const published: Numbers[][] = [];
  for (let step = 0; step < STEPS; step++) {
    const leaves = leavesOf(replicas, isWide, step);
    for (const { sink, lo, hi, endPtr } of sinks) {
      for (let replica = lo; replica < hi; replica++) {
        view(sink.leafPtr).set(leaves[replica]!);
        sink.fold(replica - lo);
      }
      expect(fixture.f32(endPtr, 1)[0]).toBeNaN();
    }
    published.push(sinks.flatMap(({ nodePtrs }) => nodePtrs.map((ptr) => view(ptr).slice())));
  }
  return published;
}

describe.each([
  ['float32', false],
  ['float64', true],
] as const)('gradients summed in %s', (_type, isWide) => {
  it.each(REPLICAS)(
    'of %d replicas fold to the same bits for any number of workers',
    (replicas) => {
      for (let workers = 1; workers <= replicas; workers++) {
        const nodes = Array.from({ length: workers }, (_, worker) => {
          const { lo, hi } = workerReplicas(replicas, workers, worker);
          return coverNodes(0, replicas, lo, hi);
        }).flat();
        for (const [step, published] of foldThroughSinks(replicas, workers, isWide).entries()) {
          const leaves = leavesOf(replicas, isWide, step);
          for (const [i, { lo, hi }] of nodes.entries()) {
            expect(published[i]).toEqual(foldTreeRef(leaves, add, lo, hi));
          }
          const { folds, root } = finishSchedule(0, replicas, nodes);
          const temporaries: Numbers[] = [];
          const at = (operand: number): Numbers =>
            operand >= 0 ? published[operand]! : temporaries[-1 - operand]!;
          for (const { into, left, right } of folds)
            temporaries[-1 - into] = add(at(left), at(right));
          expect(at(root)).toEqual(foldTreeRef(leaves, add));
        }
      }
    },
  );
});
