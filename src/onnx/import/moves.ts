// Operators of ONNX files that only move values: shapes, borders, parts, joins of channels. Those
// of constants and of sizes are worked out here, as flattening by Shape, Slice, Concat and Reshape
// is.

import { sizeOf } from '../../base/shape.ts';
import { flatten } from '../../nn/specs/flatten.ts';
import { pad } from '../../nn/specs/pad.ts';
import { reshape } from '../../nn/specs/reshape.ts';
import { slice } from '../../nn/specs/slice.ts';
import type { OnnxTensor } from '../format/model.ts';
import { transposed } from '../format/transpose.ts';
import type { Importer, NodeReader } from './nodeReader.ts';
import { type Activation, type Size, sizesOf, type Value } from './values.ts';

const isActivation = (value: Value | undefined): value is Activation => value?.is === 'activation';

/** The value itself, in evaluation. */
const passing: Importer = (node) => node.input(0) ?? node.fail('has no input');

const dropout: Importer = (node) => {
  const training = node.opset >= 12 && node.has(2) ? node.constant(2).values[0] : 0;
  return training === 0 ? passing(node) : node.fail('drops values, as in training');
};

/** ONNX's number of float32. */
const FLOAT = 1;

const cast: Importer = (node) => {
  const found = passing(node);
  const to = node.int('to', FLOAT);
  if (isActivation(found) && to !== FLOAT) return node.fail(`makes numbers of type ${to}`);
  return found;
};

const constant: Importer = (node) => {
  const list = (values: readonly number[], shape: readonly number[]): Value => {
    return { is: 'constant', tensor: { type: 'float', shape, values: Float64Array.from(values) } };
  };
  const tensor = node.tensor('value');
  if (tensor !== undefined) return { is: 'constant', tensor };
  const ints = node.ints('value_ints');
  if (ints !== undefined) return list(ints, [ints.length]);
  const number = node.float('value_float', Number.NaN);
  const whole = node.int('value_int', Number.NaN);
  const one = Number.isNaN(number) ? whole : number;
  return Number.isNaN(one) ? node.fail('has no value that is known here') : list([one], []);
};

/** A list of sizes, of a constant or of what was worked out of shapes. */
function sizesIn(node: NodeReader, value: Value | undefined): readonly Size[] {
  if (value?.is === 'sizes') return value.sizes;
  if (value?.is === 'constant' && value.tensor.shape.length < 2) return [...value.tensor.values];
  return node.fail('needs a list of sizes that can be worked out');
}

const shapeOf: Importer = (node) => {
  const found = passing(node);
  const all: readonly Size[] = isActivation(found)
    ? sizesOf(found)
    : found.is === 'constant'
      ? found.tensor.shape
      : [found.sizes.length];
  const [start, end] = [node.int('start', 0), node.int('end', all.length)];
  return { is: 'sizes', sizes: all.slice(start, end), isScalar: false };
};

/** Each sample as a vector, in ONNX's order of elements. */
function flat(node: NodeReader, x: Activation): Activation {
  if (x.shape.length === 1) return x;
  const made = node.builder.layer(node.name, flatten(), x);
  const vector = { ...made, channels: 'first' } as const;
  const channels = x.shape.at(-1)!;
  const isSame = x.channels === 'last' || channels === 1 || channels === sizeOf(x.shape);
  return isSame ? vector : { ...vector, flatOf: x.shape };
}

const flattenImporter: Importer = (node) => {
  if (node.int('axis', 1) !== 1) return node.fail('flattens samples together');
  return flat(node, node.activation(0));
};

const reshapeImporter: Importer = (node) => {
  const x = node.input(0);
  const wanted = sizesIn(node, node.input(1));
  if (x?.is === 'constant') return reshapedConstant(node, x.tensor, wanted);
  if (x?.is === 'sizes') return { ...x, isScalar: wanted.length === 0 };
  return reshaped(node, node.activation(0), wanted);
};

function reshapedConstant(node: NodeReader, tensor: OnnxTensor, wanted: readonly Size[]): Value {
  const sizes = wanted.map((size, i) => (size === 0 ? tensor.shape[i]! : Number(size)));
  const known = sizeOf(sizes.filter((size) => size !== -1));
  const shape = sizes.map((size) => (size === -1 ? tensor.values.length / known : size));
  if (sizeOf(shape) !== tensor.values.length)
    return node.fail(`reshapes a constant to [${wanted}]`);
  return { is: 'constant', tensor: { ...tensor, shape } };
}

