// The values of an ONNX graph during import: constants, sizes computed from shapes, and
// activations. An activation is a value of the net, possibly with a pending scale and shift that
// are not yet in any layer. Parts of layers without an ONNX operator have value types of their own,
// until the last part makes the layer.

import type { Shape } from '../../base/shape.ts';
import type { OnnxTensor } from '../format/model.ts';

/** The size of the sample axis, which no file fixes. */
export const BATCH = 'batch';
export type Size = number | typeof BATCH;

export interface ConstantValue {
  readonly is: 'constant';
  readonly tensor: OnnxTensor;
}

/** A tensor that repeats one number and has a sample axis. */
interface FilledValue {
  readonly is: 'filled';
  readonly number: number;
}

/** A list of sizes, or one of them. */
export interface SizesValue {
  readonly is: 'sizes';
  readonly sizes: readonly Size[];
  readonly isScalar: boolean;
}

/** Numbers that an activation is combined with: one for all channels, or one per channel. */
export type Factor = number | Float64Array;

/** The position of the channel axis in ONNX; `times` for sequences with time first; `states` for
 * states of recurrent layers, which have a direction axis. */
export type Order = 'first' | 'last' | 'times' | 'states';

export interface Activation {
  readonly is: 'activation';
  /** The node of the net that makes it. */
  readonly node: string;
  /** Shape of a sample in the net, channels last. */
  readonly shape: Shape;
  readonly channels: Order;
  /** The image that a vector is a flattened form of in ONNX's order, channels outermost: [H, W,
   * C]. */
  readonly flatOf?: Shape;
  /** What is pending: node * scale + shift. */
  readonly scale: Factor;
  readonly shift: Factor;
  /** Whether this value, or one between it and the layer that makes it, has several readers. */
  readonly isShared: boolean;
}

/** An activation with its channels in groups in ONNX, [N, groups, ...], for a group norm. */
export interface GroupsValue {
  readonly is: 'groups';
  readonly of: Activation;
  readonly count: number;
}

/** erf(x / sqrt(2)) * scale + shift, a part of gelu. */
export interface ErfValue {
  readonly is: 'erf';
  readonly of: Activation;
  readonly scale: number;
  readonly shift: number;
}

/** The mean of x^2 over some axes, plus eps, or its root: a part of a norm. */
export interface SquareValue {
  readonly is: 'square';
  readonly of: Activation;
  /** Letters from {@link axesOf}; undefined before the mean. */
  readonly over?: string;
  readonly eps: number;
  readonly isRoot: boolean;
}

/** An image's rows times a matrix [OH, H], a part of upsampling. */
export interface RowsValue {
  readonly is: 'rows';
  readonly of: Activation;
  readonly matrix: OnnxTensor;
}

export type Value =
  | ConstantValue
  | FilledValue
  | SizesValue
  | Activation
  | GroupsValue
  | ErfValue
  | RowsValue
  | SquareValue;

/** Whether nothing is pending. */
export function isPlain({ scale, shift }: Pick<Activation, 'scale' | 'shift'>): boolean {
  return scale === 1 && shift === 0;
}

/** The axes that ONNX has in each order, by the number of axes here: N samples, C channels, T time
 * steps, D directions. */
const AXES: Readonly<Record<number, Partial<Record<Order, string>>>> = {
  1: { first: 'NC', states: 'DNC' },
  2: { first: 'NCT', last: 'NTC', times: 'TNC', states: 'TDNC' },
  3: { first: 'NCHW', last: 'NHWC' },
};

/** A letter for each axis in ONNX; undefined if the axes have no known meaning. */
export function axesOf({ shape, channels }: Activation): string | undefined {
  return AXES[shape.length]?.[channels];
}

/** The order with the axes in these positions; undefined if there is none. */
export function orderOf({ shape }: Pick<Activation, 'shape'>, axes: string): Order | undefined {
  const known = Object.entries(AXES[shape.length] ?? {}) as [Order, string][];
  return known.find(([, own]) => own === axes)?.[0];
}

/** The shape in ONNX, including the sample axis. */
export function sizesOf({ shape, channels }: Activation): readonly Size[] {
  const [before, last] = [shape.slice(0, -1), shape.at(-1)!];
  switch (channels) {
    case 'first':
      return [BATCH, last, ...before];
    case 'last':
      return [BATCH, ...shape];
    case 'times':
      return [...before, BATCH, last];
    case 'states':
      return [...before, 1, BATCH, last];
  }
}

/** Combines two factors, element by element. */
export function combined(a: Factor, b: Factor, operate: (a: number, b: number) => number): Factor {
  if (typeof a === 'number') {
    return typeof b === 'number' ? operate(a, b) : b.map((one) => operate(a, one));
  }
  return a.map((one, i) => operate(one, typeof b === 'number' ? b : b[i]!));
}

/** Decimal digits that float32 preserves. */
const DIGITS = 7;

/** A float32 with its shortest decimal digits. */
export function shortest(value: number): number {
  return Number(value.toPrecision(DIGITS));
}
