// An ONNX node as importers see it: the values of its inputs, its attributes with ONNX's defaults,
// and the error that names it.

import { UsageError } from '../../base/errors.ts';
import { sizeOf } from '../../base/shape.ts';
import type { OnnxAttribute, OnnxNode, OnnxTensor } from '../format/model.ts';
import type { NetBuilder } from './netBuilder.ts';
import type { Activation, Factor, Value } from './values.ts';

export interface NodeReader {
  readonly op: string;
  readonly opset: number;
  readonly builder: NetBuilder;
  /** The name for the layer that the node becomes. */
  readonly name: string;
  readonly count: number;
  /** Operators that read its first output. */
  readonly readers: readonly string[];
  /** Whether an output is read. */
  isRead(output: number): boolean;
  /** The value of an input; undefined if it is omitted. */
  input(i: number): Value | undefined;
  has(i: number): boolean;
  /** An input that begins with the sample axis. */
  activation(i: number): Activation;
  /** An input for elementwise use, with axes in any order. */
  elements(i: number): Activation;
  /** An input that is an image [H, W, C], [N, C, H, W] in ONNX. */
  image(i: number): Activation;
  /** An image, or a sequence [T, C], [N, C, T] in ONNX. */
  grid(i: number): Activation;
  constant(i: number): OnnxTensor;
  /** A list of integers: an input from some opset on, an attribute before. */
  list(attribute: string, input: number): readonly number[] | undefined;
  int(name: string, otherwise: number): number;
  float(name: string, otherwise: number): number;
  text(name: string, otherwise: string): string;
  ints(name: string): readonly number[] | undefined;
  texts(name: string): readonly string[] | undefined;
  tensor(name: string): OnnxTensor | undefined;
  fail(problem: string, hint?: string): never;
}

/** Turns a node into the value of its first output, or of each output. */
export type Importer = (node: NodeReader) => Value | readonly (Value | undefined)[];

export function readNode(
  node: OnnxNode,
  place: {
    readonly opset: number;
    readonly builder: NetBuilder;
    readonly what: string;
    readonly name: string;
    value(name: string): Value | undefined;
    readersOf(name: string): readonly string[];
  },
): NodeReader {
  const { attributes, op } = node;
  const fail = (problem: string, hint?: string): never => {
    const what = `node ${node.name} (${op}) of ${place.what}`;
    throw new UsageError({ what, problem, ...(hint !== undefined && { hint }) });
  };
  const attribute = <Wanted extends OnnxAttribute['type']>(name: string, type: Wanted) => {
    const found = attributes[name];
    if (found !== undefined && found.type !== type) fail(`has ${name} of type ${found.type}`);
    return found as Extract<OnnxAttribute, { readonly type: Wanted }> | undefined;
  };
  const input = (i: number): Value | undefined => {
    const name = node.inputs[i];
    if (name === undefined || name === '') return undefined;
    return place.value(name) ?? fail(`reads ${name}, which no earlier node makes`);
  };
  const reader: NodeReader = {
    op,
    opset: place.opset,
    builder: place.builder,
    name: place.name,
    count: node.inputs.length,
    readers: place.readersOf(node.outputs[0] ?? ''),
    isRead: (output) => place.readersOf(node.outputs[output] ?? '').length > 0,
    input,
    has: (i) => input(i) !== undefined,
    activation(i) {
      const found = reader.elements(i);
      if (found.channels === 'first' || found.channels === 'last') return found;
      return fail('does not begin with the axis of samples');
    },
    elements(i) {
      const found = input(i);
      return found?.is === 'activation' ? found : fail(`needs input ${i} to depend on the samples`);
    },
    image(i) {
      const found = reader.activation(i);
      const isImage = found.shape.length === 3 && found.channels === 'first';
      return isImage ? found : fail('supports only images [N, C, H, W] here');
    },
    grid(i) {
      const found = reader.activation(i);
      const isGrid = found.shape.length > 1 && found.shape.length < 4;
      if (isGrid && found.channels === 'first') return found;
      return fail('supports only images [N, C, H, W] and sequences [N, C, T] here');
    },
    constant(i) {
      const found = input(i);
      return found?.is === 'constant' ? found.tensor : fail(`needs input ${i} to be a constant`);
    },
    list(name, i) {
      if (attributes[name] !== undefined) return reader.ints(name);
      const found = input(i);
      if (found === undefined) return undefined;
      if (found.is === 'constant') return [...found.tensor.values];
      return fail(`needs input ${i} to be a constant`);
    },
    int: (name, otherwise) => attribute(name, 'int')?.value ?? otherwise,
    float: (name, otherwise) => attribute(name, 'float')?.value ?? otherwise,
    text: (name, otherwise) => attribute(name, 'string')?.value ?? otherwise,
    ints: (name) => attribute(name, 'ints')?.value,
    texts: (name) => attribute(name, 'strings')?.value,
    tensor: (name) => attribute(name, 'tensor')?.value,
    fail,
  };
  return reader;
}

/** A constant as numbers for all elements of an activation, or per channel. */
export function factorFor(node: NodeReader, tensor: OnnxTensor, x: Activation): Factor {
  const { values, shape } = tensor;
  if (values.length === 1) return values[0]!;
  const channels = x.shape.at(-1)!;
  const axis = x.channels === 'first' ? x.shape.length - 1 : 0;
  // Counted from the last axis, since shapes are aligned there.
  const isAlone = shape.toReversed().every((size, i) => size === 1 || i === axis);
  if (isAlone && sizeOf(shape) === channels && x.flatOf === undefined) {
    return Float64Array.from(values);
  }
  return node.fail(`has a constant of shape [${shape}], not one number or one per channel`);
}
