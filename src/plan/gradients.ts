// The way of the gradients from grains to weights: who folds which blocks, from which subtrees, and
// who updates them. In one process a worker folds the blocks that it updates. Several processes
// share the folding out: each gets the subtrees of all others for its blocks alone, and sends what
// it has folded to all, so that every process updates all weights and has the whole state.

import { FLOAT_BYTES } from '../base/bytes.ts';
import type { LayoutBuilder, Region } from '../memory/layout.ts';
import type { PublishedNode } from '../reduce/folds.ts';
import type { GrainPlan } from '../reduce/grains.ts';
import { coverNodes, type Span } from '../reduce/tree.ts';
import type { ArenaRange, ExchangedRanges } from '../sync/call.ts';
import { ownedBlocks, type ParameterBlock, type ParameterPlan } from './parameters.ts';
import type { WorkerPlan } from './workerPlan.ts';

/** Blocks from `lo` up to, not including, `hi`. */
export type BlockRange = Span;

/** A subtree of the tree over grains with the gradients of some blocks in it. */
export interface PlacedNode extends Span {
  /** Where element 0 of a node would lie, for float32 and float64; only the elements of those
   * blocks are there. */
  readonly ptrs: Readonly<Record<NodeType, number>>;
}

export interface GradientPlan {
  /** What each worker of this process folds, and what it updates. */
  readonly folded: readonly BlockRange[];
  readonly updated: readonly BlockRange[];
  /** From these each folds its blocks up to the root. */
  readonly nodes: readonly PlacedNode[];
  /** The subtrees of this process's workers, from which {@link nodes} of its own are merged. */
  readonly workerNodes: readonly PlacedNode[];
  /** The own ones among {@link nodes}. */
  readonly ownNodes: readonly Span[];
  /** From all processes to those that fold. */
  readonly toFolding: ExchangedRanges;
  /** What is folded, to all. */
  readonly toAll: ExchangedRanges;
}

const TYPES = ['narrow', 'wide'] as const;
type NodeType = (typeof TYPES)[number];
const BYTES: Readonly<Record<NodeType, number>> = { narrow: 4, wide: 8 };
const ELEMENT_TYPES = { narrow: 'f32', wide: 'f64' } as const;

/** Shares the blocks out and places what comes from other processes. */
export function planGradients(
  builder: LayoutBuilder,
  of: {
    readonly parameters: ParameterPlan;
    readonly gradients: Region<'f32'>;
    readonly grains: GrainPlan;
    readonly workers: readonly Pick<WorkerPlan, 'nodes'>[];
  },
): GradientPlan {
  const { parameters, gradients, grains, workers } = of;
  const { blocks } = parameters;
  const { processes, process } = grains;
  const byProcess = ownedBlocks(blocks, processes.length);
  const own = byProcess[process]!;
  const updated = ownedBlocks(blocks, workers.length);
  const folded = ownedBlocks(blocks.slice(own.lo, own.hi), workers.length).map(({ lo, hi }) => ({
    lo: own.lo + lo,
    hi: own.lo + hi,
  }));
  const workerNodes = workers.flatMap(({ nodes }) => nodes.map(placedWhole));
  const isAlone = processes.length === 1;
  const tree = { lo: 0, hi: grains.cut.count };
  const ownNodes = isAlone ? workerNodes : coverNodes(tree, processes[process]!);
  const spans = TYPES.map((type) => spanOf(type, blocks, own));
  const received = processes.map((part, other) =>
    other === process
      ? []
      : coverNodes(tree, part).map((node) => placeReceived(builder, node, spans, other)),
  );
  const nodes = isAlone
    ? workerNodes
    : processes.flatMap((_, other) =>
        other === process
          ? ownNodes.map((node) => firstOf(node, workerNodes))
          : received[other]!.map(({ node }) => node),
      );
  const rangesTo = (other: number): readonly ArenaRange[] => {
    const theirs = TYPES.map((type) => spanOf(type, blocks, byProcess[other]!));
    return ownNodes.flatMap((node) => rangesIn(firstOf(node, workerNodes), theirs));
  };
  return {
    folded,
    updated,
    nodes,
    workerNodes,
    ownNodes,
    toFolding: {
      sends: processes.map((_, other) => (other === process ? [] : rangesTo(other))),
      receives: received.map((from) => from.flatMap(({ ranges }) => ranges)),
    },
    toAll: {
      sends: processes.map((_, other) =>
        other === process ? [] : foldedRange(gradients, blocks, own),
      ),
      receives: processes.map((_, other) =>
        other === process ? [] : foldedRange(gradients, blocks, byProcess[other]!),
      ),
    },
  };
}

