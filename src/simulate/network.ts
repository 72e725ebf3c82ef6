// A network for the cost model: a list of operations with their floating-point work, the
// activations that they read and write, and their parameters. It is derived from a model with the
// same graph that training runs, so any model works. It only counts: times are up to devices.ts and
// step.ts.

import { UsageError } from '../base/errors.ts';
import { type Shape, showShape, sizeOf } from '../base/shape.ts';
import { isNorm, normChannels } from '../nn/convert/normLeaf.ts';
import {
  buildGraph,
  type LayerOperation,
  type Operation,
  parametersOf,
} from '../nn/graph/graph.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';

/** The cost of one operation per sample, and per step. */
export interface OperationCost {
  /** Its path in the model: `3.batchNorm`. */
  readonly path: string;
  /** Channels of statistics that a batch normalization at this place would exchange; 0 for all
   * other operations. */
  readonly normChannels: number;
  /** Whether the gradient of its input is needed: not before the first parameters. */
  readonly needsInputGradient: boolean;
  /** Floating-point operations per sample, a multiply-add counted as 2. */
  readonly flopsForward: number;
  readonly flopsBackward: number;
  /** Activations read and written per sample, in elements. For a normalization, the elements of one
   * pass, since the number of passes depends on its kind. */
  readonly elementsForward: number;
  readonly elementsBackward: number;
  /** Number of trained values. */
  readonly parameters: number;
}

export interface Network {
  readonly name: string;
  /** Shape of a sample, channels last. */
  readonly inputShape: Shape;
  /** In forward order. Operations without any cost are left out. */
  readonly operations: readonly OperationCost[];
}

/** Sums over a network. */
export interface NetworkTotals {
  /** Multiply-adds of the forward pass per sample. */
  readonly macsForward: number;
  readonly parameters: number;
  readonly normLayers: number;
  /** Channels of all normalizations together. */
  readonly normChannels: number;
}

/** The costs of a model for samples of the given shape. Throws a {@link UsageError} if layer and
 * shape do not fit. */
export function describeNetwork(name: string, model: LayerSpec, inputShape: Shape): Network {
  const { operations, shapes } = buildGraph(model, inputShape);
  const hasGradient = new Set<number>();
  const costs = operations.flatMap((operation) => {
    const cost = costOf(operation, shapes, hasGradient);
    return cost === undefined ? [] : [cost];
  });
  if (costs.length > 0) return { name, inputShape, operations: costs };
  throw new UsageError({
    what: `the network ${name} for ${showShape(inputShape)}`,
    given: 'no layer that computes',
    allowed: 'a model with layers',
  });
}

export function totalsOf(network: Network): NetworkTotals {
  const sum = (of: (operation: OperationCost) => number): number =>
    network.operations.reduce((total, operation) => total + of(operation), 0);
  return {
    macsForward: sum(({ flopsForward }) => flopsForward) / 2,
    parameters: sum(({ parameters }) => parameters),
    normLayers: sum((operation) => (operation.normChannels > 0 ? 1 : 0)),
    normChannels: sum((operation) => operation.normChannels),
  };
}

/** The cost of one operation; undefined if it has none. `hasGradient` collects the values that need
 * a gradient: those after the first parameters. */
function costOf(
  operation: Operation,
  shapes: readonly Shape[],
  hasGradient: Set<number>,
): OperationCost | undefined {
  const size = (value: number): number => sizeOf(shapes[value]!);
  if (operation.op === 'layer') return layerCost(operation, shapes, hasGradient);
  if (operation.op === 'fork') {
    const { path, input, outputs } = operation;
    const needsInputGradient = hasGradient.has(input);
    if (!needsInputGradient) return undefined;
    for (const output of outputs) hasGradient.add(output);
    // Forward passes the value on; backward adds the gradients.
    const elementsBackward = 3 * (outputs.length - 1) * size(input);
    return { ...nothing(path), needsInputGradient, elementsBackward };
  }
  const { path, inputs, output } = operation;
  const needsInputGradient = inputs.some((input) => hasGradient.has(input));
  if (needsInputGradient) hasGradient.add(output);
  const common = { ...nothing(path), needsInputGradient };
  if (operation.op === 'add') return { ...common, elementsForward: 3 * size(output) };
  const read = inputs.reduce((sum, input) => sum + size(input), 0);
  const elementsForward = read + size(output);
  const kept = operation.kind.keepsInputs ? read : 0;
  const elementsBackward = needsInputGradient ? size(output) + kept + read : 0;
  return { ...common, elementsForward, elementsBackward };
}

function nothing(path: string): OperationCost {
  return {
    path,
    normChannels: 0,
    needsInputGradient: false,
    flopsForward: 0,
    flopsBackward: 0,
    elementsForward: 0,
    elementsBackward: 0,
    parameters: 0,
  };
}

function layerCost(
  operation: LayerOperation,
  shapes: readonly Shape[],
  hasGradient: Set<number>,
): OperationCost | undefined {
  const { path, kind, spec, input, output } = operation;
  const inputShape = shapes[input]!;
  const declared = parametersOf(operation, { shapes });
  const parameters = declared.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const needsInputGradient = hasGradient.has(input);
  if (needsInputGradient || parameters > 0) hasGradient.add(output);
  const common = { ...nothing(path), needsInputGradient, parameters };
  const x = sizeOf(inputShape);
  const y = sizeOf(shapes[output]!);
  if (kind.isAlias === true) return undefined;
  if (isNorm(spec)) return { ...common, normChannels: normChannels(spec), elementsForward: x };
  const multiplyAdds = kind.multiplyAdds?.(spec, inputShape, shapes[output]!);
  if (multiplyAdds !== undefined) {
    const flopsForward = 2 * multiplyAdds;
    // One product for the weights, and one more for the input if its gradient is needed. Each reads
    // x or dy, and the other's result or the weights.
    const products = needsInputGradient ? 2 : 1;
    const elementsBackward = products * (x + y);
    const flopsBackward = products * flopsForward;
    return { ...common, flopsForward, flopsBackward, elementsForward: x + y, elementsBackward };
  }
  // Everything else computes dx from dy and the stored values.
  const kept = (kind.keeps.input ? x : 0) + (kind.keeps.output ? y : 0);
  const elementsBackward = needsInputGradient ? x + y + kept : 0;
  return { ...common, elementsForward: x + y, elementsBackward };
}
