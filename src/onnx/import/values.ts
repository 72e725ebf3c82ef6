// What stands for the values of an ONNX graph while it is read: constants, sizes that are worked
// out of shapes, and activations, which are values of the net that is made, maybe times a number
// and plus another one that no layer has been made of yet.

import type { Shape } from '../../base/shape.ts';
import type { OnnxTensor } from '../format/model.ts';

/** The size of the axis of samples, which no file can know. */
export const BATCH = 'batch';
export type Size = number | typeof BATCH;

export interface ConstantValue {
  readonly is: 'constant';
  readonly tensor: OnnxTensor;
}

/** A list of sizes, or one of them. */
export interface SizesValue {
  readonly is: 'sizes';
  readonly sizes: readonly Size[];
  readonly isScalar: boolean;
}

/** Numbers that meet an activation: one for all, or one for each channel. */
export type Factor = number | Float64Array;

export interface Activation {
  readonly is: 'activation';
  /** The node of the net that makes it. */
  readonly node: string;
  /** Of a sample, channels last, as the net has it. */
  readonly shape: Shape;
  /** Where ONNX has the channels. */
  readonly channels: 'first' | 'last';
  /** The image whose pixels a vector has in ONNX's order, channels outermost: [H, W, C]. */
  readonly flatOf?: Shape;
  /** What is still to be done: node * scale + shift. */
  readonly scale: Factor;
  readonly shift: Factor;
  /** Whether others read the value, too, or one on the way to it from the layer that makes it. */
  readonly isShared: boolean;
}

export type Value = ConstantValue | SizesValue | Activation;

/** Whether nothing is left to be done. */
export function isPlain({ scale, shift }: Activation): boolean {
  return scale === 1 && shift === 0;
}

/** The shape as ONNX has it, with the axis of samples. */
export function sizesOf({ shape, channels }: Activation): readonly Size[] {
  if (channels === 'last') return [BATCH, ...shape];
  return [BATCH, shape.at(-1)!, ...shape.slice(0, -1)];
}

/** Two factors, element by element. */
export function combined(a: Factor, b: Factor, operate: (a: number, b: number) => number): Factor {
  if (typeof a === 'number') {
    return typeof b === 'number' ? operate(a, b) : b.map((one) => operate(a, one));
  }
  return a.map((one, i) => operate(one, typeof b === 'number' ? b : b[i]!));
}
