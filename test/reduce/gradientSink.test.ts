import { describe, expect, it } from 'vitest';
import { foldTreeRef } from '../../src/kernels/reference/fold.ts';
import { foldsToRoot, levelsAcross } from '../../src/reduce/folds.ts';
import { bindAdditions, bindGradientSink } from '../../src/reduce/gradientSink.ts';
import { grainRanges, microBatchRanges } from '../../src/reduce/grains.ts';
import { coverNodes, type Span, treeDepth } from '../../src/reduce/tree.ts';
import { createFixture, testValues } from '../support/kernelFixture.ts';

const GRAINS = Array.from({ length: 20 }, (_, i) => i + 1);
const LENGTH = 5;
const STEPS = 2;

const fixture = createFixture('strict', 16);
const { kernels } = fixture;

type Numbers = Float32Array | Float64Array;

/** Numbers of very different sizes, so that another order of additions gives other bits. */
function leavesOf(grains: number, isWide: boolean, step: number): Numbers[] {
  return Array.from({ length: grains }, (_, grain) => {
    const values = testValues(LENGTH, 10 ** (grain % 7), grain + 31 * step);
    return isWide ? Float64Array.from(values, (value) => value / 3) : values;
  });
}

function add(left: Numbers, right: Numbers): Numbers {
  return left.map((value, i) => value + right[i]!) as Numbers;
}

interface Published {
  readonly lo: number;
  readonly hi: number;
  readonly ptr: number;
}

/** Binds the sinks of all workers; none writes beyond its stack. */
function bindSinks(grains: number, workers: number, isWide: boolean) {
  fixture.reset();
  const bytes = isWide ? 8 : 4;
  const tree = { lo: 0, hi: grains };
  return grainRanges({ count: grains, shards: 1 }, workers).map((range) => {
    const nodes = coverNodes(tree, range).map((node) => ({
      ...node,
      ptr: fixture.reserve(LENGTH, bytes),
    }));
    const levels = Math.max(...nodes.map(({ lo, hi }) => treeDepth(hi - lo))) - 1;
    const stackPtr = fixture.reserve(levels * LENGTH, bytes);
    const endPtr = stackPtr + levels * LENGTH * bytes;
    const levelBytes = LENGTH * bytes;
    const stack = { ptr: stackPtr, levelBytes };
    const waiting = { ...stack, count: 0 };
    const setup = { kernels, length: LENGTH, isWide, nodes, grains: range, waiting, stack };
    return { range, nodes, endPtr, sink: bindGradientSink(setup) };
  });
}

/** Binds the sinks of the micro-batches of a worker. */
function bindParts(grains: number, range: Span, parts: readonly Span[], isWide: boolean) {
  fixture.reset();
  const bytes = isWide ? 8 : 4;
  const levelBytes = LENGTH * bytes;
  const covered = coverNodes({ lo: 0, hi: grains }, range);
  const nodes = covered.map((node) => ({ ...node, ptr: fixture.reserve(LENGTH, bytes) }));
  const across = covered.flatMap((node) => parts.map(({ lo }) => levelsAcross(node, lo)));
  const count = Math.max(...across) - 1;
  const waiting = { ptr: fixture.reserve(count * LENGTH, bytes), levelBytes, count };
  const levels = treeDepth(grains);
  const stack = { ptr: fixture.reserve(levels * LENGTH, bytes), levelBytes };
  const sinks = parts.map((part) =>
    bindGradientSink({ kernels, length: LENGTH, isWide, nodes, grains: part, waiting, stack }),
  );
  const spoilStack = (): void => {
    const floats = (levels * levelBytes) / 4;
    fixture.f32(stack.ptr, floats).fill(Number.NaN);
  };
  return { nodes, sinks, spoilStack };
}

