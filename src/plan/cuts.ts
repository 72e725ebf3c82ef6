// Where the micro-batches of a worker meet in a step: in layers with statistics over several of
// them. This follows from the reductions that layers declare, before anything is bound; binding
// produces the same parts.

import type { Graph, LayerOperation } from '../nn/graph/graph.ts';
import type { Cuts } from '../nn/graph/schedule.ts';
import { type LayerPair, layersSideBySide } from '../nn/graph/sideBySide.ts';
import { gradientsNeeded, runsBackward } from '../nn/graph/storage.ts';
import { isOfSeveral, type ReductionPlan } from '../reduce/exchange.ts';
import type { Span } from '../reduce/tree.ts';
import { takesInEvaluation } from './feasible.ts';

/** The pairs of layers side by side that share their exchanges: each exchanges moments once in
 * forward and sums once in backward. */
export function exchangingPairs(graph: Graph): readonly LayerPair[] {
  return layersSideBySide(graph).filter(([first, second]) => {
    const isEqual = takesInEvaluation(first, graph) === takesInEvaluation(second, graph);
    return isEqual && exchangesOnce(first, graph) && exchangesOnce(second, graph);
  });
}

function exchangesOnce({ kind, spec, input }: LayerOperation, { shapes }: Graph): boolean {
  const declared = kind.reductions?.(spec, shapes[input]!) ?? [];
  return declared.map(({ combine }) => combine).join() === 'moments,sums';
}

/** How often the micro-batches of a worker, with these grains, meet in each operation. */
export function cutsOf(
  graph: Graph,
  reductionOf: (operation: LayerOperation, name: string) => ReductionPlan,
  rank: number,
  parts: readonly Span[],
): Cuts {
  const isNeeded = gradientsNeeded(graph);
  const forward: number[] = graph.operations.map(() => 0);
  const backward: number[] = graph.operations.map(() => 0);
  for (const [place, operation] of graph.operations.entries()) {
    if (operation.op !== 'layer') continue;
    const { kind, spec, input } = operation;
    for (const declared of kind.reductions?.(spec, graph.shapes[input]!) ?? []) {
      if (!isOfSeveral(reductionOf(operation, declared.name), rank, parts)) continue;
      if (declared.combine === 'moments') forward[place]!++;
      else if (
        declared.isInner === true ? runsBackward(operation, isNeeded) : isNeeded[input] === true
      ) {
        backward[place]!++;
      }
    }
  }
  for (const [first, second] of exchangingPairs(graph)) {
    const [a, b] = [graph.operations.indexOf(first), graph.operations.indexOf(second)];
    meetInSecond(forward, a, b);
    if (isNeeded[first.input] && isNeeded[second.input]) meetInSecond(backward, a, b);
  }
  return { forward, backward };
}

function meetInSecond(cuts: number[], first: number, second: number): void {
  cuts[second] = Math.max(cuts[first]!, cuts[second]!);
  cuts[first] = 0;
}
