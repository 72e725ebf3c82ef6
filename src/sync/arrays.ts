// The data of collectives: four element types and five reductions. Kernels that are passed to a
// group do the arithmetic.

import { UsageError } from '../base/errors.ts';

/** How the elements of all members are combined, in rank order. Any NaN makes `min` and `max` NaN.
 * Sums, means and products of float32 are formed in float64 and rounded once; those of int32 and
 * uint8 wrap around. `mean` is for floats only. */
export type ReduceOp = 'sum' | 'min' | 'max' | 'prod' | 'mean';

/** The arrays that can be reduced, sent and gathered. */
export type NumberArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** The types of numbers in arrays that groups allocate. */
export type NumberType = 'float32' | 'float64' | 'int32' | 'uint8';

/** The array of an element type, in shared memory. */
export interface SharedArrayOf {
  /** 32-bit floats. */
  float32: Float32Array<SharedArrayBuffer>;
  /** 64-bit floats. */
  float64: Float64Array<SharedArrayBuffer>;
  /** Signed 32-bit whole numbers, which wrap around. */
  int32: Int32Array<SharedArrayBuffer>;
  /** Unsigned bytes, which wrap around. */
  uint8: Uint8Array<SharedArrayBuffer>;
}

export const NUMBER_TYPES: readonly NumberType[] = ['float32', 'float64', 'int32', 'uint8'];
export const REDUCE_OPS: readonly ReduceOp[] = ['sum', 'min', 'max', 'prod', 'mean'];

export const ELEMENT_BYTES: Readonly<Record<NumberType, number>> = {
  float32: 4,
  float64: 8,
  int32: 4,
  uint8: 1,
};

/** The sum of a type's and an operation's code identifies both; kernels and calls use it. */
export const TYPE_CODES: Readonly<Record<NumberType, number>> = {
  float32: 0,
  float64: 8,
  int32: 16,
  uint8: 24,
};
const OP_CODES: Readonly<Record<ReduceOp, number>> = { sum: 0, min: 1, max: 2, prod: 3, mean: 4 };

/** The element type of an array. Throws a {@link UsageError} if it is not one of these. */
export function typeOf(what: string, array: unknown): NumberType {
  if (array instanceof Float32Array) return 'float32';
  if (array instanceof Float64Array) return 'float64';
  if (array instanceof Int32Array) return 'int32';
  if (array instanceof Uint8Array) return 'uint8';
  throw new UsageError({
    what,
    given: Object.prototype.toString.call(array),
    allowed: 'a Float32Array, Float64Array, Int32Array or Uint8Array',
  });
}

/** The code of a reduction. Throws a {@link UsageError} if it is not defined for the type. */
export function reductionCode(kind: string, typeCode: number, op: ReduceOp): number {
  if (!REDUCE_OPS.includes(op)) {
    throw new UsageError({
      what: `the operation of ${kind}`,
      given: op,
      allowed: REDUCE_OPS.join(', '),
    });
  }
  if (op === 'mean' && typeCode >= TYPE_CODES.int32) {
    throw new UsageError({
      what: `${kind}(mean)`,
      given: NUMBER_TYPES[typeCode >> 3],
      allowed: 'float32 or float64',
      hint: "'sum', since a mean of whole numbers is not whole",
    });
  }
  return typeCode + OP_CODES[op];
}
