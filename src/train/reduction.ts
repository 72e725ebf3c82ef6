// Reductions over sync groups, planned and bound: each worker folds its replicas' vectors in place
// up to the largest subtrees that it covers, one synchronization publishes them, and everybody
// finishes the same tree. A group that lies within one worker needs no synchronization, nor does
// any when all groups do.

import { alignUp, DOUBLE_BYTES } from '../base/bytes.ts';
import { coverNodes, finishSchedule, splitSize, type TreeNode } from '../base/tree.ts';
import type { ReplicaRange } from '../data/sampler.ts';
import type { KernelExports } from '../kernels/exports.ts';
import type { LayoutBuilder } from '../memory/layout.ts';
import { type BoundReduction, type ReductionDeclaration, vectorLength } from '../norm/reducer.ts';
import { prepareCall } from '../sync/call.ts';
import type { Member } from '../sync/group.ts';

/** dst = a + b, by address. */
interface Fold {
  readonly intoPtr: number;
  readonly leftPtr: number;
  readonly rightPtr: number;
}

export interface ReductionPlan {
  readonly name: string;
  readonly declared: ReductionDeclaration;
  /** Where the vector of each replica lies. */
  readonly leafPtrs: readonly number[];
  /** Whether any group spans workers. Alike on all of them. */
  readonly needsExchange: boolean;
  readonly workers: readonly {
    /** Before the synchronization: up to the published subtrees. */
    readonly own: readonly Fold[];
    /** After it: up to the root of every group that this worker is in. */
    readonly finish: readonly Fold[];
    /** Where the folded vector of each local replica's group lies. */
    readonly resultPtrs: readonly number[];
  }[];
  /** Where the folded vector of each group lies, on the worker of its first replica. */
  readonly groupPtrs: readonly number[];
}

const ALIGN_DOUBLES = 16;

/** Places a reduction in the arena and works out its folds. */
export function planReduction(
  builder: LayoutBuilder,
  name: string,
  declared: ReductionDeclaration,
  ranges: readonly ReplicaRange[],
): ReductionPlan {
  const countReplicas = ranges[ranges.length - 1]!.hi;
  const length = vectorLength(declared.combine, declared.channels);
  // Vectors of different workers never share a cache line.
  const stride = alignUp(length, ALIGN_DOUBLES);
  const leaves = builder.add({
    name: `${name}.replicas`,
    type: 'f64',
    shape: [countReplicas, stride],
    writer: 'the rank of the replica',
  });
  const leafPtrs = Array.from(
    { length: countReplicas },
    (_, replica) => leaves.offsetBytes + replica * stride * DOUBLE_BYTES,
  );
  const size = Math.min(declared.groupReplicas, countReplicas);
  const groups: ReplicaRange[] = [];
  for (let lo = 0; lo < countReplicas; lo += size) {
    groups.push({ lo, hi: Math.min(lo + size, countReplicas) });
  }
  const groupPtrs: number[] = [];
  let needsExchange = false;
  const workers = ranges.map((range, rank) => {
    const own: Fold[] = [];
    const finish: Fold[] = [];
    const resultPtrs: number[] = [];
    for (const [g, group] of groups.entries()) {
      const lo = Math.max(group.lo, range.lo);
      const hi = Math.min(group.hi, range.hi);
      if (lo >= hi) continue;
      for (const node of coverNodes(group.lo, group.hi, lo, hi)) foldInPlace(own, node, leafPtrs);
      const nodes = ranges.flatMap((other) =>
        coverNodes(group.lo, group.hi, Math.max(group.lo, other.lo), Math.min(group.hi, other.hi)),
      );
      const schedule = finishSchedule(group.lo, group.hi, nodes);
      let temporariesPtr = 0;
      if (schedule.folds.length > 0) {
        needsExchange = true;
        temporariesPtr = builder.add({
          name: `${name}.rank ${rank} group ${g}`,
          type: 'f64',
          shape: [schedule.countTemporaries, length],
          writer: `rank ${rank}`,
        }).offsetBytes;
      }
      const ptrOf = (operand: number): number =>
        operand >= 0
          ? leafPtrs[nodes[operand]!.lo]!
          : temporariesPtr + (-1 - operand) * length * DOUBLE_BYTES;
      for (const { into, left, right } of schedule.folds) {
        finish.push({ intoPtr: ptrOf(into), leftPtr: ptrOf(left), rightPtr: ptrOf(right) });
      }
      const resultPtr = ptrOf(schedule.root);
      if (group.lo >= range.lo) groupPtrs[g] = resultPtr;
      for (let replica = lo; replica < hi; replica++) resultPtrs[replica - range.lo] = resultPtr;
    }
    return { own, finish, resultPtrs };
  });
  return { name, declared, leafPtrs, needsExchange, workers, groupPtrs };
}

/** The folds of a subtree whose vectors are all this worker's: the result takes the first one's
 * place. */
function foldInPlace(folds: Fold[], node: TreeNode, leafPtrs: readonly number[]): void {
  const size = node.hi - node.lo;
  if (size === 1) return;
  const mid = node.lo + splitSize(size);
  foldInPlace(folds, { lo: node.lo, hi: mid }, leafPtrs);
  foldInPlace(folds, { lo: mid, hi: node.hi }, leafPtrs);
  const intoPtr = leafPtrs[node.lo]!;
  folds.push({ intoPtr, leftPtr: intoPtr, rightPtr: leafPtrs[mid]! });
}

/** Binds a planned reduction to a worker. */
export function bindReduction(
  plan: ReductionPlan,
  kernels: KernelExports,
  member: Member,
  replicas: ReplicaRange,
): BoundReduction {
  const { own, finish, resultPtrs } = plan.workers[member.rank]!;
  const { combine, channels } = plan.declared;
  const length = vectorLength(combine, channels);
  const call = prepareCall({ kind: combine, label: plan.name, type: 'float64', length });
  const run = (folds: readonly Fold[]): void => {
    for (const { intoPtr, leftPtr, rightPtr } of folds) {
      if (combine === 'moments') kernels.mergeMoments(intoPtr, leftPtr, rightPtr, channels);
      else kernels.addF64(intoPtr, leftPtr, rightPtr, length);
    }
  };
  return {
    leafPtr: (localReplica) => plan.leafPtrs[replicas.lo + localReplica]!,
    publish: () => run(own),
    exchange() {
      if (plan.needsExchange) member.sync(call);
    },
    finish: () => run(finish),
    resultPtr: (localReplica) => resultPtrs[localReplica]!,
    groupPtrs: plan.groupPtrs,
  };
}

/** Binds one exchange for the vectors of two reductions. */
export function bindSharedExchange(
  plans: readonly [ReductionPlan, ReductionPlan],
  member: Member,
): () => void {
  const [a, b] = plans;
  const { combine, channels } = a.declared;
  const length = vectorLength(combine, channels) + vectorLength(combine, b.declared.channels);
  const label = `${a.name} and ${b.name}`;
  const call = prepareCall({ kind: combine, label, type: 'float64', length });
  return () => {
    if (a.needsExchange || b.needsExchange) member.sync(call);
  };
}
