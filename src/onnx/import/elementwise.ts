// Imports activations and arithmetic of ONNX files. Multiplying or adding a number does not make a
// layer immediately: most of these go into the preceding product, or are part of an activation
// without an ONNX operator, such as x * clip(x + 3, 0, 6) / 6 for hardSwish.

import { shapesDiffer, sizeOf } from '../../base/shape.ts';
import {
  elu,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  prelu,
  relu,
  relu6,
  sigmoid,
  silu,
  softmax,
  tanh,
} from '../../nn/specs/activations.ts';
import { reshape } from '../../nn/specs/reshape.ts';
import type { LeafSpec } from '../../nn/specs/spec.ts';
import type { OnnxTensor } from '../format/model.ts';
import { factorFor, type Importer, type NodeReader } from './nodeReader.ts';
import { ofParts, squareOf } from './parts.ts';
import { type Activation, combined, type Factor, isPlain, shortest, type Value } from './values.ts';

/** The bound of relu6, and the summand inside hardSigmoid. */
const SIX = 6;
const THREE = 3;
const CLOSE = 1e-5;

type Operate = (a: number, b: number) => number;

const OPERATIONS: Readonly<Record<string, Operate>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
};

/** Layers that multiply an input by a gate of it, by the gate's layer. */
const GATED: Readonly<Record<string, () => LeafSpec>> = { hardSigmoid: hardSwish, sigmoid: silu };

const unary =
  (layerOf: (node: NodeReader) => LeafSpec): Importer =>
  (node) =>
    node.builder.layer(node.name, layerOf(node), node.elements(0));

const arithmetic: Importer = (node) => {
  const [a, b] = [node.input(0), node.input(1)];
  const part = ofParts(node, a, b);
  if (part !== undefined) return part;
  if (a?.is === 'constant' && b?.is === 'constant') return constantOf(node, a.tensor, b.tensor);
  if (a?.is === 'activation' && b?.is === 'constant') return withNumber(node, a, b.tensor, false);
  if (a?.is === 'constant' && b?.is === 'activation') return withNumber(node, b, a.tensor, true);
  if (a?.is === 'activation' && b?.is === 'activation') return ofTwo(node, a, b);
  return node.fail('computes with shapes in an unsupported way');
};

function constantOf(node: NodeReader, a: OnnxTensor, b: OnnxTensor): Value {
  const operate = OPERATIONS[node.op]!;
  const large = a.values.length >= b.values.length ? a : b;
  const isFit = [a, b].every(({ shape, values }) => {
    return values.length === 1 || !shapesDiffer(shape, large.shape);
  });
  if (!isFit) return node.fail(`combines constants of shapes [${a.shape}] and [${b.shape}]`);
  const numberOf = ({ values }: OnnxTensor, i: number) => values[values.length === 1 ? 0 : i]!;
  const values = large.values.map((_, i) => operate(numberOf(a, i), numberOf(b, i)));
  return { is: 'constant', tensor: { ...large, values } };
}

/** Combines a value and a constant, in either order. */
function withNumber(
  node: NodeReader,
  x: Activation,
  tensor: OnnxTensor,
  isFirst: boolean,
): Activation {
  const weighted = node.op === 'Mul' ? node.builder.weighted(x, tensor) : undefined;
  if (weighted !== undefined) return weighted;
  const factor = factorFor(node, tensor, x);
  const operate = OPERATIONS[node.op]!;
  const both = (own: Factor): Factor => combined(own, factor, operate);
  switch (node.op) {
    case 'Add':
      return { ...x, shift: both(x.shift) };
    case 'Sub':
      if (!isFirst) return { ...x, shift: both(x.shift) };
      return {
        ...x,
        scale: combined(x.scale, -1, (a, b) => a * b),
        shift: combined(factor, x.shift, operate),
      };
    case 'Mul':
      return { ...x, scale: both(x.scale), shift: both(x.shift) };
    default:
      if (isFirst) return node.fail('divides by a value that depends on the samples');
      return { ...x, scale: both(x.scale), shift: both(x.shift) };
  }
}

function ofTwo(node: NodeReader, a: Activation, b: Activation): Value {
  const { builder, name, op } = node;
  if (op === 'Mul') return squareOf(node, a, b) ?? multiplied(node, a, b);
  if (op === 'Div') return node.fail('divides by a value that depends on the samples');
  if (isUnlike(a, b)) return node.fail('adds values of different shapes');
  const second = op === 'Add' ? b : negated(b);
  return builder.join(name, 'add', [a, second]);
}

function negated(x: Activation): Activation {
  const by: Operate = (a, b) => a * b;
  return { ...x, scale: combined(x.scale, -1, by), shift: combined(x.shift, -1, by) };
}

function isUnlike(a: Activation, b: Activation): boolean {
  const isOtherOrder = `${a.flatOf}` !== `${b.flatOf}` || a.channels !== b.channels;
  return shapesDiffer(a.shape, b.shape) || isOtherOrder;
}

