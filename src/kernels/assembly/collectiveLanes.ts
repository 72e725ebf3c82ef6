// The operations of the collectives on one vector, chosen at compile time by two type parameters:
// the element type (f32, f64, i32, u8) and the operation, represented by the empty classes below,
// which are never instantiated.

export abstract class Sum {}
export abstract class Min {}
export abstract class Max {}
export abstract class Prod {}
/** A sum that `finish` divides. */
export abstract class Mean {}
/** A mean over 2, 4, 8, ... ranks: multiplying by the reciprocal has the same bits and is
 * cheaper. */
export abstract class MeanOfPower {}

@inline
function is<A, B>(): bool {
  return idof<A>() == idof<B>();
}

@inline
export function isMean<Op>(): bool {
  return is<Op, Mean>() || is<Op, MeanOfPower>();
}

/** Whether a fold of T is computed in float64 and rounded at the end. */
@inline
export function isWide<T, Op>(): bool {
  return isFloat<T>() && sizeof<T>() == 4 && !is<Op, Min>() && !is<Op, Max>();
}

/** Adds a rank: `next` comes after all ranks in `sofar`. */
@inline
export function combine<T, Op>(sofar: v128, next: v128): v128 {
  if (is<Op, Sum>() || isMean<Op>()) return v128.add<T>(sofar, next);
  if (is<Op, Min>()) return v128.min<T>(sofar, next);
  if (is<Op, Max>()) return v128.max<T>(sofar, next);
  if (sizeof<T>() > 1) return v128.mul<T>(sofar, next);
  // Bytes cannot be multiplied directly, so take the low bytes of 16-bit products.
  const even = i16x8.extmul_low_i8x16_u(sofar, next);
  const odd = i16x8.extmul_high_i8x16_u(sofar, next);
  return v128.shuffle<u8>(even, odd, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

/** The constant that `finish` needs for a mean over this many ranks. */
@inline
export function divisorOf<Op>(ranks: usize): v128 {
  return f64x2.splat(is<Op, MeanOfPower>() ? 1 / <f64>ranks : <f64>ranks);
}

/** Turns two float64 sums into means. */
@inline
export function finish<Op>(value: v128, divisor: v128): v128 {
  if (is<Op, Mean>()) return f64x2.div(value, divisor);
  return is<Op, MeanOfPower>() ? f64x2.mul(value, divisor) : value;
}

/** The identity of the operation: the result for no ranks. */
@inline
export function identity<T, Op>(): v128 {
  if (is<Op, Sum>()) return v128.splat<T>(<T>0);
  if (is<Op, Prod>()) return v128.splat<T>(<T>1);
  const isMin = is<Op, Min>();
  if (isFloat<T>()) return v128.splat<T>(isMin ? <T>Infinity : <T>-Infinity);
  if (sizeof<T>() == 1) return i8x16.splat(isMin ? <i8>0xff : 0);
  return i32x4.splat(isMin ? i32.MAX_VALUE : i32.MIN_VALUE);
}

/** Loads a vector, or one element into the first lane of zeros. */
@inline
export function loadPart<T>(ptr: usize, whole: bool): v128 {
  return whole ? v128.load(ptr) : v128.load_lane<T>(ptr, i64x2.splat(0), 0);
}

/** Stores a vector, or the element in its first lane. */
@inline
export function storePart<T>(ptr: usize, value: v128, whole: bool): void {
  if (whole) v128.store(ptr, value);
  else v128.store_lane<T>(ptr, value, 0);
}
