// Which layers are side by side: both feed the end of a residual, so neither waits for the other,
// forward or backward, and they can exchange data between replicas together.

import {
  type Graph,
  type LayerOperation,
  type Operation,
  outputsOf,
  type ValueId,
} from './graph.ts';

/** Two layers side by side, in the order in which they run forward. */
export type LayerPair = readonly [LayerOperation, LayerOperation];

/** The pairs of layers that end the two branches of a residual. */
export function layersSideBySide(graph: Graph): readonly LayerPair[] {
  const producers = new Map<ValueId, Operation>();
  for (const operation of graph.operations) {
    for (const value of outputsOf(operation)) producers.set(value, operation);
  }
  return graph.operations.flatMap((operation): LayerPair[] => {
    if (operation.op !== 'add') return [];
    const [body, shortcut] = operation.inputs.map((value) => producers.get(value));
    return body?.op === 'layer' && shortcut?.op === 'layer' ? [[body, shortcut]] : [];
  });
}