/** A product of two values; one may have one element per channel. */
function multiplied(node: NodeReader, one: Activation, other: Activation): Activation {
  const { builder, name } = node;
  const [x, gate] = sizeOf(one.shape) >= sizeOf(other.shape) ? [one, other] : [other, one];
  const [a, b] = [pulled(node, x), pulled(node, gate)];
  const scale = a.scale * b.scale;
  const gated = gatedLayer(node, a.value, b.value) ?? gatedLayer(node, b.value, a.value);
  if (gated !== undefined) return { ...gated, scale };
  if (!isUnlike(x, gate)) return { ...builder.join(name, 'multiply', [a.value, b.value]), scale };
  const channels = x.shape.at(-1)!;
  const isAlike = gate.shape.length === x.shape.length && gate.channels === x.channels;
  const isGate = sizeOf(gate.shape) === channels && isAlike;
  if (!isGate) return node.fail('multiplies values of different shapes');
  const vector = builder.layer(`${name}.gate`, reshape([channels]), b.value);
  return { ...builder.join(name, 'multiply', [a.value, vector]), scale };
}

/** Splits a pending factor off a value, to apply it later. */
function pulled(
  { builder }: NodeReader,
  value: Activation,
): { readonly value: Activation; readonly scale: number } {
  const { scale, shift } = value;
  if (typeof scale === 'number' && shift === 0) return { value: { ...value, scale: 1 }, scale };
  return { value: builder.plain(value), scale: 1 };
}

/** The layer that equals x times its gate; undefined if there is none. */
function gatedLayer(node: NodeReader, x: Activation, gate: Activation): Activation | undefined {
  const made = node.builder.maker(gate);
  const layer = made && GATED[made.layer.kind];
  if (layer === undefined || made!.from[0] !== x.node || !isPlain(x)) return undefined;
  return node.builder.layer(node.name, layer(), x);
}

/** min(max(x, low), high), made from available activations. */
function clipped(node: NodeReader, x: Activation, low: number, high: number): Activation {
  const { builder, name } = node;
  if (!(low < high)) return node.fail(`clips to ${low} .. ${high}`);
  const moved = (by: number): Activation => ({
    ...x,
    shift: combined(x.shift, by, (a, b) => a + b),
  });
  if (high === Infinity) {
    if (low === -Infinity) return x;
    return { ...builder.layer(name, relu(), moved(-low)), shift: low };
  }
  if (low === -Infinity) {
    const above = builder.layer(name, relu(), negated(moved(-high)));
    return { ...above, scale: -1, shift: high };
  }
  // relu6((x - low) k) / k + low.
  const k = SIX / (high - low);
  const by: Operate = (a, b) => shortest(a * b);
  const wide = { ...x, scale: combined(x.scale, k, by), shift: combined(moved(-low).shift, k, by) };
  const back = { scale: 1 / k, shift: low };
  const { shift } = wide;
  if (typeof shift === 'number' && Math.abs(shift - THREE) < CLOSE) {
    const made = builder.layer(name, hardSigmoid(), { ...wide, shift: 0 });
    return { ...made, scale: shortest(SIX / k), shift: low };
  }
  return { ...builder.layer(name, relu6(), wide), ...back };
}

const clip: Importer = (node) => {
  const bound = (name: string, i: number, otherwise: number): number => {
    if (node.opset < 11) return finite(node.float(name, otherwise), otherwise);
    return node.has(i) ? finite(node.constant(i).values[0]!, otherwise) : otherwise;
  };
  return clipped(node, node.elements(0), bound('min', 1, -Infinity), bound('max', 2, Infinity));
};

/** Bounds at the limits of float32 mean no bound. */
function finite(value: number, otherwise: number): number {
  return Math.abs(value) > 3.4e38 ? otherwise : value;
}

const hardSigmoidImporter: Importer = (node) => {
  const by: Operate = (a, b) => a * b;
  const x = node.elements(0);
  const [alpha, beta] = [node.float('alpha', 0.2), node.float('beta', 0.5)];
  const shift = combined(combined(x.shift, alpha, by), beta, (a, b) => a + b);
  return clipped(node, { ...x, scale: combined(x.scale, alpha, by), shift }, 0, 1);
};

const preluImporter: Importer = (node) => {
  const x = node.elements(0);
  const slopes = factorFor(node, node.constant(1), x);
  const weight = typeof slopes === 'number' ? Float64Array.of(slopes) : slopes;
  const layer = prelu({ numParameters: weight.length });
  return node.builder.layer(node.name, layer, x, { weight });
};

const softmaxImporter: Importer = (node) => {
  const x = node.activation(0);
  const rank = x.shape.length + 1;
  const given = node.int('axis', node.opset < 13 ? 1 : -1);
  const axis = given < 0 ? given + rank : given;
  const isVector = sizeOf(x.shape) === x.shape.at(-1);
  // Before opset 13, all axes from that one on were flattened.
  const isWhole = node.opset < 13 && !isVector;
  const wanted = x.channels === 'first' ? 1 : rank - 1;
  if (isWhole || axis !== wanted) return node.fail(`is over axis ${given}, not over channels`);
  return node.builder.layer(node.name, softmax(), x);
};

export const elementwiseImporters: Readonly<Record<string, Importer>> = {
  Add: arithmetic,
  Clip: clip,
  Div: arithmetic,
  Elu: unary((node) => elu(shortest(node.float('alpha', 1)))),
  HardSigmoid: hardSigmoidImporter,
  HardSwish: unary(hardSwish),
  LeakyRelu: unary((node) => leakyRelu(shortest(node.float('alpha', 0.01)))),
  Mul: arithmetic,
  PRelu: preluImporter,
  Relu: unary(relu),
  Sigmoid: unary(sigmoid),
  Softmax: softmaxImporter,
  Sub: arithmetic,
  Tanh: unary(tanh),
};
