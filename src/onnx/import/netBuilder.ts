// Builds the net from an ONNX graph: its nodes with their weights, under the file's names.

import { type Shape, shapesDiffer, sizeOf } from '../../base/shape.ts';
import type { NamedValue } from '../../checkpoint/foldNorm.ts';
import { kindOf } from '../../nn/graph/kinds.ts';
import { conv2d } from '../../nn/specs/conv2d.ts';
import type { FilterResponseNormSpec } from '../../nn/specs/filterResponseNorm.ts';
import type { JoinSpec } from '../../nn/specs/joins.ts';
import { reshape } from '../../nn/specs/reshape.ts';
import {
  GRAPH_INPUT,
  type GraphNode,
  type GraphSpec,
  type LeafSpec,
  MAIN_OUTPUT,
} from '../../nn/specs/spec.ts';
import type { OnnxTensor } from '../format/model.ts';
import { type Activation, type Factor, isPlain, type Order } from './values.ts';

export type Tensors = Readonly<Record<string, Float32Array | Float64Array>>;

interface MadeNode {
  readonly name: string;
  layer: LeafSpec | JoinSpec;
  readonly from: readonly string[];
  readonly input: Shape;
  tensors: Tensors;
}

export interface NetBuilder {
  readonly input: Activation;
  /** Adds a layer after a value. Any pending scale and shift of the value are applied first. */
  layer(name: string, layer: LeafSpec, from: Activation, tensors?: Tensors): Activation;
  join(name: string, kind: JoinSpec['kind'], from: readonly Activation[]): Activation;
  /** The layer or join that makes a value, and the nodes that it reads. */
  maker(value: Activation): Pick<MadeNode, 'layer' | 'from'> | undefined;
  /** The value with nothing pending: a pending factor goes into the product that makes the value if
   * nothing else reads that, otherwise into a layer of its own. */
  plain(value: Activation): Activation;
  /** If a norm makes the value, adds an elementwise weight to it; undefined if no norm does, or if
   * it already has one. */
  weighted(value: Activation, tensor: OnnxTensor): Activation | undefined;
  /** The same with a threshold per channel, the lower bound of its outputs. */
  thresholded(value: Activation, threshold: Factor): Activation | undefined;
  /** The net without nodes that no output needs. */
  finish(outputs: readonly { readonly name: string; readonly node: string }[]): {
    readonly model: GraphSpec;
    readonly weights: ReadonlyMap<string, NamedValue>;
  };
}

const UNNAMED = 'node';
const MAX_NAME = 200;

/** A valid node name close to the file's. */
function nodeName(wanted: string): string {
  const name = wanted
    .slice(0, MAX_NAME)
    .replace(/[^A-Za-z0-9_.-]+/g, '_')
    .replace(/\.{2,}/g, '.')
    .replace(/^\.+|\.+$/g, '');
  return name === '' ? UNNAMED : name;
}

export function createBuilder(inputShape: Shape, order: Order): NetBuilder {
  const nodes = new Map<string, MadeNode>();
  const unique = (wanted: string): string => {
    const name = nodeName(wanted);
    let free = name;
    for (let i = 2; nodes.has(free) || free === GRAPH_INPUT; i++) free = `${name}_${i}`;
    return free;
  };
  const add = (
    wanted: string,
    layer: LeafSpec | JoinSpec,
    from: readonly Activation[],
    tensors: Tensors = {},
  ): Activation => {
    const name = unique(wanted);
    const first = from[0]!;
    nodes.set(name, {
      name,
      layer,
      from: from.map(({ node }) => node),
      input: first.shape,
      tensors,
    });
    return { ...first, node: name, scale: 1, shift: 0, isShared: false };
  };
  const builder: NetBuilder = {
    input: {
      is: 'activation',
      node: GRAPH_INPUT,
      shape: inputShape,
      channels: order,
      scale: 1,
      shift: 0,
      isShared: false,
    },
    layer(wanted, layer, given, tensors) {
      const from = builder.plain(given);
      const shape = kindOf(layer).outputShape(layer, from.shape, nodeName(wanted));
      return { ...add(wanted, layer, [from], tensors), shape };
    },
    join(wanted, kind, given) {
      return add(wanted, { kind }, given.map(builder.plain));
    },
    maker: ({ node }) => nodes.get(node),
    plain(value) {
      if (isPlain(value)) return value;
      const made = nodes.get(value.node);
      const product = made !== undefined && !value.isShared ? scaled(made, value) : undefined;
      if (product === undefined) return scaleLayer(builder, value);
      made!.layer = product.layer;
      made!.tensors = product.tensors;
      return { ...value, scale: 1, shift: 0 };
    },
    weighted: (value, tensor) => {
      const made = value.isShared || !isPlain(value) ? undefined : nodes.get(value.node);
      const isMade = made !== undefined && giveWeight(made, value, tensor);
      return isMade ? value : undefined;
    },
    thresholded: (value, threshold) => {
      const made = value.isShared ? undefined : nodes.get(value.node);
      if (made === undefined || !('tlu' in made.layer) || made.layer.tlu) return undefined;
      const found = builder.plain(value);
      giveThreshold(made, threshold);
      return found;
    },
    finish(outputs) {
      const needed = new Set<string>();
      const visit = (name: string): void => {
        if (needed.has(name)) return;
        needed.add(name);
        for (const from of nodes.get(name)?.from ?? []) visit(from);
      };
      for (const { node } of outputs) visit(node);
      const kept = [...nodes.values()].filter(({ name }) => needed.has(name));
      return { model: graphOf(kept, outputs), weights: weightsOf(kept) };
    },
  };
  return builder;
}

