// Arithmetic that the kernels share: the multiply-add of the two builds, and exp, log, tanh and erf
// in float64. The functions use IEEE-exact operations only (no fused ones, no tables), so their
// bits are equal on every machine. Range reduction after Cody and Waite 1980, "Software manual for
// the elementary functions", then Taylor series; erfc by a Chebyshev fit. `...Pair` works on two
// lanes at once.

/** a * b + c in four float32 lanes: one rounding in the `fast` build if the CPU fuses, two in
 * `strict`. */
@inline
export function mulAdd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** c - a * b in four float32 lanes, rounded as {@link mulAdd}. */
@inline
export function negMulAdd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

/** sum + a in two float64 lanes, the same bits in both builds; `one` is 1 in both. If half of a
 * loop's sums are computed this way, as products with 1, multipliers relieve the adders, which
 * also do conversions. */
@inline
export function addByProduct(sum: v128, a: v128, one: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f64x2.relaxed_madd(a, one, sum);
  return f64x2.add(sum, a);
}

const LOG2_E: f64 = Math.LOG2E;
// log 2 in two parts: the first has 32 bits, so that its product with an exponent is exact.
const LN2_HIGH: f64 = 0.6931471803691238;
const LN2_LOW: f64 = 1.9082149292705877e-10;
/** Beyond these exp is infinite or rounds to zero in float64. */
const EXP_MAX: f64 = 710;
const EXP_MIN: f64 = -746;
const EXPONENT_BIAS: i64 = 1023;
const MANTISSA_BITS: i32 = 52;

@inline
function pair(value: f64): v128 {
  return f64x2.splat(value);
}

/** One step of Horner's method: sum * x + coefficient. */
@inline
function horner(sum: v128, x: v128, coefficient: f64): v128 {
  return f64x2.add(f64x2.mul(sum, x), pair(coefficient));
}

/** 2^k for whole numbers |k| < 1023, given as two int64 lanes. */
@inline
function powerOfTwo(k: v128): v128 {
  return i64x2.shl(i64x2.add(k, i64x2.splat(EXPONENT_BIAS)), MANTISSA_BITS);
}

/** Whole float64 numbers as int64 lanes; NaN gives 0. */
@inline
function toInt64(k: v128): v128 {
  return i64x2.extend_low_i32x4_s(i32x4.trunc_sat_f64x2_s_zero(k));
}

/** x - k log 2. */
@inline
function reduce(x: v128, k: v128): v128 {
  return f64x2.sub(f64x2.sub(x, f64x2.mul(k, pair(LN2_HIGH))), f64x2.mul(k, pair(LN2_LOW)));
}

/** (exp(r) - 1 - r) / r^2 = 1/2 + r/6 + r^2/24 + ... for |r| <= log(2)/2; the first omitted term is
 * below 2^-57 of exp(r). */
@inline
function expTail(r: v128): v128 {
  let sum = pair(1.0 / 6227020800.0);
  sum = horner(sum, r, 1.0 / 479001600.0);
  sum = horner(sum, r, 1.0 / 39916800.0);
  sum = horner(sum, r, 1.0 / 3628800.0);
  sum = horner(sum, r, 1.0 / 362880.0);
  sum = horner(sum, r, 1.0 / 40320.0);
  sum = horner(sum, r, 1.0 / 5040.0);
  sum = horner(sum, r, 1.0 / 720.0);
  sum = horner(sum, r, 1.0 / 120.0);
  sum = horner(sum, r, 1.0 / 24.0);
  sum = horner(sum, r, 1.0 / 6.0);
  return horner(sum, r, 0.5);
}

/** exp(x) of two float64 lanes: exp(x) = 2^k exp(r), x = k log 2 + r. Within 1 ulp. */
@inline
export function expPair(x: v128): v128 {
  const bounded = f64x2.max(f64x2.min(x, pair(EXP_MAX)), pair(EXP_MIN));
  const k = f64x2.nearest(f64x2.mul(bounded, pair(LOG2_E)));
  const r = reduce(bounded, k);
  const value = f64x2.add(pair(1), f64x2.add(r, f64x2.mul(f64x2.mul(r, r), expTail(r))));
  // Two factors, because 2^k may be out of range even if 2^k exp(r) is not.
  const exponent = toInt64(k);
  const half = i64x2.shr_s(exponent, 1);
  return f64x2.mul(f64x2.mul(value, powerOfTwo(half)), powerOfTwo(i64x2.sub(exponent, half)));
}

