// Which gradients are sent to other processes while backward still runs. At a synchronization in
// backward, all workers are done with the layers after it, so the gradients of those layers are
// final.

import type { Graph, LayerOperation } from '../nn/graph/graph.ts';
import { layersSideBySide } from '../nn/graph/sideBySide.ts';
import type { Span } from '../reduce/tree.ts';
import type { ParameterBlock } from './parameters.ts';

/** Blocks with gradients that are complete in all workers of a process once backward has passed an
 * operation that synchronizes; undefined for blocks that need all of backward. */
export interface PartBounds extends Span {
  readonly wholeAfter: number | undefined;
}

/** Fewer elements are not worth separate messages. */
const PART_ELEMENTS = 16_384;

/** The parts of a model's blocks, in the order in which backward finishes them. */
export function partsOf(
  graph: Graph,
  blocks: readonly ParameterBlock[],
  /** Whether processes exchange statistics in the backward pass of a layer. */
  exchanges: (operation: LayerOperation) => boolean,
): readonly PartBounds[] {
  const { operations } = graph;
  const placeOf = new Map(operations.map((operation, i) => [operation.path, i]));
  // Layers side by side exchange together. Between the two, one of them is not done yet.
  const together = layersSideBySide(graph).map((pair) =>
    pair.map(({ path }) => placeOf.get(path)!),
  );
  const isBetween = (at: number): boolean =>
    together.some((pair) => Math.min(...pair) <= at && at <= Math.max(...pair));
  const parts: PartBounds[] = [];
  let hi = blocks.length;
  for (let at = operations.length - 1; at >= 0; at--) {
    const operation = operations[at]!;
    if (operation.op !== 'layer' || !exchanges(operation) || isBetween(at)) continue;
    const first = blocks.findIndex(({ entry }) => placeOf.get(entry.layerPath)! > at);
    const lo = first < 0 ? hi : first;
    const elements = blocks.slice(lo, hi).reduce((sum, { length }) => sum + length, 0);
    if (elements < PART_ELEMENTS) continue;
    parts.push({ lo, hi, wholeAfter: at });
    hi = lo;
  }
  return [...parts, { lo: 0, hi, wholeAfter: undefined }];
}
