// The operations of the collectives on one vector, chosen at compile time by two type parameters:
// the element type (f32, f64, i32, u8) and the operation, for which the empty classes below stand.
// No object of them is ever made.

export abstract class Sum {}
export abstract class Min {}
export abstract class Max {}
export abstract class Prod {}
/** A sum that `finish` divides. */
export abstract class Mean {}
/** A mean of 2, 4, 8 ... ranks: a product with the reciprocal has the same bits and costs less. */
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

/** One more rank: `next` comes after all that `sofar` is made of. */
@inline
export function combine<T, Op>(sofar: v128, next: v128): v128 {
  if (is<Op, Sum>() || isMean<Op>()) return v128.add<T>(sofar, next);
  if (is<Op, Min>()) return v128.min<T>(sofar, next);
  if (is<Op, Max>()) return v128.max<T>(sofar, next);
  if (sizeof<T>() > 1) return v128.mul<T>(sofar, next);
  // There is no product of bytes: the low bytes of the 16-bit products.
  const even = i16x8.extmul_low_i8x16_u(sofar, next);
  const odd = i16x8.extmul_high_i8x16_u(sofar, next);
  return v128.shuffle<u8>(even, odd, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

/** What `finish` needs for a mean of so many ranks. */
@inline
export function divisorOf<Op>(ranks: usize): v128 {
  return f64x2.splat(is<Op, MeanOfPower>() ? 1 / <f64>ranks : <f64>ranks);
}

/** Makes means of two sums of float64. */
@inline
export function finish<Op>(value: v128, divisor: v128): v128 {
  if (is<Op, Mean>()) return f64x2.div(value, divisor);
  return is<Op, MeanOfPower>() ? f64x2.mul(value, divisor) : value;
}

/** What changes nothing when it is combined: of no ranks at all. */
@inline
export function identity<T, Op>(): v128 {
  if (is<Op, Sum>()) return v128.splat<T>(<T>0);
  if (is<Op, Prod>()) return v128.splat<T>(<T>1);
  const isMin = is<Op, Min>();
  if (isFloat<T>()) return v128.splat<T>(isMin ? <T>Infinity : <T>-Infinity);
  if (sizeof<T>() == 1) return i8x16.splat(isMin ? <i8>0xff : 0);
  return i32x4.splat(isMin ? i32.MAX_VALUE : i32.MIN_VALUE);
}

/** A vector, or one element in the first lane of zeros. */
@inline
export function loadPart<T>(ptr: usize, whole: bool): v128 {
  return whole ? v128.load(ptr) : v128.load_lane<T>(ptr, i64x2.splat(0), 0);
}

/** A vector, or the element in its first lane. */
@inline
export function storePart<T>(ptr: usize, value: v128, whole: bool): void {
  if (whole) v128.store(ptr, value);
  else v128.store_lane<T>(ptr, value, 0);
}
