// The nodes and constants of an ONNX graph being written, and the axis order of its values: ours
// are channels last, ONNX's images are channels first. A value is transposed when a node needs the
// other order, and at most once.

import { channelsOf, type Shape, sizeOf } from '../../base/shape.ts';
import { ints, type OnnxAttributes, type OnnxNode, type OnnxTensor } from '../format/model.ts';

/** A value of the graph. */
export interface OnnxValue {
  readonly name: string;
  /** Shape of a sample in this library, channels last. */
  readonly shape: Shape;
  /** Where ONNX has the channels: after the sample axis, or last. Vectors have them `first`. */
  readonly channels: 'first' | 'last';
}

export interface GraphWriter {
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, OnnxTensor>;
  /** Appends an operation and returns the names of its outputs. */
  node(op: string, inputs: readonly string[], settings: NodeSettings): readonly string[];
  /** Adds a float32 constant. */
  floats(name: string, shape: Shape, values: ArrayLike<number>): string;
  /** Adds a list of int64. */
  ints(name: string, values: readonly number[]): string;
  /** Makes a value an output of the graph, under the given name. */
  end(value: string, name: string): void;
}

export interface NodeSettings {
  /** The layer's path in the model, used in names. */
  readonly path: string;
  readonly attributes?: OnnxAttributes;
  /** Number of outputs; default 1. */
  readonly count?: number;
}

export function createWriter(): GraphWriter {
  const nodes: OnnxNode[] = [];
  const constants = new Map<string, OnnxTensor>();
  const taken = new Set<string>();
  const unique = (wanted: string): string => {
    let name = wanted;
    for (let i = 2; taken.has(name); i++) name = `${wanted}_${i}`;
    taken.add(name);
    return name;
  };
  return {
    nodes,
    constants,
    node(op, inputs, { path, attributes = {}, count = 1 }) {
      const outputs = Array.from({ length: count }, () => unique(`${path}/${op}`));
      nodes.push({ name: outputs[0]!, op, inputs, outputs, attributes });
      return outputs;
    },
    floats(wanted, shape, values) {
      const name = unique(wanted);
      constants.set(name, { type: 'float', shape, values: Float32Array.from(values) });
      return name;
    },
    ints(wanted, values) {
      const name = unique(wanted);
      const shape = [values.length];
      constants.set(name, { type: 'int64', shape, values: Float64Array.from(values) });
      return name;
    },
    end(value, name) {
      const node = { name, inputs: [value], outputs: [name], attributes: {} };
      nodes.push({ ...node, op: 'Identity' });
    },
  };
}

/** The layer being written: its place and its tensors. */
export interface LayerPlace {
  readonly writer: GraphWriter;
  readonly path: string;
  /** Shape of the layer's output in this library. */
  readonly output: Shape;
  /** A parameter or buffer of the layer. */
  tensor(name: string): Float32Array | Float64Array;
}

/** Adds a layer's node with one output. */
export function layerNode(
  place: Pick<LayerPlace, 'writer' | 'path'>,
  op: string,
  inputs: readonly string[],
  attributes: OnnxAttributes = {},
): string {
  return layerNodes(place, op, inputs, { attributes })[0]!;
}

/** Adds a layer's node. */
export function layerNodes(
  { writer, path }: Pick<LayerPlace, 'writer' | 'path'>,
  op: string,
  inputs: readonly string[],
  settings: Omit<NodeSettings, 'path'>,
): readonly string[] {
  return writer.node(op, inputs, { path, ...settings });
}

/** The value in the order of ONNX's images and sequences: [N, C, ...]. */
export function channelsFirst(writer: GraphWriter, value: OnnxValue): OnnxValue {
  if (value.channels === 'first') return value;
  const rank = value.shape.length;
  const perm = [0, rank, ...Array.from({ length: rank - 1 }, (_, i) => i + 1)];
  return { ...value, name: transpose(writer, value.name, perm), channels: 'first' };
}

/** The value in this library's order: [N, ..., C]. */
export function channelsLast(writer: GraphWriter, value: OnnxValue): OnnxValue {
  const rank = value.shape.length;
  if (value.channels === 'last' || rank === 1) return value;
  const perm = [0, ...Array.from({ length: rank - 1 }, (_, i) => i + 2), 1];
  return { ...value, name: transpose(writer, value.name, perm), channels: 'last' };
}

/** The value, in any shape whose elements are in this library's memory order. */
export function inMemoryOrder(writer: GraphWriter, value: OnnxValue): OnnxValue {
  const channels = channelsOf(value.shape);
  const isBoth = channels === 1 || channels === sizeOf(value.shape);
  return isBoth ? value : channelsLast(writer, value);
}

/** The value with its channels in the same position as another's. */
export function ordered(
  writer: GraphWriter,
  value: OnnxValue,
  channels: OnnxValue['channels'],
): OnnxValue {
  return channels === 'first' ? channelsFirst(writer, value) : channelsLast(writer, value);
}

function transpose(writer: GraphWriter, name: string, perm: readonly number[]): string {
  const attributes = { perm: ints(perm) };
  const known = writer.nodes.find(
    ({ op, inputs, attributes: own }) =>
      op === 'Transpose' && inputs[0] === name && `${own.perm!.value}` === `${perm}`,
  );
  return known?.outputs[0] ?? writer.node('Transpose', [name], { path: name, attributes })[0]!;
}

/** The output of a node, with the shape of the layer's output and the given order. */
export function made(
  name: string,
  { output }: Pick<LayerPlace, 'output'>,
  channels: OnnxValue['channels'],
): OnnxValue {
  return { name, shape: output, channels: output.length === 1 ? 'first' : channels };
}

/** A constant with one value per channel that broadcasts to [N, C, ...] or [N, ..., C]. */
export function channelVector(
  { writer, path }: Pick<LayerPlace, 'writer' | 'path'>,
  name: string,
  values: ArrayLike<number>,
  { shape, channels }: OnnxValue,
): string {
  const ones = channels === 'first' ? new Array<number>(shape.length - 1).fill(1) : [];
  return writer.floats(`${path}.${name}`, [values.length, ...ones], values);
}

/** A constant that broadcasts to any shape. */
export function scalar(place: Pick<LayerPlace, 'writer' | 'path'>, name: string, value: number) {
  return place.writer.floats(`${place.path}.${name}`, [], [value]);
}
