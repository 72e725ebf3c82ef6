// Reductions over sync groups, planned and bound: each worker folds its grains' vectors in place up
// to the largest subtrees that it covers, one synchronization publishes them, and everybody
// finishes the same tree. A group that lies within one worker needs no synchronization, nor does
// any when all groups do.

import { alignUp, DOUBLE_BYTES } from '../base/bytes.ts';
import type { KernelExports } from '../kernels/exports.ts';
import type { LayoutBuilder } from '../memory/layout.ts';
import { type PublishedRange, prepareCall } from '../sync/call.ts';
import type { Member } from '../sync/group.ts';
import { countTemporaries, type Fold, foldsInPlace, foldsToRoot } from './folds.ts';
import { type GrainCut, groupGrains } from './grains.ts';
import {
  type BoundGroup,
  type BoundReduction,
  type Combine,
  type ReductionDeclaration,
  vectorLength,
} from './reduction.ts';
import { coverNodes, type Span } from './tree.ts';

export interface ReductionPlan {
  readonly name: string;
  readonly declared: ReductionDeclaration;
  /** Where the vector of each grain lies. */
  readonly leafPtrs: readonly number[];
  /** Whether any group spans workers. Alike on all of them. */
  readonly needsExchange: boolean;
  readonly workers: readonly {
    /** Before the synchronization: up to the published subtrees. */
    readonly own: readonly Fold[];
    /** After it: up to the root of every group that this worker is in. */
    readonly finish: readonly Fold[];
    readonly groups: readonly BoundGroup[];
    /** What the others read after the synchronization. */
    readonly published: readonly PublishedRange[];
    /** The folded vectors of the groups whose first grain is here, which whoever updates running
     * statistics reads after the gradients' synchronization. */
    readonly folded: readonly PublishedRange[];
  }[];
  /** Where the folded vector of each group lies, on the worker of its first grain. */
  readonly groupPtrs: readonly number[];
}

/** How a batch is cut, and which of its grains each worker has. */
export interface GrainPlan {
  readonly cut: GrainCut;
  readonly ranges: readonly Span[];
}

const ALIGN_DOUBLES = 16;

/** Places a reduction in the arena and works out its folds. */
export function planReduction(
  builder: LayoutBuilder,
  name: string,
  declared: ReductionDeclaration,
  { cut, ranges }: GrainPlan,
): ReductionPlan {
  const length = vectorLength(declared.combine, declared.channels);
  // Vectors of different workers never share a cache line.
  const stride = alignUp(length, ALIGN_DOUBLES);
  const leaves = builder.add({
    name: `${name}.grains`,
    type: 'f64',
    shape: [cut.count, stride],
    writer: 'the rank of the grain',
  });
  const leafPtrs = Array.from(
    { length: cut.count },
    (_, grain) => leaves.offsetBytes + grain * stride * DOUBLE_BYTES,
  );
  const groups = groupsOf(cut, declared.groupReplicas);
  const sizeBytes = length * DOUBLE_BYTES;
  const groupPtrs: number[] = [];
  let needsExchange = false;
  const workers = ranges.map((range, rank) => {
    const own: Fold[] = [];
    const finish: Fold[] = [];
    const local: BoundGroup[] = [];
    const published: PublishedRange[] = [];
    const folded: PublishedRange[] = [];
    for (const [g, group] of groups.entries()) {
      const covered = coverNodes(group, range);
      if (covered.length === 0) continue;
      for (const node of covered) own.push(...foldsInPlace(node, (leaf) => leafPtrs[leaf]!));
      const nodes = ranges
        .flatMap((other) => coverNodes(group, other))
        .map((node) => ({ ...node, ptr: leafPtrs[node.lo]! }));
      if (nodes.length > 1) {
        needsExchange = true;
        for (const { lo } of covered) published.push({ offsetBytes: leafPtrs[lo]!, sizeBytes });
      }
      const temporariesPtr =
        nodes.length === 1
          ? 0
          : builder.add({
              name: `${name}.rank ${rank} group ${g}`,
              type: 'f64',
              shape: [countTemporaries(group.hi - group.lo), length],
              writer: `rank ${rank}`,
            }).offsetBytes;
      const { folds, rootPtr } = foldsToRoot(
        group,
        nodes,
        (index) => temporariesPtr + index * length * DOUBLE_BYTES,
      );
      finish.push(...folds);
      if (group.lo >= range.lo) {
        groupPtrs[g] = rootPtr;
        folded.push({ offsetBytes: rootPtr, sizeBytes });
      }
      local.push({
        lo: Math.max(group.lo, range.lo) - range.lo,
        hi: Math.min(group.hi, range.hi) - range.lo,
        resultPtr: rootPtr,
      });
    }
    return { own, finish, groups: local, published, folded };
  });
  return { name, declared, leafPtrs, needsExchange, workers, groupPtrs };
}

