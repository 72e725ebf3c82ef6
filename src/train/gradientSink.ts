// Takes the gradients of one parameter in, replica by replica, and folds them along the replica
// tree up to the subtrees that this worker covers, where all workers can read them. Partial sums
// wait on a stack that is as deep as the tree; the layers use its memory one after the other.

import { foldsAfterLeaf, type TreeNode } from '../base/tree.ts';
import type { KernelExports } from '../kernels/exports.ts';
import type { GradientSink } from '../nn/layers/layer.ts';

export interface SinkSetup {
  readonly kernels: KernelExports;
  readonly length: number;
  readonly isWide: boolean;
  /** Index of this worker's first replica. */
  readonly firstReplica: number;
  readonly nodes: readonly TreeNode[];
  /** Where the parameter's gradient lies in each of these nodes. */
  readonly nodePtrs: readonly number[];
  /** Where a replica writes, and behind it the levels of the stack. */
  readonly leafPtr: number;
  readonly levelBytes: number;
}

const FLOATS_PER_DOUBLE = 2;

/** Binds the sink of one parameter. */
export function bindGradientSink(setup: SinkSetup): GradientSink {
  const { kernels, length, isWide, leafPtr, levelBytes, nodes, nodePtrs } = setup;
  const nodeOf: number[] = [];
  for (const [i, node] of nodes.entries()) {
    for (let replica = node.lo; replica < node.hi; replica++) nodeOf.push(i);
  }
  let countPartials = 0;
  const floats = isWide ? length * FLOATS_PER_DOUBLE : length;

  // The lowest partial of a subtree lies in its node, the others on the stack behind the leaf.
  const partialPtr = (nodePtr: number, level: number): number =>
    level === 0 ? nodePtr : leafPtr + level * levelBytes;
  const add = (intoPtr: number, fromPtr: number): void => {
    if (isWide) kernels.addF64(intoPtr, intoPtr, fromPtr, length);
    else kernels.addF32(intoPtr, intoPtr, fromPtr, length);
  };

  return {
    leafPtr,
    fold(localReplica) {
      const i = nodeOf[localReplica]!;
      const node = nodes[i]!;
      const nodePtr = nodePtrs[i]!;
      const leaf = setup.firstReplica + localReplica - node.lo;
      const folds = foldsAfterLeaf(leaf, node.hi - node.lo);
      if (folds === 0) {
        const toPtr = partialPtr(nodePtr, countPartials);
        kernels.copyF32(toPtr, leafPtr, floats);
        countPartials++;
      } else {
        // The first fold takes the leaf from where it is.
        add(partialPtr(nodePtr, countPartials - 1), leafPtr);
        for (let n = 1; n < folds; n++) {
          countPartials--;
          add(partialPtr(nodePtr, countPartials - 1), partialPtr(nodePtr, countPartials));
        }
      }
      if (leaf === node.hi - node.lo - 1) countPartials = 0;
    },
  };
}
