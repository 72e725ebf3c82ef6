// The path of the gradients from grains to weights: which worker folds which blocks, from which
// subtrees, and which one updates them. In a single process a worker folds the blocks that it
// updates. Several processes divide the folding: each gets the subtrees of all others for its own
// blocks and sends the folded gradients to all, so every process updates all weights and has the
// whole state. Parts that backward finishes early are sent early.

import { FLOAT_BYTES } from '../base/bytes.ts';
import type { LayoutBuilder, Region } from '../memory/layout.ts';
import type { PublishedNode } from '../reduce/folds.ts';
import type { GrainPlan } from '../reduce/grains.ts';
import { coverNodes, type Span } from '../reduce/tree.ts';
import type { ArenaRange, ExchangedRanges } from '../sync/call.ts';
import type { PartBounds } from './gradientParts.ts';
import { ownedBlocks, type ParameterBlock, type ParameterPlan } from './parameters.ts';
import type { WorkerPlan } from './workerPlan.ts';

/** Blocks from `lo` up to, not including, `hi`. */
export type BlockRange = Span;

/** A subtree of the tree over grains that holds the gradients of some blocks. */
export interface PlacedNode extends Span {
  /** The address that element 0 of a node would have, for float32 and float64. Only the elements of
   * those blocks exist. */
  readonly ptrs: Readonly<Record<NodeType, number>>;
}

/** Blocks that are sent together, and the path of their gradients. */
export interface GradientPart extends PartBounds {
  /** The blocks for which each worker of this process merges the workers' subtrees, and those that
   * it folds. */
  readonly merged: readonly BlockRange[];
  readonly folded: readonly BlockRange[];
  /** The nodes from which each worker folds its blocks up to the root. */
  readonly nodes: readonly PlacedNode[];
  /** The elements of a node that these blocks occupy. */
  readonly spans: readonly ElementSpan[];
  /** The transfer from all processes to those that fold. */
  readonly toFolding: ExchangedRanges;
}

export interface GradientPlan {
  /** In the order in which backward finishes them. The last one needs all of backward. */
  readonly parts: readonly GradientPart[];
  /** The blocks that each worker of this process updates. */
  readonly updated: readonly BlockRange[];
  /** The subtrees of this process's workers, and those to which they are merged. */
  readonly workerNodes: readonly PlacedNode[];
  readonly ownNodes: readonly Span[];
  /** The transfer of folded gradients to all processes. */
  readonly toAll: ExchangedRanges;
}

const TYPES = ['narrow', 'wide'] as const;
type NodeType = (typeof TYPES)[number];
const BYTES: Readonly<Record<NodeType, number>> = { narrow: 4, wide: 8 };
const ELEMENT_TYPES = { narrow: 'f32', wide: 'f64' } as const;

interface GradientRequest {
  readonly parameters: ParameterPlan;
  readonly gradients: Region<'f32'>;
  readonly grains: GrainPlan;
  readonly workers: readonly Pick<WorkerPlan, 'nodes'>[];
  readonly parts: readonly PartBounds[];
}

/** Divides the blocks and places the data that other processes send. */
export function planGradients(builder: LayoutBuilder, request: GradientRequest): GradientPlan {
  const { parameters, gradients, grains, workers } = request;
  const { blocks } = parameters;
  const { processes, process } = grains;
  const workerNodes = workers.flatMap(({ nodes }) => nodes.map(placedWhole));
  const tree = { lo: 0, hi: grains.cut.count };
  const ownNodes = processes.length === 1 ? workerNodes : coverNodes(tree, processes[process]!);
  const shares = request.parts.map((part) => shareOut(blocks, part, processes.length));
  const parts = request.parts.map((bounds, i): GradientPart => {
    const share = shares[i]!;
    return {
      ...bounds,
      merged: shareOut(blocks, bounds, workers.length),
      folded: shareOut(blocks, share[process]!, workers.length),
      spans: spansOf(blocks, bounds),
      ...planTransfer(builder, request, { part: i, share, workerNodes, ownNodes }),
    };
  });
  const foldedBy = (other: number): readonly ArenaRange[] =>
    shares.flatMap((share) => foldedRange(gradients, blocks, share[other]!));
  return {
    parts,
    updated: ownedBlocks(blocks, workers.length),
    workerNodes,
    ownNodes,
    toAll: {
      sends: processes.map((_, other) => (other === process ? [] : foldedBy(process))),
      receives: processes.map((_, other) => (other === process ? [] : foldedBy(other))),
    },
  };
}