/** Gives a norm without a weight one for each element that it normalizes; false if it does not
 * support that. */
function giveWeight(made: MadeNode, { channels }: Activation, tensor: OnnxTensor): boolean {
  const { layer } = made;
  const isFit = 'normalizedShape' in layer && !layer.affine && channels !== 'first';
  if (!isFit || shapesDiffer(layer.normalizedShape, tensor.shape)) return false;
  const { values: weight } = tensor;
  made.layer = { ...layer, affine: true };
  made.tensors = { weight, bias: new Float32Array(weight.length) };
  return true;
}

/** Gives a filter response norm a threshold per channel. */
function giveThreshold(made: MadeNode, threshold: Factor): void {
  const layer = made.layer as FilterResponseNormSpec;
  const each = Float32Array.from({ length: layer.channels }, (_, c) => at(threshold, c));
  made.layer = { ...layer, tlu: true };
  made.tensors = { ...made.tensors, threshold: each };
}

function graphOf(
  kept: readonly MadeNode[],
  outputs: readonly { readonly name: string; readonly node: string }[],
): GraphSpec {
  const nodes = kept.map(({ name, layer, from }): GraphNode => ({ name, layer, from }));
  const [main, ...heads] = outputs;
  const named = heads.map(({ name, node }, i) => {
    const isFit = /^[A-Za-z][A-Za-z0-9_-]*$/.test(name) && name !== MAIN_OUTPUT;
    return [isFit ? name : `output${i + 2}`, node] as const;
  });
  const graph = { kind: 'graph', nodes, output: main!.node } as const;
  return named.length === 0 ? graph : { ...graph, heads: Object.fromEntries(named) };
}

/** The file's weights, and initial values for what it does not have: counts of batches. */
function weightsOf(kept: readonly MadeNode[]): ReadonlyMap<string, NamedValue> {
  const weights = new Map<string, NamedValue>();
  for (const { name, layer, input, tensors } of kept) {
    if (Object.keys(tensors).length === 0) continue;
    const kind = kindOf(layer as LeafSpec);
    const parameters = kind.parameters?.(layer as LeafSpec, input) ?? [];
    for (const { name: own, shape } of parameters) {
      weights.set(`${name}.${own}`, { shape, values: Float32Array.from(tensors[own]!) });
    }
    for (const { name: own, shape, initial } of kind.buffers?.(layer as LeafSpec, input) ?? []) {
      const values = tensors[own] ?? new Float64Array(sizeOf(shape)).fill(initial);
      weights.set(`${name}.${own}`, { shape, values: Float64Array.from(values) });
    }
  }
  return weights;
}

function at(factor: Factor, i: number): number {
  return typeof factor === 'number' ? factor : factor[i]!;
}

/** A product or norm after a scale and a shift of its outputs. */
type Scaled = Pick<MadeNode, 'layer' | 'tensors'>;

/** Puts a scale and a shift of the outputs into a product or norm; undefined for other layers. */
function scaled(made: MadeNode, by: Activation): Scaled | undefined {
  const { layer } = made;
  if ('affine' in layer) return scaledNorm(made, layer, by);
  if (!('weightStandardization' in layer) || layer.weightStandardization) return undefined;
  const outputs = 'outChannels' in layer ? layer.outChannels : layer.outFeatures;
  return { layer: { ...layer, bias: true }, tensors: scaledTensors(made.tensors, outputs, by) };
}

function scaledNorm(
  { input, tensors }: MadeNode,
  layer: Extract<LeafSpec, { readonly affine: boolean }>,
  by: Activation,
): Scaled | undefined {
  if ('tlu' in layer && layer.tlu) return undefined;
  const affine = { ...layer, affine: true };
  const kind = kindOf(affine);
  const shapes = new Map(kind.parameters!(affine, input).map(({ name, shape }) => [name, shape]));
  if (!shapes.has('bias') && by.shift !== 0) return undefined;
  const length = sizeOf(shapes.get('weight')!);
  const { weight = new Float32Array(length).fill(1), bias = new Float32Array(length) } = tensors;
  const own = scaledTensors({ weight, bias }, by.shape.at(-1)!, by);
  return { layer: affine, tensors: { ...tensors, ...own } };
}

/** Scales weight and bias of a layer with this many output channels, which are the last axis of
 * both. */
function scaledTensors(
  { weight, bias = new Float32Array(1) }: Tensors,
  channels: number,
  { scale, shift }: Activation,
): Tensors {
  const length = Math.max(bias.length, channels);
  return {
    weight: weight!.map((value, i) => value * at(scale, i % channels)),
    bias: Float32Array.from({ length }, (_, i) => {
      return bias[i % bias.length]! * at(scale, i % channels) + at(shift, i % channels);
    }),
  };
}

/** A scale and a shift of each channel, as a depthwise 1x1 convolution. */
function scaleLayer(builder: NetBuilder, value: Activation): Activation {
  const { node, shape, scale, shift } = value;
  const channels = shape.at(-1)!;
  const plain = { ...value, scale: 1, shift: 0 };
  const pixels = [sizeOf(shape) / channels, 1, channels];
  const isImage = shape.length === 3;
  const image = isImage ? plain : builder.layer(`${node}.pixels`, reshape(pixels), plain);
  const layer = conv2d(channels, channels, { kernel: 1, groups: channels });
  const tensors = {
    weight: Float32Array.from({ length: channels }, (_, i) => at(scale, i)),
    bias: Float32Array.from({ length: channels }, (_, i) => at(shift, i)),
  };
  const made = builder.layer(`${node}.scale`, layer, image, tensors);
  return isImage ? made : builder.layer(`${node}.scaled`, reshape(shape), made);
}
