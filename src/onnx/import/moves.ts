// Imports ONNX operators that only move values: shapes, borders, slices, concatenation of channels.
// Operations on constants and sizes are evaluated here, such as a flatten made of Shape, Slice,
// Concat and Reshape.

import { sizeOf } from '../../base/shape.ts';
import { flatten } from '../../nn/specs/flatten.ts';
import { pad } from '../../nn/specs/pad.ts';
import { reshape } from '../../nn/specs/reshape.ts';
import { slice } from '../../nn/specs/slice.ts';
import type { OnnxTensor } from '../format/model.ts';
import { transposed } from '../format/transpose.ts';
import type { Importer, NodeReader } from './nodeReader.ts';
import { timeStep } from './recurrent.ts';
import {
  type Activation,
  axesOf,
  BATCH,
  type GroupsValue,
  orderOf,
  type Size,
  sizesOf,
  type Value,
} from './values.ts';

const isActivation = (value: Value | undefined): value is Activation => value?.is === 'activation';

/** Returns the value itself, in evaluation. */
function passing(node: NodeReader): Value {
  return node.input(0) ?? node.fail('has no input');
}

const dropout: Importer = (node) => {
  const training = node.opset >= 12 && node.has(2) ? node.constant(2).values[0] : 0;
  return training === 0 ? passing(node) : node.fail('drops values, as in training');
};

/** ONNX's number of float32. */
const FLOAT = 1;
/** More than any net repeats. The file does not contain these elements, so its size does not bound
 * them. */
const MAX_FILLED = 2 ** 20;

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

/** A list of sizes, from a constant or from shapes. */
function sizesIn(node: NodeReader, value: Value | undefined): readonly Size[] {
  if (value?.is === 'sizes') return value.sizes;
  if (value?.is === 'constant' && value.tensor.shape.length < 2) return [...value.tensor.values];
  return node.fail('needs a list of sizes that can be computed from shapes');
}

/** The shape of a value in ONNX. */
function sizesOfValue(node: NodeReader, value: Value): readonly Size[] {
  switch (value.is) {
    case 'activation':
      return sizesOf(value);
    case 'constant':
      return value.tensor.shape;
    case 'sizes':
      return value.isScalar ? [] : [value.sizes.length];
    default:
      return node.fail('needs a shape that can be computed');
  }
}

const shapeOf: Importer = (node) => {
  const all = sizesOfValue(node, passing(node));
  const [start, end] = [node.int('start', 0), node.int('end', all.length)];
  return { is: 'sizes', sizes: all.slice(start, end), isScalar: false };
};

/** Each sample as a vector, in ONNX's element order. */
function flat(node: NodeReader, x: Activation): Activation {
  if (x.shape.length === 1) return x;
  const made = node.builder.layer(node.name, flatten(), x);
  const vector = { ...made, channels: 'first' } as const;
  const channels = x.shape.at(-1)!;
  const isSame = x.channels === 'last' || channels === 1 || channels === sizeOf(x.shape);
  return isSame ? vector : { ...vector, flatOf: x.shape };
}

const flattenImporter: Importer = (node) => {
  if (node.int('axis', 1) !== 1) return node.fail('flattens several samples into one');
  return flat(node, node.activation(0));
};

const reshapeImporter: Importer = (node) => {
  const x = node.input(0);
  const wanted = sizesIn(node, node.input(1));
  if (x?.is === 'groups') return ungrouped(node, x, wanted);
  if (x?.is === 'constant') return reshapedConstant(node, x.tensor, wanted);
  if (x?.is === 'sizes') return { ...x, isScalar: wanted.length === 0 };
  const value = node.activation(0);
  return groups(node, value, wanted) ?? reshaped(node, value, wanted);
};

/** Channels in groups, [N, groups, ...], for group norms; undefined for other shapes. */
function groups(node: NodeReader, x: Activation, wanted: readonly Size[]): GroupsValue | undefined {
  const isForNorms =
    node.readers.length > 0 && node.readers.every((op) => op === 'InstanceNormalization');
  const [samples, given, ...rest] = named(x, wanted);
  const count = Number(given);
  const isCut = isBatch(samples) && rest.length > 0 && x.shape.at(-1)! % count === 0;
  const size = sizeOf(x.shape) / count;
  const isWhole = rest.includes(-1) || sizeOf(rest.map(Number)) === size;
  const isKnown = x.channels === 'first' && x.flatOf === undefined && !isOwn(x, wanted);
  if (!isForNorms || !isCut || !isWhole || !isKnown) return undefined;
  return { is: 'groups', of: node.builder.plain(x), count };
}

/** The value with its groups of channels merged again. */
function ungrouped(node: NodeReader, { of, count }: GroupsValue, wanted: readonly Size[]): Value {
  const [first] = wanted;
  const isOf = isOwn(of, [first === 0 ? BATCH : first!, ...wanted.slice(1)]);
  return isOf ? of : node.fail(`reshapes ${count} groups of channels to [${wanted}]`);
}

/** The sizes, with each 0 replaced by the value's own size. */
function named(x: Activation, wanted: readonly Size[]): readonly Size[] {
  const own = sizesOf(x);
  return wanted.map((size, i) => (size === 0 ? own[i]! : size));
}

const isBatch = (size: Size | undefined): boolean => size === BATCH || size === -1;

