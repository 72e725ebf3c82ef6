// Reductions over sync groups, planned and bound: each worker folds its grains' vectors in place up
// to the largest subtrees that it covers, one synchronization publishes them, and every worker
// finishes the same tree. There is no synchronization if each group is within one worker. Processes
// send each other the largest subtrees that they cover.

import { alignUp, DOUBLE_BYTES } from '../base/bytes.ts';
import type { KernelExports } from '../kernels/exports.ts';
import type { LayoutBuilder } from '../memory/layout.ts';
import {
  type ArenaRange,
  type ExchangedRanges,
  joinRanges,
  type ProcessExchange,
  prepareCall,
} from '../sync/call.ts';
import type { Member } from '../sync/group.ts';
import {
  countTemporaries,
  type Fold,
  foldsInPlace,
  foldsToRoot,
  mergesInPlace,
  type PublishedNode,
  type RootFolds,
} from './folds.ts';
import { type GrainCut, type GrainPlan, groupGrains } from './grains.ts';
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
  /** The address of each grain's vector. */
  readonly leafPtrs: readonly number[];
  /** Whether any group spans workers. The same on all workers of a process. */
  readonly needsExchange: boolean;
  /** For each worker, the groups that it is in. */
  readonly workers: readonly (readonly PlannedGroup[])[];
  /** The address of each group's folded vector: on the first worker here that has grains of it, or
   * where another process sends it. */
  readonly groupPtrs: readonly number[];
  /** Undefined if no group spans processes. The same on all processes. */
  readonly between: ReductionBetween | undefined;
  /** The folded vectors of groups in other processes, which the worker that updates running
   * statistics reads. They are sent with the gradients. */
  readonly folded: ExchangedRanges;
}

/** A group's part on one worker. */
export interface PlannedGroup extends BoundGroup {
  /** The folds before the synchronization, up to the published subtrees. */
  readonly own: readonly Fold[];
  /** The folds after it, up to the root. */
  readonly finish: readonly Fold[];
}

/** What processes do in a reduction. */
export interface ReductionBetween extends ExchangedRanges {
  /** The folds from the subtrees that the workers of this process publish to the largest subtrees
   * of the process. */
  readonly merges: readonly Fold[];
}

const ALIGN_DOUBLES = 16;

/** Places a reduction in the arena and works out its folds. */
export function planReduction(
  builder: LayoutBuilder,
  name: string,
  declared: ReductionDeclaration,
  grains: GrainPlan,
): ReductionPlan {
  const { cut, ranges } = grains;
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
  const between = planBetween(groups, grains, leafPtrs, length);
  const parts = between === undefined ? ranges : grains.processes;
  const groupPtrs = groups.map(({ lo }) => leafPtrs[lo]!);
  const isGroupHere = groups.map(() => false);
  let needsExchange = between !== undefined;
  const workers = ranges.map((range, rank) =>
    groups.flatMap((group, g): PlannedGroup[] => {
      const covered = coverNodes(group, range);
      if (covered.length === 0) return [];
      const nodes = nodesOf(group, parts, leafPtrs);
      needsExchange ||= nodes.length > 1;
      const place = `${name}.rank ${rank} group ${g}`;
      const { folds, rootPtr } = planFinish(builder, place, { group, nodes, length, rank });
      if (!isGroupHere[g]) groupPtrs[g] = rootPtr;
      isGroupHere[g] = true;
      return [
        {
          ...clippedTo(range, group),
          resultPtr: rootPtr,
          own: covered.flatMap((node) => foldsInPlace(node, (leaf) => leafPtrs[leaf]!)),
          finish: folds,
        },
      ];
    }),
  );
  const folded = planFolded(groups, grains, groupPtrs, length);
  return { name, declared, leafPtrs, needsExchange, workers, groupPtrs, between, folded };
}

/** The part of a span in a range, counted from the start of the range. */
function clippedTo(range: Span, { lo, hi }: Span): Span {
  return { lo: Math.max(lo, range.lo) - range.lo, hi: Math.min(hi, range.hi) - range.lo };
}

/** A worker's folds from published subtrees to the root of a group, with space for them. */
function planFinish(
  builder: LayoutBuilder,
  name: string,
  of: {
    readonly group: Span;
    readonly nodes: readonly PublishedNode[];
    readonly length: number;
    readonly rank: number;
  },
): RootFolds {
  const { group, nodes, length, rank } = of;
  if (nodes.length === 1) return { folds: [], rootPtr: nodes[0]!.ptr };
  const { offsetBytes } = builder.add({
    name,
    type: 'f64',
    shape: [countTemporaries(group.hi - group.lo), length],
    writer: `rank ${rank}`,
  });
  return foldsToRoot(group, nodes, (index) => offsetBytes + index * length * DOUBLE_BYTES);
}

/** The subtrees of a group that each part publishes. */
function nodesOf(
  group: Span,
  parts: readonly Span[],
  leafPtrs: readonly number[],
): readonly PublishedNode[] {
  return parts
    .flatMap((part) => coverNodes(group, part))
    .map((node) => ({ ...node, ptr: leafPtrs[node.lo]! }));
}

/** Plans what processes send each other: the subtrees that each covers go to all processes that
 * have grains of their groups, to the same address. */