/** exp(x) - 1 of two float64 lanes, |x| <= 700, accurate for small x. */
@inline
export function expMinusOnePair(x: v128): v128 {
  const k = f64x2.nearest(f64x2.mul(x, pair(LOG2_E)));
  const r = reduce(x, k);
  const tail = f64x2.add(r, f64x2.mul(f64x2.mul(r, r), expTail(r)));
  const scale = powerOfTwo(toInt64(k));
  return f64x2.add(f64x2.mul(tail, scale), f64x2.sub(scale, pair(1)));
}

/** exp(x). */
@inline
export function expF64(x: f64): f64 {
  return f64x2.extract_lane(expPair(pair(x)), 0);
}

/** Beyond this tanh rounds to 1. */
const TANH_ONE: f64 = 20;

/** 1 / (1 + exp(-x)). */
@inline
export function sigmoidPair(x: v128): v128 {
  const one = f64x2.splat(1);
  return f64x2.div(one, f64x2.add(one, expPair(f64x2.neg(x))));
}

/** v (1 - v), the slope of a sigmoid at its output. */
@inline
export function sigmoidSlopePair(v: v128): v128 {
  return f64x2.mul(v, f64x2.sub(f64x2.splat(1), v));
}

/** 1 - v^2, the slope of a tanh at its output. */
@inline
export function tanhSlopePair(v: v128): v128 {
  return f64x2.sub(f64x2.splat(1), f64x2.mul(v, v));
}

/** tanh(x) of two float64 lanes, from e = exp(2|x|) - 1 as e / (e + 2), which is accurate for small
 * x. */
@inline
export function tanhPair(x: v128): v128 {
  const size = f64x2.min(f64x2.abs(x), pair(TANH_ONE));
  const e = expMinusOnePair(f64x2.add(size, size));
  const value = f64x2.div(e, f64x2.add(e, pair(2)));
  return v128.bitselect(x, value, i64x2.splat(i64.MIN_VALUE));
}

/** tanh(x). */
@inline
export function tanhF64(x: f64): f64 {
  return f64x2.extract_lane(tanhPair(pair(x)), 0);
}

/** The center of the map from [0, infinity) to (0, 1], t = c / (c + x), of {@link erfcScaledPair};
 * 3.5 gave the smallest error among 1.5, 2, ... 5. */
const ERFC_CENTER: f64 = 3.5;

/** erfc(x) exp(x^2) for x >= 0, as t Q(2t - 1) with t = c / (c + x). Q interpolates in 23 Chebyshev
 * nodes, computed with 40 digits; within 4e-16. */
@inline
export function erfcScaledPair(x: v128): v128 {
  const t = f64x2.div(pair(ERFC_CENTER), f64x2.add(x, pair(ERFC_CENTER)));
  const u = f64x2.sub(f64x2.add(t, t), pair(1));
  let sum = pair(-2.894674679950799e-10);
  sum = horner(sum, u, -4.1361616461000656e-10);
  sum = horner(sum, u, 3.4160779766383965e-9);
  sum = horner(sum, u, 4.374618890575412e-9);
  sum = horner(sum, u, -2.485439644134323e-8);
  sum = horner(sum, u, -3.0367924575457846e-8);
  sum = horner(sum, u, 1.5792451592099922e-7);
  sum = horner(sum, u, 2.2506411376655065e-7);
  sum = horner(sum, u, -9.693737307971183e-7);
  sum = horner(sum, u, -2.06838764632022e-6);
  sum = horner(sum, u, 5.3278092467196e-6);
  sum = horner(sum, u, 2.1364386225815836e-5);
  sum = horner(sum, u, -1.2017763392604407e-5);
  sum = horner(sum, u, -0.0002041517944750117);
  sum = horner(sum, u, -0.00037295848379007387);
  sum = horner(sum, u, 0.0009077286527460496);
  sum = horner(sum, u, 0.0075767485376689635);
  sum = horner(sum, u, 0.02637677332661271);
  sum = horner(sum, u, 0.06449674904211752);
  sum = horner(sum, u, 0.12435886477620423);
  sum = horner(sum, u, 0.19831818475275542);
  sum = horner(sum, u, 0.26794277844774683);
  sum = horner(sum, u, 0.3105873112177886);
  return f64x2.mul(t, sum);
}

