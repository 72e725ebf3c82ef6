// The tensors of a model as PyTorch has them: names, axes and element order. Layers describe their
// own tensors (nn/layers/torchForm.ts). This file follows the element order of values through the
// model, because PyTorch's images are [C, H, W] and a flatten therefore gives the layers after it
// another order.

import { UsageError } from '../base/errors.ts';
import { type Shape, shapesDiffer, showShape, sizeOf } from '../base/shape.ts';
import {
  buffersOf,
  buildGraph,
  type Graph,
  inputsOf,
  type LayerOperation,
  type Operation,
  outputsOf,
  parametersOf,
} from '../nn/graph/graph.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';
import { torchPaths } from './torchNames.ts';

/** The index of each of our elements in PyTorch's tensor; undefined if the order is the same. */
export type Places = Int32Array | undefined;

/** A parameter or buffer of a model. */
export interface TorchTensor {
  /** Our name: `0.conv2d.weight`. */
  readonly name: string;
  readonly shape: Shape;
  /** PyTorch's name: `0.weight`, `layer1.0.bn1.running_mean`. */
  readonly torchName: string;
  readonly torchShape: Shape;
  /** Our axes in PyTorch's order. */
  readonly axes: readonly number[];
  /** Whether PyTorch stores it as an integer, an int64 without axes. */
  readonly isCount: boolean;
  /** The index of each of our elements in PyTorch's tensor. */
  readonly places: Places;
}

/** PyTorch's order of a value's elements. */
interface Order {
  /** For a vector: the index of each element in PyTorch's. */
  readonly places: Places;
  /** For several axes: whether PyTorch has channels first. */
  readonly isChannelsFirst: boolean;
}

const SAME: Order = { places: undefined, isChannelsFirst: false };

/** All parameters and buffers of a model, in model order. Throws a {@link UsageError} if two would
 * have the same name, or if the order after a flatten is lost. */
export function torchTensors(model: LayerSpec, inputShape: Shape): readonly TorchTensor[] {
  const graph = buildGraph(model, inputShape);
  const { shapes, operations } = graph;
  const start = torchPaths(model);
  const orders: Order[] = [{ ...SAME, isChannelsFirst: shapes[0]!.length === 3 }];
  const tensors: TorchTensor[] = [];
  for (const operation of operations) {
    const order =
      operation.op === 'layer'
        ? throughLayer(graph, operation, { orders, tensors, start })
        : throughJunction(operation, orders, shapes);
    for (const output of outputsOf(operation)) orders[output] = order;
  }
  checkNames(tensors);
  return tensors;
}

interface Followed {
  /** Orders, by value. */
  readonly orders: readonly Order[];
  readonly tensors: TorchTensor[];
  /** The name prefix of a layer's path. */
  start(path: string): string;
}

function throughLayer(
  graph: Graph,
  operation: LayerOperation,
  { orders, tensors, start }: Followed,
): Order {
  const { path, kind, input, output } = operation;
  const order = orders[input]!;
  const shape = graph.shapes[input]!;
  const to = graph.shapes[output]!;
  const flat = flattened(shape, order);
  const declared = [...parametersOf(operation, graph), ...buffersOf(operation, graph)];
  for (const { name, shape: own, torch = {} } of declared) {
    const isFlat = torch.features !== undefined && own[torch.features] === flat?.length;
    const { isCount = false, axes = own.map((_, axis) => axis) } = torch;
    const along = isFlat ? { axis: torch.features!, places: flat! } : undefined;
    tensors.push({
      name: `${path}.${name}`,
      shape: own,
      torchName: `${start(path)}${torch.name ?? name}`,
      torchShape: isCount ? [] : axes.map((axis) => own[axis]!),
      axes,
      isCount,
      places: placesOf(own, axes, along),
    });
  }
  if (kind.torchOrder?.flattens === true) return { ...SAME, places: flat };
  const isProduct = kind.weightMatrix !== undefined;
  const keepsOrder = !shapesDiffer(shape, to) && kind.torchOrder?.dependsOnOrder !== true;
  if (order.places !== undefined && !isProduct && !keepsOrder) throw lostOrder(path, shape);
  if (keepsOrder && !isProduct) return order;
  const first = kind.torchOrder?.isSequenceChannelsFirst ?? order.isChannelsFirst;
  return { ...SAME, isChannelsFirst: to.length === 3 || (to.length === 2 && first) };
}

