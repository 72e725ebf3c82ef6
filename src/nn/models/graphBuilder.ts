// Builds graphs in code: layers and joins are applied to values. The result is plain data, checked
// as JSON is.

import { UsageError } from '../../base/errors.ts';
import { isObject } from '../../base/parse.ts';
import { type Shape, sizeOf } from '../../base/shape.ts';
import type { JoinSpec } from '../specs/joins.ts';
import { reshape } from '../specs/reshape.ts';
import { slice } from '../specs/slice.ts';
import {
  GRAPH_INPUT,
  type GraphNode,
  type GraphSpec,
  type LayerSpec,
  MAIN_OUTPUT,
} from '../specs/spec.ts';
import { parseModel } from './parse.ts';

/** A value of a graph under construction. */
export interface GraphValue {
  /** Applies a layer, or several in sequence, to the value. */
  apply(...layers: readonly LayerSpec[]): GraphValue;
  /** Applies a layer to the value. The name replaces the layer's default name in paths: `conv1`
   * instead of `0.conv2d`, so its weight is `conv1.weight`. */
  apply(name: string, layer: LayerSpec): GraphValue;
}

/** The outputs of a graph: a value, or the main output, `main`, and further values by name, the
 * heads of the model. */
export type GraphOutputs =
  | GraphValue
  | { readonly [MAIN_OUTPUT]: GraphValue; readonly [head: string]: GraphValue };

/** A graph of layers: `build` gets the input and returns the output.
 *
 * ```ts
 * nn.graph((x) => {
 *   const gate = x.apply(nn.globalAvgPool(), nn.linear(32, 32), nn.sigmoid());
 *   return nn.multiply(x, gate);
 * });
 * ```
 *
 * It may return `{ main, aux }` instead of `main`, with any other names for further outputs. Each
 * of them is a head with its own loss, set by `heads` of the trainer; `main` is what is predicted
 * and measured. Such a graph is a whole model and cannot be part of another layer.
 *
 * Throws a {@link UsageError} that names the place of anything that is not a layer, shapes that do
 * not fit as far as they are known, values that nothing reads, and values of another graph.
 *
 * @example
 * nn.graph((x) => nn.add(x.apply('body', nn.linear(8, 8)), x)) // [8] -> [8] */
export function graph(build: (input: GraphValue) => GraphOutputs): GraphSpec {
  if (typeof build !== 'function' || isClass(build)) {
    throw new UsageError({
      what: 'graph',
      given: build,
      allowed: 'a function from the input to the output',
      hint: 'graph((x) => add(x, x.apply(relu())))',
    });
  }
  const nodes: GraphNode[] = [];
  const outputs = build(new RecordedValue(nodes, GRAPH_INPUT));
  return parseModel({ kind: 'graph', nodes, ...outputsIn(nodes, outputs) }, 'graph') as GraphSpec;
}

function outputsIn(
  nodes: readonly GraphNode[],
  outputs: GraphOutputs,
): Pick<GraphSpec, 'output' | 'heads'> {
  if (outputs instanceof RecordedValue || !isObject(outputs) || !(MAIN_OUTPUT in outputs)) {
    return { output: nameIn(nodes, outputs) };
  }
  const { [MAIN_OUTPUT]: main, ...others } = outputs;
  const heads = Object.entries(others).map(([name, value]) => [name, nameIn(nodes, value)]);
  const output = nameIn(nodes, main);
  return heads.length === 0 ? { output } : { output, heads: Object.fromEntries(heads) };
}

/** Whether a function is a class, which cannot be called without `new`. */
function isClass(build: object): boolean {
  return Object.getOwnPropertyDescriptor(build, 'prototype')?.writable === false;
}

/** a + b, of the same shape. Throws a {@link UsageError} unless both are values of the same graph,
 * as the functions below do.
 *
 * @example
 * nn.graph((x) => nn.add(x, x.apply(nn.relu()))) // [64] -> [64] */
export function add(a: GraphValue, b: GraphValue): GraphValue {
  return joined({ kind: 'add' }, [a, b]);
}

/** x times factor, element by element; the factor has the shape of x, or one element for each
 * channel of x [H, W, C]: squeeze and excitation (Hu et al. 2018).
 *
 * @example
 * nn.graph((x) => nn.multiply(x, x.apply(nn.globalAvgPool()))) // [7, 7, 8] -> [7, 7, 8]
 */
export function multiply(x: GraphValue, factor: GraphValue): GraphValue {
  return joined({ kind: 'multiply' }, [x, factor]);
}