/** Below this value erf uses its own series, above it 1 - erfc. */
const ERF_SERIES_END: f64 = 0.5;
const TWO_OVER_SQRT_PI: f64 = 1.1283791670955126;

/** erf(x) of two float64 lanes: sum of (-1)^n x^(2n+1) / (n! (2n+1)) times 2/sqrt(pi) near 0. */
@inline
export function erfPair(x: v128): v128 {
  const size = f64x2.abs(x);
  const square = f64x2.mul(size, size);
  const exponential = expPair(f64x2.neg(square));
  const far = f64x2.sub(pair(1), f64x2.mul(exponential, erfcScaledPair(size)));
  let sum = pair(1.0 / 11975040000.0);
  sum = horner(sum, square, -1.0 / 918086400.0);
  sum = horner(sum, square, 1.0 / 76204800.0);
  sum = horner(sum, square, -1.0 / 6894720.0);
  sum = horner(sum, square, 1.0 / 685440.0);
  sum = horner(sum, square, -1.0 / 75600.0);
  sum = horner(sum, square, 1.0 / 9360.0);
  sum = horner(sum, square, -1.0 / 1320.0);
  sum = horner(sum, square, 1.0 / 216.0);
  sum = horner(sum, square, -1.0 / 42.0);
  sum = horner(sum, square, 1.0 / 10.0);
  sum = horner(sum, square, -1.0 / 3.0);
  sum = horner(sum, square, 1);
  const near = f64x2.mul(f64x2.mul(size, sum), pair(TWO_OVER_SQRT_PI));
  const value = v128.bitselect(near, far, f64x2.lt(size, pair(ERF_SERIES_END)));
  return v128.bitselect(x, value, i64x2.splat(i64.MIN_VALUE));
}

/** erf(x). */
@inline
export function erfF64(x: f64): f64 {
  return f64x2.extract_lane(erfPair(pair(x)), 0);
}

const SMALLEST_NORMAL: f64 = 2.2250738585072014e-308;
/** Lifts subnormal numbers into the normal range. */
const TWO_TO_54: f64 = 18014398509481984;
const MANTISSA_MASK: i64 = 0xfffffffffffff;
const ONE_BITS: i64 = 0x3ff0000000000000;
const SQRT_2: f64 = Math.SQRT2;

/** log(x): x = 2^e m with m in [sqrt(1/2), sqrt(2)], s = (m-1)/(m+1),
 * log x = e log 2 + 2 (s + s^3/3 + s^5/5 + ...). Within 2 ulp. */
export function logF64(x: f64): f64 {
  if (x <= 0) return x == 0 ? -Infinity : NaN;
  if (!(x < Infinity)) return x;
  let lifted: i64 = 0;
  if (x < SMALLEST_NORMAL) {
    x *= TWO_TO_54;
    lifted = 54;
  }
  const bits = reinterpret<i64>(x);
  let exponent = (bits >> MANTISSA_BITS) - EXPONENT_BIAS - lifted;
  let m = reinterpret<f64>((bits & MANTISSA_MASK) | ONE_BITS);
  if (m > SQRT_2) {
    m *= 0.5;
    exponent++;
  }
  const s = (m - 1) / (m + 1);
  const square = s * s;
  // |s| < 0.172: the first omitted term is below 2^-59 of the sum.
  let sum: f64 = 1.0 / 21.0;
  sum = sum * square + 1.0 / 19.0;
  sum = sum * square + 1.0 / 17.0;
  sum = sum * square + 1.0 / 15.0;
  sum = sum * square + 1.0 / 13.0;
  sum = sum * square + 1.0 / 11.0;
  sum = sum * square + 1.0 / 9.0;
  sum = sum * square + 1.0 / 7.0;
  sum = sum * square + 1.0 / 5.0;
  sum = sum * square + 1.0 / 3.0;
  const k = <f64>exponent;
  return k * LN2_HIGH + (k * LN2_LOW + (2 * s + 2 * s * (square * sum)));
}
