// Which layers have diagnostics, and what those need in the arena. What snapshot steps do is in
// observe/diagnostics.ts.

import { alignUp } from '../base/bytes.ts';
import type { LayoutBuilder } from '../memory/layout.ts';
import type { Graph } from '../nn/graph/graph.ts';
import { DIAGNOSTICS_LENGTH, SNAPSHOT_SLOTS } from '../norm/diagnostics.ts';
import type { GrainPlan } from '../reduce/exchange.ts';
import { vectorLength } from '../reduce/reduction.ts';

export interface DiagnosedLayer {
  readonly path: string;
  /** The name of its reduction of moments in the plan. */
  readonly reduction: string;
  readonly channels: number;
  readonly eps: number;
}

export interface DiagnosticsPlan {
  readonly every: number;
  readonly layers: readonly DiagnosedLayer[];
  readonly countReplicas: number;
}

export const DIAGNOSTICS_REGION = 'diagnostics';
/** Vectors of different workers never share a cache line. */
const ALIGN_DOUBLES = 16;

/** A piece is what of a replica's samples lies in one grain; grain g and replica r have piece
 * g + r, which is no other's, since both only go up along the batch. */
export function piecesRegion({ path }: DiagnosedLayer): string {
  return `${path}.diagnostics.pieces`;
}

export function pieceStride(channels: number): number {
  return alignUp(vectorLength('moments', channels), ALIGN_DOUBLES);
}

/** A worker's place for one shard's moments, and for the pivots of a piece behind it. */
export function shardRegion(rank: number): string {
  return `rank ${rank}.diagnostics.shard`;
}

/** The layers of a graph that have diagnostics. */
function diagnosedLayers(graph: Graph): readonly DiagnosedLayer[] {
  return graph.operations.flatMap((operation) => {
    if (operation.op !== 'layer') return [];
    const { kind, spec, path } = operation;
    const declared = kind.diagnosed?.(spec);
    if (declared === undefined) return [];
    const { reduction, channels, eps } = declared;
    return [{ path, reduction: `${path}.${reduction}`, channels, eps }];
  });
}

/** Places the diagnostics in the arena; undefined where they are off or no layer has any. */
export function planDiagnostics(
  builder: LayoutBuilder,
  graph: Graph,
  { every, replicas }: { readonly every: number; readonly replicas: number },
  grains: GrainPlan,
): DiagnosticsPlan | undefined {
  const layers = every === 0 ? [] : diagnosedLayers(graph);
  if (layers.length === 0) return undefined;
  const shape = [SNAPSHOT_SLOTS, layers.length, replicas, DIAGNOSTICS_LENGTH];
  builder.add({
    name: DIAGNOSTICS_REGION,
    type: 'f64',
    shape,
    writer: 'the rank of the first grain',
  });
  for (const layer of layers) {
    const pieces = [grains.cut.count + replicas - 1, pieceStride(layer.channels)];
    const writer = 'the rank of the grain';
    builder.add({ name: piecesRegion(layer), type: 'f64', shape: pieces, writer });
  }
  const longest = Math.max(...layers.map((layer) => vectorLength('moments', layer.channels)));
  for (const rank of grains.ranges.keys()) {
    const kept = { shape: [2, longest], writer: `rank ${rank}` };
    builder.add({ name: shardRegion(rank), type: 'f64', ...kept });
  }
  return { every, layers, countReplicas: replicas };
}