/** Whether sizes equal a value's own; one of them may be left open. */
function isOwn(x: Activation, wanted: readonly Size[]): boolean {
  const own = sizesOf(x);
  const countOpen = wanted.filter((size) => size === -1).length;
  if (wanted.length !== own.length || countOpen > 1) return false;
  return named(x, wanted).every((size, i) => size === -1 || size === own[i]);
}

function reshapedConstant(node: NodeReader, tensor: OnnxTensor, wanted: readonly Size[]): Value {
  const sizes = wanted.map((size, i) => (size === 0 ? tensor.shape[i]! : Number(size)));
  const known = sizeOf(sizes.filter((size) => size !== -1));
  const shape = sizes.map((size) => (size === -1 ? tensor.values.length / known : size));
  if (sizeOf(shape) !== tensor.values.length)
    return node.fail(`reshapes a constant to [${wanted}]`);
  return { is: 'constant', tensor: { ...tensor, shape } };
}

/** Samples in another shape. Refused if the memory order here differs from ONNX's. */
function reshaped(node: NodeReader, x: Activation, wanted: readonly Size[]): Activation {
  const own = sizesOf(x);
  const rest = named(x, wanted).slice(1);
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
  const value = node.elements(0);
  const perm = node.ints('perm') ?? [];
  const axes = axesOf(value);
  const turned = axes === undefined ? '' : perm.map((axis) => axes[axis]).join('');
  const channels = orderOf(value, turned);
  return channels === undefined ? node.fail(`transposes by [${perm}]`) : { ...value, channels };
};

/** Adds or removes axes of size 1. */
const squeeze: Importer = (node) => {
  const x = passing(node);
  if (x.is === 'sizes') return { ...x, isScalar: node.op === 'Squeeze' };
  const axes = node.list('axes', 1);
  const isAdding = node.op === 'Unsqueeze';
  const sizes = sizesOfValue(node, x);
  const rank = sizes.length + (isAdding ? (axes ?? []).length : 0);
  const places = (axes ?? []).map((axis) => (axis < 0 ? axis + rank : axis));
  let to: readonly Size[];
  if (isAdding) {
    const left = [...sizes];
    to = Array.from({ length: rank }, (_, i) => (places.includes(i) ? 1 : left.shift()!));
  } else {
    if (places.some((place) => sizes[place] !== 1)) {
      return node.fail(`removes axes [${axes}] of [${sizes}], not all of size 1`);
    }
    to = sizes.filter((size, i) => (axes === undefined ? size !== 1 : !places.includes(i)));
  }
  if (x.is === 'constant') return reshapedConstant(node, x.tensor, to);
  const states = isActivation(x) && x.channels === 'states' ? x : undefined;
  return states === undefined
    ? reshaped(node, node.activation(0), to)
    : oneWay(node, states, places);
};

/** States without the direction axis, which has size 1. */
function oneWay(node: NodeReader, x: Activation, places: readonly number[]): Activation {
  const axes = axesOf(x)!;
  if (places.length !== 1 || axes[places[0]!] !== 'D') {
    return node.fail(`takes axes [${places}] of states`);
  }
  return { ...x, channels: orderOf(x, axes.replace('D', ''))! };
}

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

/** Takes one of several sizes, or one time step or direction of a sequence. */
const gather: Importer = (node) => {
  const x = node.input(0);
  if (x?.is === 'activation') return gathered(node, x);
  const sizes = sizesIn(node, x);
  const { values, shape } = node.constant(1);
  const taken = [...values].map((i) => {
    return sizes[i < 0 ? i + sizes.length : i] ?? node.fail('takes a size that does not exist');
  });
  return { is: 'sizes', sizes: taken, isScalar: shape.length === 0 };
};

function gathered(node: NodeReader, x: Activation): Activation {
  const { values, shape } = node.constant(1);
  const given = node.int('axis', 0);
  const axes = axesOf(x) ?? '';
  const axis = given < 0 ? given + axes.length : given;
  const i = values[0]!;
  if (shape.length > 0 || !'DT'.includes(axes[axis] ?? 'N') || x.channels === 'first') {
    return node.fail(`takes parts of axis ${given}`);
  }
  const times = x.shape[0]!;
  if (axes[axis] === 'D') return oneWay(node, x, [axis]);
  const t = i < 0 ? i + times : i;
  if (x.channels === 'states' || !(t >= 0 && t < times)) return node.fail(`takes time step ${i}`);
  return timeStep(node, x, t);
}

/** A constant that repeats one number, in a shape that is computed. */
const filled: Importer = (node) => {
  const isNew = node.op === 'ConstantOfShape';
  const from = isNew ? node.tensor('value')?.values : node.constant(0).values;
  const [number = 0] = from ?? [];
  const sizes = sizesIn(node, node.input(isNew ? 0 : 1));
  if ((from?.length ?? 1) !== 1) return node.fail('repeats more than one number');
  if (sizes.includes(BATCH)) return { is: 'filled', number };
  const shape = sizes.map(Number);
  if (sizeOf(shape) > MAX_FILLED) return node.fail(`makes ${sizeOf(shape)} numbers`);
  const values = new Float64Array(sizeOf(shape)).fill(number);
  return { is: 'constant', tensor: { type: 'float', shape, values } };
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
  ConstantOfShape: filled,
  Dropout: dropout,
  Expand: filled,
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
