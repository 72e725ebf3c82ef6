// Which parameters of a model train, by the patterns of the option `freeze`. Everything that
// follows from it (which gradients are computed, folded, exchanged and updated) is read from the
// operations of the graph.

import { UsageError } from '../../base/errors.ts';
import { checkedPattern } from '../../base/patterns.ts';
import { type Graph, type LayerOperation, parametersOf } from './graph.ts';

/** Precedes a pattern of parameters that train even though an earlier pattern freezes them. */
const EXCEPT = '!';

/** Returns the graph with the parameters that match the patterns frozen: `0.*`, `*.bias`. A pattern
 * that begins with `!` lets parameters train again; the last matching pattern decides. Throws a
 * {@link UsageError} for a pattern that matches nothing, and if nothing is left to train. */
export function freezeGraph(graph: Graph, patterns: readonly string[]): Graph {
  if (patterns.length === 0) return graph;
  const names = parameterNames(graph);
  const rules = patterns.map((pattern) => {
    const isException = pattern.startsWith(EXCEPT);
    const body = isException ? pattern.slice(EXCEPT.length) : pattern;
    return { isFrozen: !isException, matches: checkedPattern('freeze', body, names, 'parameters') };
  });
  const isFrozen = (name: string): boolean =>
    rules.findLast(({ matches }) => matches(name))?.isFrozen ?? false;
  if (names.every(isFrozen)) {
    throw new UsageError({
      what: 'freeze',
      given: patterns.join(', '),
      allowed: 'patterns that leave a parameter to train',
      hint: `'${EXCEPT}${names.at(-1)}' as the last pattern`,
    });
  }
  return withFrozen(graph, isFrozen);
}

/** Returns the graph with all parameters frozen, for a model that does not train. */
export function freezeWhole(graph: Graph): Graph {
  return withFrozen(graph, () => true);
}

function withFrozen(graph: Graph, isFrozen: (name: string) => boolean): Graph {
  const operations = graph.operations.map((operation) => {
    if (operation.op !== 'layer') return operation;
    const own = parametersOf(operation, graph).map(({ name }) => name);
    const frozen = own.filter((name) => isFrozen(`${operation.path}.${name}`));
    return { ...operation, frozen: new Set(frozen) };
  });
  return { ...graph, operations };
}

/** The names of all parameters of a model, `0.conv2d.weight`, in the order of its layers. */
export function parameterNames(graph: Graph): readonly string[] {
  return graph.operations
    .filter((operation): operation is LayerOperation => operation.op === 'layer')
    .flatMap((layer) => parametersOf(layer, graph).map(({ name }) => `${layer.path}.${name}`));
}