function planBetween(
  groups: readonly Span[],
  { ranges, processes, process }: GrainPlan,
  leafPtrs: readonly number[],
  length: number,
): ReductionBetween | undefined {
  const isIn = (group: Span, { lo, hi }: Span): boolean => group.lo < hi && group.hi > lo;
  const spans = (group: Span): boolean => processes.filter((part) => isIn(group, part)).length > 1;
  if (!groups.some(spans)) return undefined;
  const here = processes[process]!;
  const sizeBytes = length * DOUBLE_BYTES;
  const sentBy = (from: Span, to: Span): readonly ArenaRange[] =>
    groups
      .filter((group) => isIn(group, from) && isIn(group, to))
      .flatMap((group) => coverNodes(group, from))
      .map(({ lo }) => ({ offsetBytes: leafPtrs[lo]!, sizeBytes }));
  return {
    merges: groups.flatMap((group) => {
      const published = nodesOf(group, ranges, leafPtrs);
      return coverNodes(group, here).flatMap((node) => mergesInPlace(node, published));
    }),
    sends: processes.map((other, i) => (i === process ? [] : sentBy(here, other))),
    receives: processes.map((other, i) => (i === process ? [] : sentBy(other, here))),
  };
}

/** Plans the transfer of each group's vector from the process of its first grain to those without
 * grains of the group, where the place of the first grain is free. */
function planFolded(
  groups: readonly Span[],
  { processes, process }: GrainPlan,
  groupPtrs: readonly number[],
  length: number,
): ExchangedRanges {
  const sizeBytes = length * DOUBLE_BYTES;
  const sentBy = (from: Span, to: Span): readonly ArenaRange[] =>
    groups.flatMap(({ lo, hi }, g) => {
      const isHome = lo >= from.lo && lo < from.hi;
      const isKnown = lo < to.hi && hi > to.lo;
      return isHome && !isKnown ? [{ offsetBytes: groupPtrs[g]!, sizeBytes }] : [];
    });
  const here = processes[process]!;
  return {
    sends: processes.map((other, i) => (i === process ? [] : sentBy(here, other))),
    receives: processes.map((other, i) => (i === process ? [] : sentBy(other, here))),
  };
}

/** The number of groups of this size that have grains in a range, which is the number in a bound
 * reduction. */
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

/** Binds the function that folds vectors. */
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

/** Binds a planned reduction to a worker with these grains. */
export function bindReduction(
  plan: ReductionPlan,
  kernels: KernelExports,
  member: Member,
  grains: Span,
): BoundReduction {
  const groups = plan.workers[member.rank]!;
  const { own, finish } = foldsOf(groups);
  const { combine, channels } = plan.declared;
  const length = vectorLength(combine, channels);
  const what = { kind: combine, label: plan.name, type: 'float64', length };
  const call = prepareCall({ ...what, exchange: exchangeOf([plan], kernels) });
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

/** All folds of some groups. */
function foldsOf(groups: readonly PlannedGroup[]): Pick<PlannedGroup, 'own' | 'finish'> {
  return {
    own: groups.flatMap((group) => group.own),
    finish: groups.flatMap((group) => group.finish),
  };
}

/** Whether the micro-batches of a worker, with these grains, have to meet for a reduction because a
 * group extends beyond one of them. */
export function isOfSeveral(
  { needsExchange, workers }: ReductionPlan,
  rank: number,
  parts: readonly Span[],
): boolean {
  if (parts.length === 1) return false;
  const first = parts[0]!.lo;
  const borders = parts.slice(1).map(({ lo }) => lo - first);
  return (
    needsExchange ||
    workers[rank]!.some(({ lo, hi }) => borders.some((border) => lo < border && border < hi))
  );
}

/** Binds a worker's reduction for one of its several micro-batches, the one with the grains
 * `part`. */
export function bindPartOfReduction(
  plan: ReductionPlan,
  kernels: KernelExports,
  ofWorker: BoundReduction,
  of: {
    readonly rank: number;
    readonly grains: Span;
    readonly part: Span;
    readonly meets: boolean;
  },
): BoundReduction {
  const { rank, grains, part, meets } = of;
  const within = { lo: part.lo - grains.lo, hi: part.hi - grains.lo };
  const groups = plan.workers[rank]!.filter(({ lo, hi }) => lo < within.hi && hi > within.lo);
  const shared = {
    leafPtr: (grain: number) => ofWorker.leafPtr(within.lo + grain),
    groups: groups.map((group) => ({
      ...clippedTo(within, group),
      resultPtr: group.resultPtr,
    })),
    groupPtrs: ofWorker.groupPtrs,
    exchange() {},
  };
  if (meets) return { ...shared, ofWorker, publish() {}, finish() {} };
  const { combine, channels } = plan.declared;
  const run = bindCombine(kernels, combine, channels);
  const { own, finish } = foldsOf(groups);
  return { ...shared, publish: () => run(own), finish: () => run(finish) };
}

/** Binds one exchange for the vectors of two reductions. */
export function bindSharedExchange(
  plans: readonly [ReductionPlan, ReductionPlan],
  kernels: KernelExports,
  member: Member,
): () => void {
  const [a, b] = plans;
  const { combine, channels } = a.declared;
  const length = vectorLength(combine, channels) + vectorLength(combine, b.declared.channels);
  const label = `${a.name} and ${b.name}`;
  const what = { kind: combine, label, type: 'float64', length };
  const call = prepareCall({ ...what, exchange: exchangeOf(plans, kernels) });
  return () => {
    if (a.needsExchange || b.needsExchange) member.sync(call);
  };
}

/** What processes exchange in the call of these reductions, or undefined if nothing. */
function exchangeOf(
  plans: readonly ReductionPlan[],
  kernels: KernelExports,
): ProcessExchange | undefined {
  const bound = plans.flatMap(({ between, declared }) =>
    between === undefined
      ? []
      : [{ between, run: bindCombine(kernels, declared.combine, declared.channels) }],
  );
  if (bound.length === 0) return undefined;
  return {
    ...joinRanges(bound.map(({ between }) => between)),
    before() {
      for (let i = 0; i < bound.length; i++) bound[i]!.run(bound[i]!.between.merges);
    },
  };
}
