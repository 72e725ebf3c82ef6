// The reductions that the layers of a model declare, and their names in the plan of a run.

import type { Graph, LayerOperation } from '../nn/graph/graph.ts';
import type { ReductionDeclaration } from '../reduce/reduction.ts';

/** The name of a layer's reduction in the plan. */
export function reductionName(path: string, name: string): string {
  return `${path}.${name}`;
}

/** The reductions of all layers, in the order in which they run forward. */
export function* reductionsOf(
  graph: Graph,
): Generator<{ operation: LayerOperation; declared: ReductionDeclaration }> {
  for (const operation of graph.operations) {
    if (operation.op !== 'layer') continue;
    const { kind, spec, input } = operation;
    for (const declared of kind.reductions?.(spec, graph.shapes[input]!) ?? []) {
      yield { operation, declared };
    }
  }
}