describe.each([
  ['float32', false],
  ['float64', true],
] as const)('gradients summed in %s', (_type, isWide) => {
  const view = (ptr: number): Numbers =>
    isWide ? fixture.f64(ptr, LENGTH) : fixture.f32(ptr, LENGTH);

  /** Folds the leaves of a step, and what is published to the root, as the plain tree does. */
  const expectFolded = (
    sinks: ReturnType<typeof bindSinks>,
    grains: number,
    step: number,
  ): void => {
    const leaves = leavesOf(grains, isWide, step);
    for (const { sink, range, endPtr } of sinks) {
      for (let grain = range.lo; grain < range.hi; grain++) {
        view(sink.leafPtr(grain - range.lo)).set(leaves[grain]!);
        sink.fold(grain - range.lo);
      }
      expect(fixture.f32(endPtr, 1)[0]).toBeNaN();
    }
    const nodes: readonly Published[] = sinks.flatMap((bound) => bound.nodes);
    for (const { lo, hi, ptr } of nodes)
      expect(view(ptr)).toEqual(foldTreeRef(leaves, add, lo, hi));
    const temporaries = Array.from({ length: treeDepth(grains) }, () =>
      fixture.reserve(LENGTH, isWide ? 8 : 4),
    );
    const { folds, rootPtr } = foldsToRoot({ lo: 0, hi: grains }, nodes, (i) => temporaries[i]!);
    bindAdditions(kernels, isWide)(folds, LENGTH);
    expect(view(rootPtr)).toEqual(foldTreeRef(leaves, add));
  };

  it.each(GRAINS)('of %d grains fold to the same bits in parts of several ranges', (grains) => {
    const third = Math.floor(LENGTH / 3);
    // The first and the last third, and what lies between.
    const parts = [
      [
        { offset: 0, length: third },
        { offset: LENGTH - third, length: third },
      ],
      [{ offset: third, length: LENGTH - 2 * third }],
    ];
    for (const workers of new Set([1, Math.ceil(grains / 2)])) {
      const leaves = leavesOf(grains, isWide, 0);
      for (const { sink, range, nodes, endPtr } of bindSinks(grains, workers, isWide)) {
        for (const ranges of parts) {
          const part = sink.part!(ranges);
          for (let grain = range.lo; grain < range.hi; grain++) {
            for (const [i, ptr] of part.leafPtrs(grain - range.lo).entries()) {
              const { offset, length } = ranges[i]!;
              view(ptr)
                .subarray(0, length)
                .set(leaves[grain]!.slice(offset, offset + length));
            }
            part.fold(grain - range.lo);
          }
        }
        expect(fixture.f32(endPtr, 1)[0]).toBeNaN();
        for (const { lo, hi, ptr } of nodes) {
          expect(view(ptr)).toEqual(foldTreeRef(leaves, add, lo, hi));
        }
      }
    }
  });

  it.each(GRAINS)('of %d grains fold to the same bits in micro-batches', (grains) => {
    const leaves = leavesOf(grains, isWide, 0);
    for (const workers of new Set([1, Math.ceil(grains / 3)])) {
      for (const range of grainRanges({ count: grains, shards: 1 }, workers)) {
        for (const count of [2, 3, 8]) {
          const parts = microBatchRanges({ count: grains, shards: 1 }, range, count);
          const { nodes, sinks, spoilStack } = bindParts(grains, range, parts, isWide);
          for (const inNodes of [false, true]) {
            for (const [m, part] of parts.entries()) {
              // Meanwhile other layers use the stack.
              spoilStack();
              const sink = sinks[m]!;
              if (inNodes) {
                for (const [n, { lo, hi, ptr }] of sink.nodes!.entries()) {
                  view(ptr).set(foldTreeRef(leaves, add, lo, hi));
                  sink.foldNode!(n);
                }
                continue;
              }
              for (let grain = part.lo; grain < part.hi; grain++) {
                view(sink.leafPtr(grain - part.lo)).set(leaves[grain]!);
                sink.fold(grain - part.lo);
              }
            }
            for (const { lo, hi, ptr } of nodes) {
              expect(view(ptr)).toEqual(foldTreeRef(leaves, add, lo, hi));
              view(ptr).fill(Number.NaN);
            }
          }
        }
      }
    }
  });

  it.each(GRAINS)('of %d grains fold to the same bits for any number of workers', (grains) => {
    for (let workers = 1; workers <= grains; workers++) {
      const sinks = bindSinks(grains, workers, isWide);
      for (let step = 0; step < STEPS; step++) expectFolded(sinks, grains, step);
    }
  });
});