/** Concatenates values along their last axis, the channels of images. Their other axes must have
 * equal sizes.
 *
 * @example
 * nn.graph((x) => nn.concat([x, x.apply(nn.relu())])) // [64] -> [128] */
export function concat(values: readonly GraphValue[]): GraphValue {
  if (!Array.isArray(values) || values.length < 2) {
    throw new UsageError({
      what: 'concat',
      given: Array.isArray(values) ? `${values.length} values` : values,
      allowed: 'a list of at least 2 values of a graph',
      hint: 'concat([x, y])',
    });
  }
  return joined({ kind: 'concat' }, values);
}

/** Splits a value into consecutive parts, each with its own shape, for models with several inputs
 * that samples hold in one vector.
 *
 * ```ts
 * nn.graph((x) => {
 *   const [image, facts] = nn.split(x, [[28, 28, 1], [5]]);
 *   const seen = image.apply(nn.conv2d(1, 8, { kernel: 3 }), nn.relu(), nn.globalAvgPool());
 *   return nn.concat([seen, facts]).apply(nn.linear(13, 10));
 * });
 * ```
 *
 * The shapes must have as many elements as the value in total; this is checked once the shape of
 * the value is known. Throws a {@link UsageError} for anything but a value and at least 2 shapes.
 *
 * @example
 * nn.graph((x) => {
 *   const [image, about] = nn.split(x, [[4, 4, 1], [3]]);
 *   return nn.concat([image.apply(nn.flatten()), about]);
 * }) // [19] -> [19] */
export function split<const Shapes extends readonly Shape[]>(
  x: GraphValue,
  shapes: Shapes,
): { readonly [Key in keyof Shapes]: GraphValue } {
  if (!(x instanceof RecordedValue)) throw notAValue(x);
  if (!Array.isArray(shapes) || shapes.length < 2) {
    throw new UsageError({
      what: 'split',
      given: Array.isArray(shapes) ? `${shapes.length} shapes` : shapes,
      allowed: 'a list of at least 2 shapes',
      hint: 'split(x, [[28, 28, 1], [5]])',
    });
  }
  const parts = Array.from(shapes, (shape) => reshape(shape));
  const ends = parts.map((_, i) => sum(parts.slice(0, i + 1).map((part) => sizeOf(part.shape))));
  const vector = x.apply(reshape([ends.at(-1)!]));
  const values = parts.map((part, i) => {
    return vector.apply(slice({ channels: [ends[i - 1] ?? 0, ends[i]!] }), part);
  });
  return values as { readonly [Key in keyof Shapes]: GraphValue };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

class RecordedValue implements GraphValue {
  readonly nodes: GraphNode[];
  readonly name: string;

  constructor(nodes: GraphNode[], name: string) {
    this.nodes = nodes;
    this.name = name;
  }

  apply(...given: readonly (LayerSpec | string)[]): GraphValue {
    const [name, ...layers] = typeof given[0] === 'string' ? given : [undefined, ...given];
    if (name !== undefined && layers.length !== 1) {
      throw new UsageError({
        what: `apply('${name}', ...)`,
        given: `${layers.length} layers`,
        allowed: 'one layer per name',
      });
    }
    let value: RecordedValue = this;
    for (const layer of layers as LayerSpec[])
      value = value.followedBy(layer, name as string | undefined);
    return value;
  }

  followedBy(layer: LayerSpec | JoinSpec, name?: string, from: readonly string[] = [this.name]) {
    const { nodes } = this;
    const own = name ?? `${nodes.length}.${layer?.kind}`;
    nodes.push({ name: own, layer, from });
    return new RecordedValue(nodes, own);
  }
}

function joined(join: JoinSpec, values: readonly GraphValue[]): GraphValue {
  const [first] = values;
  if (!(first instanceof RecordedValue)) throw notAValue(first);
  const { nodes } = first;
  return first.followedBy(
    join,
    undefined,
    values.map((value) => nameIn(nodes, value)),
  );
}

function nameIn(nodes: readonly GraphNode[], value: unknown): string {
  if (value instanceof RecordedValue && value.nodes === nodes) return value.name;
  throw notAValue(value);
}

function notAValue(given: unknown): UsageError {
  return new UsageError({
    what: 'graph',
    given: given instanceof RecordedValue ? 'a value of another graph' : given,
    allowed: 'a value of this graph: its input, or the result of a layer or join',
  });
}