/** A fork passes its input on; inputs of a join have the same order. */
function throughJunction(
  operation: Exclude<Operation, LayerOperation>,
  orders: readonly Order[],
  shapes: readonly Shape[],
): Order {
  const inputs = inputsOf(operation);
  const given = inputs.map((input) => orders[input]!);
  const [first] = given as [Order];
  if (given.every(({ places }) => places === undefined)) {
    return { ...SAME, isChannelsFirst: given.some(({ isChannelsFirst }) => isChannelsFirst) };
  }
  const [output] = outputsOf(operation);
  const isConcat = sizeOf(shapes[output!]!) > sizeOf(shapes[inputs[0]!]!);
  if (isConcat) {
    return {
      ...SAME,
      places: sideBySide(
        given,
        inputs.map((input) => sizeOf(shapes[input]!)),
      ),
    };
  }
  if (given.every(({ places }) => samePlaces(places, first.places))) return first;
  throw lostOrder(operation.path, shapes[inputs[0]!]!);
}

function lostOrder(path: string, shape: Shape): UsageError {
  return new UsageError({
    what: `${path}, whose input ${showShape(shape)} comes from a flatten of an image,`,
    problem: 'has no counterpart in PyTorch, where flatten uses another order',
    hint: 'globalAvgPool instead of flatten, or reshape, which keeps our order',
  });
}

/** The element order of a value that PyTorch has flattened. */
function flattened(shape: Shape, { places, isChannelsFirst }: Order): Places {
  if (shape.length === 1 || !isChannelsFirst) return places;
  const channels = shape[shape.length - 1]!;
  const pixels = sizeOf(shape) / channels;
  if (channels === 1 || pixels === 1) return undefined;
  return Int32Array.from({ length: channels * pixels }, (_, i) => {
    return (i % channels) * pixels + Math.floor(i / channels);
  });
}

function sideBySide(given: readonly Order[], lengths: readonly number[]): Places {
  const places = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
  let start = 0;
  for (const [i, length] of lengths.entries()) {
    const own = given[i]!.places;
    for (let at = 0; at < length; at++) places[start + at] = start + (own?.[at] ?? at);
    start += length;
  }
  return places;
}

function samePlaces(a: Places, b: Places): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((place, i) => place === b[i]);
}

/** The positions of a tensor's elements after its axes are permuted and the indexes along one of
 * them are reordered. */
export function placesOf(
  shape: Shape,
  axes: readonly number[],
  along?: { readonly axis: number; readonly places: Int32Array },
): Places {
  if (along === undefined && axes.every((axis, i) => axis === i)) return undefined;
  const moved = axes.map((axis) => shape[axis]!);
  let places = new Int32Array([0]);
  for (const [axis, size] of shape.entries()) {
    const stride = sizeOf(moved.slice(axes.indexOf(axis) + 1));
    const own = axis === along?.axis ? along.places : undefined;
    const next = new Int32Array(places.length * size);
    for (let i = 0; i < places.length; i++) {
      for (let at = 0; at < size; at++) {
        next[i * size + at] = places[i]! + (own?.[at] ?? at) * stride;
      }
    }
    places = next;
  }
  return places;
}

function checkNames(tensors: readonly TorchTensor[]): void {
  const names = new Map<string, string>();
  for (const { name, torchName } of tensors) {
    const other = names.get(torchName);
    if (other !== undefined) {
      throw new UsageError({
        what: `${other} and ${name}`,
        problem: `would both be ${torchName} in PyTorch`,
        hint: 'other names of the nodes of its graph',
      });
    }
    names.set(torchName, name);
  }
}

/** Reorders values from our order to PyTorch's. */
export function toTorch(values: Float32Array | Float64Array, places: Places): Float32Array {
  if (places === undefined) return Float32Array.from(values);
  const result = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) result[places[i]!] = values[i]!;
  return result;
}

/** Reorders values from PyTorch's order to ours. */
export function fromTorch<T extends Float32Array | Float64Array>(values: T, places: Places): T {
  if (places === undefined) return values;
  const result = values.slice() as T;
  for (let i = 0; i < values.length; i++) result[i] = values[places[i]!]!;
  return result;
}
