import { describe, expect, it } from 'vitest';
import { foldTreeRef } from '../../src/kernels/reference/fold.ts';
import {
  countTemporaries,
  type Fold,
  foldsInOrder,
  foldsInPlace,
  foldsToRoot,
} from '../../src/reduce/folds.ts';
import { grainRanges } from '../../src/reduce/grains.ts';
import { coverNodes, type Span, splitSize, treeDepth } from '../../src/reduce/tree.ts';

const SIZES = Array.from({ length: 20 }, (_, i) => i + 1);

const join = (left: string, right: string): string => `(${left}${right})`;
const letters = (lo: number, hi: number): string[] =>
  Array.from({ length: hi - lo }, (_, i) => String.fromCharCode(97 + lo + i));

/** The folds of a subtree, spelled out. */
const spell = (node: Span): string => foldTreeRef(letters(node.lo, node.hi), join);

/** Runs folds over places that hold what has been folded so far, spelled out. */
function run(places: string[], folds: readonly Fold[]): void {
  for (const { intoPtr, leftPtr, rightPtr } of folds) {
    places[intoPtr] = join(places[leftPtr]!, places[rightPtr]!);
  }
}

const rangesOf = (size: number, workers: number): readonly Span[] =>
  grainRanges({ count: size, shards: 1 }, workers);

describe('the tree over grains', () => {
  it('splits at the largest power of two below the size', () => {
    expect([2, 3, 4, 5, 7, 8, 9, 17].map(splitSize)).toEqual([1, 2, 2, 4, 4, 4, 8, 16]);
  });

  it.each(SIZES)('is covered by the largest subtrees of any range of %d leaves', (size) => {
    const tree = { lo: 0, hi: size };
    for (let lo = 0; lo < size; lo++) {
      for (let hi = lo + 1; hi <= size; hi++) {
        const nodes = coverNodes(tree, { lo, hi });
        let at = lo;
        for (const node of nodes) {
          expect(node.lo).toBe(at);
          at = node.hi;
        }
        expect(at).toBe(hi);
        // Every node is a subtree of the whole tree, and no two are the halves of a larger one.
        const whole = spell(tree);
        for (const node of nodes) expect(whole).toContain(spell(node));
        for (const [i, node] of nodes.slice(1).entries()) {
          expect(whole).not.toContain(join(spell(nodes[i]!), spell(node)));
        }
      }
    }
    expect(coverNodes(tree, { lo: 1, hi: 1 })).toEqual([]);
    expect(coverNodes(tree, { lo: size, hi: size + 3 })).toEqual([]);
  });

  it.each(SIZES)('of %d leaves folds in place, with the root in place of the first', (size) => {
    for (let lo = 0; lo < 3; lo++) {
      const node = { lo, hi: lo + size };
      const places = letters(0, node.hi);
      run(
        places,
        foldsInPlace(node, (leaf) => leaf),
      );
      expect(places[lo]).toBe(spell(node));
    }
  });

  it.each(SIZES)('of %d leaves folds on a stack of at most its depth', (size) => {
    const stack: string[] = [];
    let deepest = 0;
    const leaves = foldsInOrder({ lo: 0, hi: size }, (level) => {
      deepest = Math.max(deepest, level + 1);
      return level;
    });
    expect(leaves).toHaveLength(size);
    for (const [i, { ptr, folds }] of leaves.entries()) {
      stack[ptr] = letters(i, i + 1)[0]!;
      run(stack, folds);
    }
    expect(stack[0]).toBe(spell({ lo: 0, hi: size }));
    expect(deepest).toBeLessThanOrEqual(treeDepth(size));
  });

  it.each(SIZES)('of %d leaves is the same tree for any published nodes', (size) => {
    const tree = { lo: 0, hi: size };
    for (let workers = 1; workers <= size; workers++) {
      const published = rangesOf(size, workers)
        .flatMap((range) => coverNodes(tree, range))
        .map((node, i) => ({ ...node, ptr: 100 + i }));
      const { folds, rootPtr } = foldsToRoot(tree, published, (index) => {
        expect(index).toBeLessThan(countTemporaries(size));
        return index;
      });
      const places: string[] = [];
      for (const { ptr, ...node } of published) places[ptr] = spell(node);
      const before = [...places];
      run(places, folds);
      expect(places[rootPtr]).toBe(spell(tree));
      // What is published is only read.
      for (const { ptr } of published) expect(places[ptr]).toBe(before[ptr]);
    }
  });
});