/** Plans the transfers of a part between processes; `share` says which worker folds which
 * blocks. */
function planTransfer(
  builder: LayoutBuilder,
  { parameters, grains }: GradientRequest,
  of: {
    readonly part: number;
    readonly share: readonly BlockRange[];
    readonly workerNodes: readonly PlacedNode[];
    readonly ownNodes: readonly Span[];
  },
): Pick<GradientPart, 'nodes' | 'toFolding'> {
  const { blocks } = parameters;
  const { processes, process } = grains;
  const { part, share, workerNodes, ownNodes } = of;
  const tree = { lo: 0, hi: grains.cut.count };
  const spans = spansOf(blocks, share[process]!);
  const received = processes.map((grainsOf, other) => {
    const nodes = other === process ? [] : coverNodes(tree, grainsOf);
    return nodes.map((node) => placeReceived(builder, node, spans, { process: other, part }));
  });
  const rangesTo = (other: number): readonly ArenaRange[] => {
    const theirs = spansOf(blocks, share[other]!);
    return ownNodes.flatMap((node) => rangesIn(firstOf(node, workerNodes), theirs));
  };
  return {
    nodes:
      processes.length === 1
        ? workerNodes
        : processes.flatMap((_, other) =>
            other === process
              ? ownNodes.map((node) => firstOf(node, workerNodes))
              : received[other]!.map(({ node }) => node),
          ),
    toFolding: {
      sends: processes.map((_, other) => (other === process ? [] : rangesTo(other))),
      receives: received.map((from) => from.flatMap(({ ranges }) => ranges)),
    },
  };
}

/** Divides a range of blocks evenly. */
function shareOut(
  blocks: readonly ParameterBlock[],
  { lo, hi }: BlockRange,
  count: number,
): readonly BlockRange[] {
  const shares = ownedBlocks(blocks.slice(lo, hi), count);
  return shares.map((share) => ({ lo: lo + share.lo, hi: lo + share.hi }));
}

function placedWhole(node: WorkerPlan['nodes'][number]): PlacedNode {
  const { lo, hi, narrow, wide } = node;
  return { lo, hi, ptrs: { narrow: narrow.offsetBytes, wide: wide.offsetBytes } };
}

/** Subtrees are merged in place: that of a process is where its first worker's begins. */
function firstOf({ lo, hi }: Span, nodes: readonly PlacedNode[]): PlacedNode {
  return { lo, hi, ptrs: nodes.find((node) => node.lo === lo)!.ptrs };
}

/** Elements of a node, of one type. */
export interface ElementSpan extends Span {
  readonly type: NodeType;
}

/** The elements of a node that blocks occupy, for each type. */
function spansOf(blocks: readonly ParameterBlock[], range: BlockRange): readonly ElementSpan[] {
  return TYPES.map((type) => spanOf(type, blocks, range));
}

/** Contiguous, since blocks follow each other as their entries do. */
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
  { process, part }: { readonly process: number; readonly part: number },
): { readonly node: PlacedNode; readonly ranges: readonly ArenaRange[] } {
  const ptrs = { narrow: 0, wide: 0 };
  const whose = `of process ${process}, part ${part}`;
  for (const { type, lo: from, hi: to } of spans) {
    const region = builder.add({
      name: `gradients.node ${lo}..${hi}.${ELEMENT_TYPES[type]} ${whose}`,
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
  const from = first.entry.trainedOffset + first.start;
  const to = last.entry.trainedOffset + last.start + last.length;
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