/** How many groups of this size have grains in a range: as many as a bound reduction has. */
export function countGroups(
  cut: GrainCut,
  range: Span,
  groupReplicas: ReductionDeclaration['groupReplicas'],
): number {
  return groupsOf(cut, groupReplicas).filter(({ lo, hi }) => lo < range.hi && hi > range.lo).length;
}

function groupsOf(
  cut: GrainCut,
  groupReplicas: ReductionDeclaration['groupReplicas'],
): readonly Span[] {
  const size = groupReplicas === 'none' ? 1 : groupGrains(cut, groupReplicas);
  return Array.from({ length: Math.ceil(cut.count / size) }, (_, g) => ({
    lo: g * size,
    hi: Math.min((g + 1) * size, cut.count),
  }));
}

/** Binds what folds vectors. */
export function bindCombine(
  kernels: KernelExports,
  combine: Combine,
  channels: number,
): (folds: readonly Fold[]) => void {
  if (combine === 'moments') {
    return (folds) => {
      for (const { intoPtr, leftPtr, rightPtr } of folds) {
        kernels.mergeMoments(intoPtr, leftPtr, rightPtr, channels);
      }
    };
  }
  const length = vectorLength(combine, channels);
  return (folds) => {
    for (const { intoPtr, leftPtr, rightPtr } of folds) {
      kernels.addF64(intoPtr, leftPtr, rightPtr, length);
    }
  };
}

/** Binds a planned reduction to a worker with these grains; `beside` is what else its call
 * publishes. */
export function bindReduction(
  plan: ReductionPlan,
  kernels: KernelExports,
  member: Member,
  grains: Span,
  beside: readonly PublishedRange[] = [],
): BoundReduction {
  const { own, finish, groups, published } = plan.workers[member.rank]!;
  const { combine, channels } = plan.declared;
  const length = vectorLength(combine, channels);
  const publishes = [...published, ...beside];
  const what = { kind: combine, label: plan.name, type: 'float64', length };
  const call = prepareCall({ ...what, publishes });
  const run = bindCombine(kernels, combine, channels);
  return {
    leafPtr: (grain) => plan.leafPtrs[grains.lo + grain]!,
    publish: () => run(own),
    exchange() {
      if (plan.needsExchange) member.sync(call);
    },
    finish: () => run(finish),
    groups,
    groupPtrs: plan.groupPtrs,
  };
}

/** Binds one exchange for the vectors of two reductions. */
export function bindSharedExchange(
  plans: readonly [ReductionPlan, ReductionPlan],
  member: Member,
  beside: readonly PublishedRange[] = [],
): () => void {
  const [a, b] = plans;
  const { combine, channels } = a.declared;
  const length = vectorLength(combine, channels) + vectorLength(combine, b.declared.channels);
  const label = `${a.name} and ${b.name}`;
  const publishes = [...plans.flatMap(({ workers }) => workers[member.rank]!.published), ...beside];
  const call = prepareCall({ kind: combine, label, type: 'float64', length, publishes });
  return () => {
    if (a.needsExchange || b.needsExchange) member.sync(call);
  };
}
