import { describe, expect, it } from 'vitest';
import {
  coverNodes,
  finishSchedule,
  foldsAfterLeaf,
  splitSize,
  stackDepth,
  type TreeNode,
} from '../../src/base/tree.ts';
import { workerReplicas } from '../../src/data/sampler.ts';
import { foldTreeRef } from '../../src/kernels/reference/fold.ts';

const SIZES = Array.from({ length: 20 }, (_, i) => i + 1);

const join = (left: string, right: string): string => `(${left}${right})`;
const letters = (lo: number, hi: number): string[] =>
  Array.from({ length: hi - lo }, (_, i) => String.fromCharCode(97 + lo + i));

/** The folds of a subtree, spelled out. */
const spell = (node: TreeNode): string => foldTreeRef(letters(node.lo, node.hi), join);

describe('the replica tree', () => {
  it('splits at the largest power of two below the size', () => {
    expect([2, 3, 4, 5, 7, 8, 9, 17].map(splitSize)).toEqual([1, 2, 2, 4, 4, 4, 8, 16]);
  });

  it.each(SIZES)('is covered by the largest subtrees of any range of %d leaves', (size) => {
    for (let lo = 0; lo < size; lo++) {
      for (let hi = lo + 1; hi <= size; hi++) {
        const nodes = coverNodes(0, size, lo, hi);
        let at = lo;
        for (const node of nodes) {
          expect(node.lo).toBe(at);
          at = node.hi;
        }
        expect(at).toBe(hi);
        // Every node is a subtree of the whole tree, and no two are the halves of a larger one.
        const whole = foldTreeRef(letters(0, size), join);
        for (const node of nodes) expect(whole).toContain(spell(node));
        for (const [i, node] of nodes.slice(1).entries()) {
          expect(whole).not.toContain(join(spell(nodes[i]!), spell(node)));
        }
      }
    }
    expect(coverNodes(0, size, 1, 1)).toEqual([]);
    expect(coverNodes(0, size, size, size + 3)).toEqual([]);
  });

  it.each(SIZES)('of %d leaves is the same tree whatever workers publish', (size) => {
    for (let workers = 1; workers <= size; workers++) {
      const nodes = Array.from({ length: workers }, (_, worker) => {
        const { lo, hi } = workerReplicas(size, workers, worker);
        return coverNodes(0, size, lo, hi);
      }).flat();
      const { folds, root, countTemporaries } = finishSchedule(0, size, nodes);
      const temporaries: string[] = [];
      const operandOf = (operand: number): string =>
        operand >= 0 ? spell(nodes[operand]!) : temporaries[-1 - operand]!;
      for (const { into, left, right } of folds) {
        expect(into).toBeLessThan(0);
        temporaries[-1 - into] = join(operandOf(left), operandOf(right));
      }
      expect(operandOf(root)).toBe(spell({ lo: 0, hi: size }));
      expect(temporaries.length).toBe(countTemporaries);
      expect(countTemporaries).toBeLessThanOrEqual(stackDepth(size));
    }
  });

  it.each(SIZES)('of %d leaves folds on a stack of at most its depth', (size) => {
    const stack: string[] = [];
    let deepest = 0;
    for (const [i, leaf] of letters(0, size).entries()) {
      stack.push(leaf);
      deepest = Math.max(deepest, stack.length);
      for (let n = foldsAfterLeaf(i, size); n > 0; n--) {
        const right = stack.pop()!;
        stack.push(join(stack.pop()!, right));
      }
    }
    expect(stack).toEqual([spell({ lo: 0, hi: size })]);
    expect(deepest).toBeLessThanOrEqual(stackDepth(size));
  });
});