/** Samples in another shape. What is not in memory here as it is in ONNX is refused. */
function reshaped(node: NodeReader, x: Activation, wanted: readonly Size[]): Activation {
  const own = sizesOf(x);
  const named = wanted.map((size, i) => (size === 0 ? own[i]! : size));
  const rest = named.slice(1);
  const known = rest.filter((size) => size !== -1).map(Number);
  const sizes = rest.map((size) => (size === -1 ? sizeOf(x.shape) / sizeOf(known) : Number(size)));
  const isWhole = sizeOf(sizes) === sizeOf(x.shape) && sizes.every(Number.isInteger);
  if (!isWhole) return node.fail(`reshapes [${own}] to [${wanted}], across samples`);
  if (sizes.length === 1) return flat(node, x);
  if (`${sizes}` === `${own.slice(1)}`) return x;
  const { flatOf: image } = x;
  const layer = (shape: readonly number[]) => node.builder.layer(node.name, reshape(shape), x);
  if (image !== undefined) {
    const isBack = `${sizes}` === `${[image[2], image[0], image[1]]}`;
    const { flatOf: _order, ...made } = layer(image);
    return isBack ? made : node.fail(`reshapes [${own}] to [${wanted}]`);
  }
  const isVector = x.shape.at(-1) === sizeOf(x.shape);
  if (x.channels === 'first' && isVector && sizes[0] === sizeOf(x.shape)) {
    return { ...layer([...sizes.slice(1), sizes[0]!]), channels: 'first' };
  }
  if (x.channels === 'first' && !isVector && x.shape.at(-1) !== 1) {
    return node.fail(`reshapes [${own}] to [${wanted}]`);
  }
  return { ...layer(sizes), channels: 'last' };
}