function placedWhole(node: WorkerPlan['nodes'][number]): PlacedNode {
  const { lo, hi, narrow, wide } = node;
  return { lo, hi, ptrs: { narrow: narrow.offsetBytes, wide: wide.offsetBytes } };
}

/** Merged in place: a subtree of a process lies where its first worker's begins. */
function firstOf({ lo, hi }: Span, nodes: readonly PlacedNode[]): PlacedNode {
  return { lo, hi, ptrs: nodes.find((node) => node.lo === lo)!.ptrs };
}

/** Elements of a node, of one type. */
interface ElementSpan extends Span {
  readonly type: NodeType;
}

/** What blocks take of a node: contiguous, since they follow each other as their entries do. */
function spanOf(
  type: NodeType,
  blocks: readonly ParameterBlock[],
  { lo, hi }: BlockRange,
): ElementSpan {
  const those = blocks.slice(lo, hi).filter(({ entry }) => entry.isWide === (type === 'wide'));
  const first = those[0];
  const last = those[those.length - 1];
  if (first === undefined || last === undefined) return { type, lo: 0, hi: 0 };
  return {
    type,
    lo: first.entry.nodeOffset + first.start,
    hi: last.entry.nodeOffset + last.start + last.length,
  };
}

function rangesIn({ ptrs }: PlacedNode, spans: readonly ElementSpan[]): readonly ArenaRange[] {
  return spans.map(({ type, lo, hi }) => ({
    offsetBytes: ptrs[type] + lo * BYTES[type],
    sizeBytes: (hi - lo) * BYTES[type],
  }));
}

function placeReceived(
  builder: LayoutBuilder,
  { lo, hi }: Span,
  spans: readonly ElementSpan[],
  process: number,
): { readonly node: PlacedNode; readonly ranges: readonly ArenaRange[] } {
  const ptrs = { narrow: 0, wide: 0 };
  for (const { type, lo: from, hi: to } of spans) {
    const region = builder.add({
      name: `gradients.node ${lo}..${hi}.${ELEMENT_TYPES[type]} of process ${process}`,
      type: ELEMENT_TYPES[type],
      shape: [to - from],
      writer: 'rank 0',
    });
    ptrs[type] = region.offsetBytes - from * BYTES[type];
  }
  const node = { lo, hi, ptrs };
  return { node, ranges: rangesIn(node, spans) };
}

function foldedRange(
  { offsetBytes }: Region,
  blocks: readonly ParameterBlock[],
  { lo, hi }: BlockRange,
): readonly ArenaRange[] {
  const first = blocks[lo];
  const last = blocks[hi - 1];
  if (first === undefined || last === undefined || lo >= hi) return [];
  const from = first.entry.offset + first.start;
  const to = last.entry.offset + last.start + last.length;
  return [{ offsetBytes: offsetBytes + from * FLOAT_BYTES, sizeBytes: (to - from) * FLOAT_BYTES }];
}

/** The published nodes of a block, by address. */
export function nodesOfBlock(
  nodes: readonly PlacedNode[],
  { entry, start }: ParameterBlock,
): readonly PublishedNode[] {
  const type = entry.isWide ? 'wide' : 'narrow';
  const at = (entry.nodeOffset + start) * BYTES[type];
  return nodes.map(({ lo, hi, ptrs }) => ({ lo, hi, ptr: ptrs[type] + at }));
}
