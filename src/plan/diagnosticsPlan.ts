// The layers that have diagnostics, and the regions that those need. For what snapshot steps do see
// observe/diagnostics.ts.

import { alignUp } from '../base/bytes.ts';
import type { LayoutBuilder, Region } from '../memory/layout.ts';
import type { Graph } from '../nn/graph/graph.ts';
import { DIAGNOSTICS_LENGTH, SNAPSHOT_SLOTS } from '../norm/diagnostics.ts';
import type { GrainPlan } from '../reduce/grains.ts';
import { vectorLength } from '../reduce/reduction.ts';

export interface DiagnosedLayer {
  readonly path: string;
  /** The name of its reduction of moments in the plan. */
  readonly reduction: string;
  readonly channels: number;
  readonly eps: number;
  /** For each rank of all processes, the moments of its pieces: the samples of a replica within one
   * grain. Counted from the rank's first ones, grain g and replica r have piece g + r, which is
   * unique because both only increase along the batch. */
  readonly pieces: readonly Region<'f64'>[];
}

export interface DiagnosticsPlan {
  readonly every: number;
  readonly layers: readonly DiagnosedLayer[];
  readonly countReplicas: number;
  /** The results for each slot, layer and replica. */
  readonly results: Region<'f64'>;
  /** For each worker: space for the moments of a shard, followed by the pivots of a piece. */
  readonly shards: readonly Region<'f64'>[];
}

/** Vectors of different workers never share a cache line. */
const ALIGN_DOUBLES = 16;

export function pieceStride(channels: number): number {
  return alignUp(vectorLength('moments', channels), ALIGN_DOUBLES);
}

/** The layers of a graph that have diagnostics. */
function diagnosedLayers(graph: Graph): readonly Omit<DiagnosedLayer, 'pieces'>[] {
  return graph.operations.flatMap((operation) => {
    if (operation.op !== 'layer') return [];
    const { kind, spec, path } = operation;
    const declared = kind.diagnosed?.(spec);
    if (declared === undefined) return [];
    const { reduction, channels, eps } = declared;
    return [{ path, reduction: `${path}.${reduction}`, channels, eps }];
  });
}

/** Places the diagnostics in the arena. Returns undefined if they are off or no layer has any. */
export function planDiagnostics(
  builder: LayoutBuilder,
  graph: Graph,
  { every, replicas }: { readonly every: number; readonly replicas: number },
  grains: GrainPlan,
): DiagnosticsPlan | undefined {
  const diagnosed = every === 0 ? [] : diagnosedLayers(graph);
  if (diagnosed.length === 0) return undefined;
  const results = builder.add({
    name: 'diagnostics',
    type: 'f64',
    shape: [SNAPSHOT_SLOTS, diagnosed.length, replicas, DIAGNOSTICS_LENGTH],
    writer: 'one rank after another',
  });
  const layers = diagnosed.map((layer) => {
    const pieces = grains.ranks.map(({ lo, hi }, rank) =>
      builder.add({
        name: `${layer.path}.diagnostics.pieces ${rank}`,
        type: 'f64',
        shape: [hi - lo + replicas - 1, pieceStride(layer.channels)],
        writer: `rank ${rank}`,
      }),
    );
    return { ...layer, pieces };
  });
  const longest = Math.max(...layers.map((layer) => vectorLength('moments', layer.channels)));
  const shards = grains.ranges.map((_, rank) =>
    builder.add({
      name: `rank ${rank}.diagnostics.shard`,
      type: 'f64',
      shape: [2, longest],
      writer: `rank ${rank}`,
    }),
  );
  return { every, layers, countReplicas: replicas, results, shards };
}