const transpose: Importer = (node) => {
  const x = passing(node);
  if (x.is === 'constant') {
    const { tensor } = x;
    const rank = tensor.shape.length;
    const perm = node.ints('perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
    const isOrder = perm.length === rank && perm.every((_, i) => perm.includes(i));
    if (!isOrder) return node.fail(`has perm [${perm}]`);
    const shape = perm.map((axis) => tensor.shape[axis]!);
    return {
      is: 'constant',
      tensor: { ...tensor, shape, values: transposed(tensor.values, tensor.shape, perm) },
    };
  }
  const value = node.activation(0);
  const perm = `${node.ints('perm') ?? ''}`;
  if (value.shape.length === 1 && perm === '0,1') return value;
  const isImage = value.shape.length === 3;
  if (isImage && value.channels === 'first' && perm === '0,2,3,1')
    return { ...value, channels: 'last' };
  if (isImage && value.channels === 'last' && perm === '0,3,1,2')
    return { ...value, channels: 'first' };
  return node.fail(`transposes by [${perm}]`);
};

/** Axes of size 1 come and go. */
const squeeze: Importer = (node) => {
  const x = passing(node);
  if (x.is === 'sizes') return { ...x, isScalar: node.op === 'Squeeze' };
  const axes = node.list('axes', 1);
  const isAdding = node.op === 'Unsqueeze';
  const sizes: readonly Size[] = isActivation(x) ? sizesOf(x) : x.tensor.shape;
  const rank = sizes.length + (isAdding ? (axes ?? []).length : 0);
  const places = (axes ?? []).map((axis) => (axis < 0 ? axis + rank : axis));
  let to: readonly Size[];
  if (isAdding) {
    const left = [...sizes];
    to = Array.from({ length: rank }, (_, i) => (places.includes(i) ? 1 : left.shift()!));
  } else {
    const isGone = (size: Size, i: number) =>
      size === 1 && (axes === undefined || places.includes(i));
    to = sizes.filter((size, i) => !isGone(size, i));
  }
  return isActivation(x) ? reshaped(node, x, to) : reshapedConstant(node, x.tensor, to);
};

const concat: Importer = (node) => {
  const inputs = Array.from({ length: node.count }, (_, i) => node.input(i));
  if (!inputs.some(isActivation)) {
    const sizes = inputs.flatMap((input) => [...sizesIn(node, input)]);
    return { is: 'sizes', sizes, isScalar: false };
  }
  const values = inputs.map((_, i) => node.activation(i));
  const first = values[0]!;
  const given = node.int('axis', 1);
  const axis = given < 0 ? given + first.shape.length + 1 : given;
  const isAlike = values.every(({ channels }) => channels === first.channels);
  const isFlat = values.some(({ flatOf }) => flatOf !== undefined);
  const wanted = first.channels === 'first' ? 1 : first.shape.length;
  if (axis !== wanted || !isAlike || isFlat) return node.fail(`joins along axis ${given}`);
  if (values.length === 1) return first;
  const made = node.builder.join(node.name, 'concat', values);
  const channels = values.reduce((sum, { shape }) => sum + shape.at(-1)!, 0);
  return { ...made, shape: [...first.shape.slice(0, -1), channels] };
};

/** Lists of starts, ends, axes and steps: inputs, or attributes before opset 10. */
const sliceImporter: Importer = (node) => {
  const x = passing(node);
  const starts = node.list('starts', 1) ?? [];
  const ends = node.list('ends', 2) ?? [];
  const axes = node.list('axes', 3) ?? starts.map((_, i) => i);
  const steps = node.list('steps', 4) ?? starts.map(() => 1);
  if (steps.some((step) => step !== 1)) return node.fail('takes steps');
  const rangeOf = (i: number, size: number): [number, number] => {
    const bound = (at: number) => Math.min(Math.max(at < 0 ? at + size : at, 0), size);
    return [bound(starts[i]!), bound(ends[i]!)];
  };
  if (!isActivation(x)) {
    const sizes = sizesIn(node, x);
    return { is: 'sizes', sizes: sizes.slice(...rangeOf(0, sizes.length)), isScalar: false };
  }
  if (x.channels === 'last' || x.flatOf !== undefined)
    return node.fail('takes parts of this order');
  const names = [undefined, 'channels', 'rows', 'columns'] as const;
  const own = sizesOf(x);
  const ranges = axes.map((axis, i) => {
    const place = axis < 0 ? axis + own.length : axis;
    const name = names[place] ?? node.fail(`takes parts of axis ${axis}`);
    return [name, rangeOf(i, Number(own[place]))] as const;
  });
  return node.builder.layer(node.name, slice(Object.fromEntries(ranges)), x);
};

/** Of sizes alone. */
const gather: Importer = (node) => {
  const sizes = sizesIn(node, node.input(0));
  const { values, shape } = node.constant(1);
  const taken = [...values].map((i) => {
    return sizes[i < 0 ? i + sizes.length : i] ?? node.fail('takes a size that is not there');
  });
  return { is: 'sizes', sizes: taken, isScalar: shape.length === 0 };
};

const padImporter: Importer = (node) => {
  const image = node.image(0);
  const pads = node.list('pads', 1) ?? [];
  const value =
    node.opset >= 11 && node.has(2) ? node.constant(2).values[0]! : node.float('value', 0);
  const mode = node.text('mode', 'constant');
  if (pads.length !== 8 || mode !== 'constant') return node.fail(`pads by ${mode} [${pads}]`);
  const isOther = [0, 1, 4, 5].some((i) => pads[i] !== 0) || pads.some((count) => count < 0);
  if (isOther) return node.fail(`pads by [${pads}]`);
  if (pads.every((count) => count === 0)) return image;
  if (value !== 0) return node.fail(`pads by ${value}`);
  const [top, left, bottom, right] = [pads[2]!, pads[3]!, pads[6]!, pads[7]!];
  return node.builder.layer(node.name, pad({ top, left, bottom, right }), image);
};

export const moveImporters: Readonly<Record<string, Importer>> = {
  Cast: cast,
  Concat: concat,
  Constant: constant,
  Dropout: dropout,
  Flatten: flattenImporter,
  Gather: gather,
  Identity: passing,
  Pad: padImporter,
  Reshape: reshapeImporter,
  Shape: shapeOf,
  Slice: sliceImporter,
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: squeeze,
};
