// The arithmetic of reductions: how the members' arrays become one, element by element and always
// in rank order, so that every member and every run gets the same bits. Sums, means and products of
// float32 are formed in float64 and rounded once. Int32 wraps around.

import { UsageError } from '../base/errors.ts';

/** How the elements of all members become one. Any NaN makes `min` and `max` NaN. */
export type ReduceOp = 'sum' | 'min' | 'max' | 'mean' | 'prod';

/** What can be reduced, sent and gathered. */
export type NumberArray = Float32Array | Float64Array | Int32Array;

export type NumberType = 'float32' | 'float64' | 'int32';

export const NUMBER_TYPES: readonly NumberType[] = ['float32', 'float64', 'int32'];
export const REDUCE_OPS: readonly ReduceOp[] = ['sum', 'min', 'max', 'mean', 'prod'];

/** The element type of an array, or a {@link UsageError} when it is none of ours. */
export function typeOf(what: string, array: unknown): NumberType {
  if (array instanceof Float32Array) return 'float32';
  if (array instanceof Float64Array) return 'float64';
  if (array instanceof Int32Array) return 'int32';
  throw new UsageError({
    what,
    given: Object.prototype.toString.call(array),
    allowed: 'a Float32Array, Float64Array or Int32Array',
  });
}

/** Checks that an operation exists and is defined for the type. */
export function checkOp(op: ReduceOp, type: NumberType): void {
  if (!REDUCE_OPS.includes(op)) {
    throw new UsageError({ what: 'the operation', given: op, allowed: REDUCE_OPS.join(', ') });
  }
  if (op === 'mean' && type === 'int32') {
    throw new UsageError({
      what: 'allReduce(mean)',
      given: 'an Int32Array',
      allowed: 'a Float32Array or Float64Array',
      hint: "'sum', since a mean of whole numbers is not whole",
    });
  }
}

/** accumulator[i] = accumulator[i] op value[i] for i < count. `mean` adds; the caller divides. */
export function fold(
  op: ReduceOp,
  accumulator: NumberArray,
  value: NumberArray,
  count: number,
): void {
  if (op === 'sum' || op === 'mean') {
    for (let i = 0; i < count; i++) accumulator[i]! += value[i]!;
  } else if (op === 'min') {
    for (let i = 0; i < count; i++) accumulator[i] = Math.min(accumulator[i]!, value[i]!);
  } else if (op === 'max') {
    for (let i = 0; i < count; i++) accumulator[i] = Math.max(accumulator[i]!, value[i]!);
  } else if (accumulator instanceof Int32Array) {
    // A float64 product of two int32 loses the low bits that wrapping keeps.
    for (let i = 0; i < count; i++) accumulator[i] = Math.imul(accumulator[i]!, value[i]!);
  } else {
    for (let i = 0; i < count; i++) accumulator[i]! *= value[i]!;
  }
}
