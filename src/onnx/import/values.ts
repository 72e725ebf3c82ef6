// What stands for the values of an ONNX graph while it is read: constants, sizes that are worked
// out of shapes, and activations, which are values of the net that is made, maybe times a number
// and plus another one that no layer has been made of yet. Parts of layers that ONNX has no
// operator for stand for themselves until the last of them makes the layer.

import type { Shape } from '../../base/shape.ts';
import type { OnnxTensor } from '../format/model.ts';

/** The size of the axis of samples, which no file can know. */
export const BATCH = 'batch';
export type Size = number | typeof BATCH;

export interface ConstantValue {
  readonly is: 'constant';
  readonly tensor: OnnxTensor;
}

/** A tensor of one number, with an axis of samples. */
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

/** Numbers that meet an activation: one for all, or one for each channel. */
export type Factor = number | Float64Array;

/** Where ONNX has the axis of channels; of sequences that begin with time, `times`; with the
 * axis of directions that states of recurrent layers have, `states`. */
export type Order = 'first' | 'last' | 'times' | 'states';

export interface Activation {
  readonly is: 'activation';
  /** The node of the net that makes it. */
  readonly node: string;
  /** Of a sample, channels last, as the net has it. */
  readonly shape: Shape;
  readonly channels: Order;
  /** The image whose pixels a vector has in ONNX's order, channels outermost: [H, W, C]. */
  readonly flatOf?: Shape;
  /** What is still to be done: node * scale + shift. */
  readonly scale: Factor;
  readonly shift: Factor;
  /** Whether others read the value, too, or one on the way to it from the layer that makes it. */
  readonly isShared: boolean;
}

/** An activation whose channels ONNX has in groups, [N, groups, ...], for a norm of each. */
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

/** The mean of x^2 over some axes, plus eps, or the root of that: a part of a norm. */
export interface SquareValue {
  readonly is: 'square';
  readonly of: Activation;
  /** Letters of {@link axesOf}; undefined before the mean. */
  readonly over?: string;
  readonly eps: number;
  readonly isRoot: boolean;
}

/** The rows of an image by a matrix [OH, H], a part of upsampling. */
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

/** Whether nothing is left to be done. */
export function isPlain({ scale, shift }: Pick<Activation, 'scale' | 'shift'>): boolean {
  return scale === 1 && shift === 0;
}

/** The axes that ONNX has in each order, by the number of those here: N samples, C channels, T
 * time steps, D directions. */
const AXES: Readonly<Record<number, Partial<Record<Order, string>>>> = {
  1: { first: 'NC', states: 'DNC' },
  2: { first: 'NCT', last: 'NTC', times: 'TNC', states: 'TDNC' },
  3: { first: 'NCHW', last: 'NHWC' },
};

/** A letter for each axis as ONNX has them; undefined for shapes that have no names for theirs. */
export function axesOf({ shape, channels }: Activation): string | undefined {
  return AXES[shape.length]?.[channels];
}

/** The order that has the axes in these places; undefined for none. */
export function orderOf({ shape }: Pick<Activation, 'shape'>, axes: string): Order | undefined {
  const known = Object.entries(AXES[shape.length] ?? {}) as [Order, string][];
  return known.find(([, own]) => own === axes)?.[0];
}

/** The shape as ONNX has it, with the axis of samples. */
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

/** Two factors, element by element. */
export function combined(a: Factor, b: Factor, operate: (a: number, b: number) => number): Factor {
  if (typeof a === 'number') {
    return typeof b === 'number' ? operate(a, b) : b.map((one) => operate(a, one));
  }
  return a.map((one, i) => operate(one, typeof b === 'number' ? b : b[i]!));
}

/** What float32 has of a number that was written with at most 7 digits. */
const DIGITS = 7;

/** A float32 as it was written. */
export function shortest(value: number): number {
  return Number(value.toPrecision(DIGITS));
}
