// Optimizer updates of one block of float32 parameters, and sums for clipping and trust ratios.
// Arithmetic is float64, in the same order for every element; stored values are rounded once.
// Formulas: abi/optimizer.ts.

import { high, low, narrow, storeLanes } from './lanes';

/** a * b + c in float64, never fused. */
@inline
function madd64(a: v128, b: v128, c: v128): v128 {
  return f64x2.add(f64x2.mul(a, b), c);
}

export function sgdStepF32(
  paramPtr: usize,
  gradPtr: usize,
  momentumPtr: usize,
  n: i32,
  ratesPtr: usize,
  momentum: f64,
  nesterov: i32,
  weightDecay: f64,
): void {
  const rate = f64x2.splat(-f64.load(ratesPtr));
  const keep = f64x2.splat(momentum);
  const decay = f64x2.splat(weightDecay);
  const scale = f64x2.splat(f64.load(ratesPtr, 8));
  for (; n > 0; n -= 4, paramPtr += 16, gradPtr += 16) {
    const param = v128.load(paramPtr);
    const grad = v128.load(gradPtr);
    const pLow = low(param);
    const pHigh = high(param);
    let dLow = madd64(decay, pLow, f64x2.mul(low(grad), scale));
    let dHigh = madd64(decay, pHigh, f64x2.mul(high(grad), scale));
    if (momentumPtr) {
      const before = v128.load(momentumPtr);
      const bufferLow = madd64(keep, low(before), dLow);
      const bufferHigh = madd64(keep, high(before), dHigh);
      storeLanes(momentumPtr, narrow(bufferLow, bufferHigh), n);
      momentumPtr += 16;
      dLow = nesterov ? madd64(keep, bufferLow, dLow) : bufferLow;
      dHigh = nesterov ? madd64(keep, bufferHigh, dHigh) : bufferHigh;
    }
    storeLanes(paramPtr, narrow(madd64(rate, dLow, pLow), madd64(rate, dHigh, pHigh)), n);
  }
}

/** keep * before + (1 - keep) * value. */
@inline
function average(before: v128, value: v128, keep: v128): v128 {
  return madd64(keep, before, f64x2.mul(f64x2.sub(f64x2.splat(1), keep), value));
}

/** rate * m / (sqrt(v) / root + eps). */
@inline
function adamChange(m: v128, v: v128, rate: v128, root: v128, eps: v128): v128 {
  const denominator = f64x2.add(f64x2.div(f64x2.sqrt(v), root), eps);
  return f64x2.div(f64x2.mul(rate, m), denominator);
}

export function adamStepF32(
  paramPtr: usize,
  gradPtr: usize,
  meanPtr: usize,
  squarePtr: usize,
  n: i32,
  ratesPtr: usize,
  beta1: f64,
  beta2: f64,
  eps: f64,
  weightDecay: f64,
  decoupled: i32,
): void {
  const lr = f64.load(ratesPtr);
  const keep1 = f64x2.splat(beta1);
  const keep2 = f64x2.splat(beta2);
  const rate = f64x2.splat(lr / f64.load(ratesPtr, 16));
  const root = f64x2.splat(sqrt(f64.load(ratesPtr, 24)));
  const floor = f64x2.splat(eps);
  const scale = f64x2.splat(f64.load(ratesPtr, 8));
  const decay = f64x2.splat(decoupled ? 0 : weightDecay);
  const shrink = f64x2.splat(decoupled ? 1 - lr * weightDecay : 1);
  for (; n > 0; n -= 4, paramPtr += 16, gradPtr += 16, meanPtr += 16, squarePtr += 16) {
    const param = v128.load(paramPtr);
    const grad = v128.load(gradPtr);
    const mean = v128.load(meanPtr);
    const square = v128.load(squarePtr);
    const pLow = low(param);
    const pHigh = high(param);
    const gLow = madd64(decay, pLow, f64x2.mul(low(grad), scale));
    const gHigh = madd64(decay, pHigh, f64x2.mul(high(grad), scale));
    const mLow = average(low(mean), gLow, keep1);
    const mHigh = average(high(mean), gHigh, keep1);
    const vLow = average(low(square), f64x2.mul(gLow, gLow), keep2);
    const vHigh = average(high(square), f64x2.mul(gHigh, gHigh), keep2);
    storeLanes(meanPtr, narrow(mLow, mHigh), n);
    storeLanes(squarePtr, narrow(vLow, vHigh), n);
    const nextLow = f64x2.sub(f64x2.mul(pLow, shrink), adamChange(mLow, vLow, rate, root, floor));
    const nextHigh = f64x2.sub(
      f64x2.mul(pHigh, shrink),
      adamChange(mHigh, vHigh, rate, root, floor),
    );
    storeLanes(paramPtr, narrow(nextLow, nextHigh), n);
  }
}

export function rmspropStepF32(
  paramPtr: usize,
  gradPtr: usize,
  squarePtr: usize,
  meanPtr: usize,
  momentumPtr: usize,
  n: i32,
  ratesPtr: usize,
  alpha: f64,
  eps: f64,
  momentum: f64,
  weightDecay: f64,
): void {
  const rate = f64x2.splat(-f64.load(ratesPtr));
  const scale = f64x2.splat(f64.load(ratesPtr, 8));
  const keep = f64x2.splat(alpha);
  const floor = f64x2.splat(eps);
  const keepMomentum = f64x2.splat(momentum);
  const decay = f64x2.splat(weightDecay);
  for (; n > 0; n -= 4, paramPtr += 16, gradPtr += 16, squarePtr += 16) {
    const param = v128.load(paramPtr);
    const grad = v128.load(gradPtr);
    const square = v128.load(squarePtr);
    const pLow = low(param);
    const pHigh = high(param);
    const gLow = madd64(decay, pLow, f64x2.mul(low(grad), scale));
    const gHigh = madd64(decay, pHigh, f64x2.mul(high(grad), scale));
    const vLow = average(low(square), f64x2.mul(gLow, gLow), keep);
    const vHigh = average(high(square), f64x2.mul(gHigh, gHigh), keep);
    storeLanes(squarePtr, narrow(vLow, vHigh), n);
    let spreadLow = vLow,
      spreadHigh = vHigh;
    if (meanPtr) {
      const mean = v128.load(meanPtr);
      const mLow = average(low(mean), gLow, keep);
      const mHigh = average(high(mean), gHigh, keep);
      storeLanes(meanPtr, narrow(mLow, mHigh), n);
      meanPtr += 16;
      // Rounding may make the difference negative.
      spreadLow = f64x2.max(f64x2.sub(vLow, f64x2.mul(mLow, mLow)), f64x2.splat(0));
      spreadHigh = f64x2.max(f64x2.sub(vHigh, f64x2.mul(mHigh, mHigh)), f64x2.splat(0));
    }
    let dLow = f64x2.div(gLow, f64x2.add(f64x2.sqrt(spreadLow), floor));
    let dHigh = f64x2.div(gHigh, f64x2.add(f64x2.sqrt(spreadHigh), floor));
    if (momentumPtr) {
      const before = v128.load(momentumPtr);
      dLow = madd64(keepMomentum, low(before), dLow);
      dHigh = madd64(keepMomentum, high(before), dHigh);
      storeLanes(momentumPtr, narrow(dLow, dHigh), n);
      momentumPtr += 16;
    }
    storeLanes(paramPtr, narrow(madd64(rate, dLow, pLow), madd64(rate, dHigh, pHigh)), n);
  }
}

export function averageF32(averagePtr: usize, paramPtr: usize, n: i32, ratePtr: usize): void {
  const rate = f64x2.splat(f64.load(ratePtr));
  for (; n > 0; n -= 4, averagePtr += 16, paramPtr += 16) {
    const average = v128.load(averagePtr);
    const param = v128.load(paramPtr);
    const aLow = low(average);
    const aHigh = high(average);
    const nextLow = madd64(rate, f64x2.sub(low(param), aLow), aLow);
    const nextHigh = madd64(rate, f64x2.sub(high(param), aHigh), aHigh);
    storeLanes(averagePtr, narrow(nextLow, nextHigh), n);
  }
}

export function larsStepF32(
  paramPtr: usize,
  gradPtr: usize,
  momentumPtr: usize,
  n: i32,
  ratesPtr: usize,
  momentum: f64,
  weightDecay: f64,
): void {
  const rate = f64x2.splat(f64.load(ratesPtr) * f64.load(ratesPtr, 16));
  const scale = f64x2.splat(f64.load(ratesPtr, 8));
  const keep = f64x2.splat(momentum);
  const decay = f64x2.splat(weightDecay);
  for (; n > 0; n -= 4, paramPtr += 16, gradPtr += 16) {
    const param = v128.load(paramPtr);
    const grad = v128.load(gradPtr);
    const pLow = low(param);
    const pHigh = high(param);
    let dLow = f64x2.mul(rate, madd64(decay, pLow, f64x2.mul(low(grad), scale)));
    let dHigh = f64x2.mul(rate, madd64(decay, pHigh, f64x2.mul(high(grad), scale)));
    if (momentumPtr) {
      const before = v128.load(momentumPtr);
      dLow = madd64(keep, low(before), dLow);
      dHigh = madd64(keep, high(before), dHigh);
      storeLanes(momentumPtr, narrow(dLow, dHigh), n);
      momentumPtr += 16;
    }
    storeLanes(paramPtr, narrow(f64x2.sub(pLow, dLow), f64x2.sub(pHigh, dHigh)), n);
  }
}

/** m / correction1 / (sqrt(v / correction2) + eps) + decay * p. */
@inline
function lambDirection(
  m: v128,
  v: v128,
  p: v128,
  correction1: v128,
  correction2: v128,
  eps: v128,
  decay: v128,
): v128 {
  const root = f64x2.add(f64x2.sqrt(f64x2.div(v, correction2)), eps);
  return madd64(decay, p, f64x2.div(f64x2.div(m, correction1), root));
}

export function lambMomentsF32(
  paramPtr: usize,
  gradPtr: usize,
  meanPtr: usize,
  squarePtr: usize,
  n: i32,
  ratesPtr: usize,
  beta1: f64,
  beta2: f64,
  eps: f64,
  weightDecay: f64,
  sumPtr: usize,
): void {
  const keep1 = f64x2.splat(beta1);
  const keep2 = f64x2.splat(beta2);
  const scale = f64x2.splat(f64.load(ratesPtr, 8));
  const correction1 = f64x2.splat(f64.load(ratesPtr, 24));
  const correction2 = f64x2.splat(f64.load(ratesPtr, 32));
  const floor = f64x2.splat(eps);
  const decay = f64x2.splat(weightDecay);
  let sumLow = f64x2.splat(0);
  let sumHigh = f64x2.splat(0);
  for (; n > 0; n -= 4, paramPtr += 16, gradPtr += 16, meanPtr += 16, squarePtr += 16) {
    const param = v128.load(paramPtr);
    const grad = v128.load(gradPtr);
    const mean = v128.load(meanPtr);
    const square = v128.load(squarePtr);
    const gLow = f64x2.mul(low(grad), scale);
    const gHigh = f64x2.mul(high(grad), scale);
    const m = narrow(average(low(mean), gLow, keep1), average(high(mean), gHigh, keep1));
    const v = narrow(
      average(low(square), f64x2.mul(gLow, gLow), keep2),
      average(high(square), f64x2.mul(gHigh, gHigh), keep2),
    );
    storeLanes(meanPtr, m, n);
    storeLanes(squarePtr, v, n);
    // Uses the stored values, so that lambStepF32 finds the same direction.
    let u = lambDirection(low(m), low(v), low(param), correction1, correction2, floor, decay);
    let w = lambDirection(high(m), high(v), high(param), correction1, correction2, floor, decay);
    if (n < 4) {
      // Lanes past the end become 0, which does not change the sums.
      u = v128.and(u, i64x2.gt_s(i64x2.splat(n), i64x2(0, 1)));
      w = v128.and(w, i64x2.gt_s(i64x2.splat(n), i64x2(2, 3)));
    }
    sumLow = madd64(u, u, sumLow);
    sumHigh = madd64(w, w, sumHigh);
  }
  f64.store(sumPtr, sumOfLanes(sumLow, sumHigh));
}

export function lambStepF32(
  paramPtr: usize,
  meanPtr: usize,
  squarePtr: usize,
  n: i32,
  ratesPtr: usize,
  eps: f64,
  weightDecay: f64,
): void {
  const rate = f64x2.splat(-f64.load(ratesPtr) * f64.load(ratesPtr, 16));
  const correction1 = f64x2.splat(f64.load(ratesPtr, 24));
  const correction2 = f64x2.splat(f64.load(ratesPtr, 32));
  const floor = f64x2.splat(eps);
  const decay = f64x2.splat(weightDecay);
  for (; n > 0; n -= 4, paramPtr += 16, meanPtr += 16, squarePtr += 16) {
    const param = v128.load(paramPtr);
    const m = v128.load(meanPtr);
    const v = v128.load(squarePtr);
    const pLow = low(param);
    const pHigh = high(param);
    const u = lambDirection(low(m), low(v), pLow, correction1, correction2, floor, decay);
    const w = lambDirection(high(m), high(v), pHigh, correction1, correction2, floor, decay);
    storeLanes(paramPtr, narrow(madd64(rate, u, pLow), madd64(rate, w, pHigh)), n);
  }
}

/** -1, 0 or 1; NaN stays NaN. */
@inline
function signOf(x: v128): v128 {
  const zero = f64x2.splat(0);
  const one = f64x2.splat(1);
  const positive = v128.and(f64x2.gt(x, zero), one);
  const sign = f64x2.sub(positive, v128.and(f64x2.lt(x, zero), one));
  return v128.bitselect(x, sign, f64x2.ne(x, x));
}

export function lionStepF32(
  paramPtr: usize,
  gradPtr: usize,
  meanPtr: usize,
  n: i32,
  ratesPtr: usize,
  beta1: f64,
  beta2: f64,
  weightDecay: f64,
): void {
  const lr = f64.load(ratesPtr);
  const rate = f64x2.splat(-lr);
  const scale = f64x2.splat(f64.load(ratesPtr, 8));
  const keep1 = f64x2.splat(beta1);
  const keep2 = f64x2.splat(beta2);
  const shrink = f64x2.splat(1 - lr * weightDecay);
  for (; n > 0; n -= 4, paramPtr += 16, gradPtr += 16, meanPtr += 16) {
    const param = v128.load(paramPtr);
    const grad = v128.load(gradPtr);
    const mean = v128.load(meanPtr);
    const gLow = f64x2.mul(low(grad), scale);
    const gHigh = f64x2.mul(high(grad), scale);
    const pLow = f64x2.mul(low(param), shrink);
    const pHigh = f64x2.mul(high(param), shrink);
    const signLow = signOf(average(low(mean), gLow, keep1));
    const signHigh = signOf(average(high(mean), gHigh, keep1));
    storeLanes(
      meanPtr,
      narrow(average(low(mean), gLow, keep2), average(high(mean), gHigh, keep2)),
      n,
    );
    storeLanes(paramPtr, narrow(madd64(rate, signLow, pLow), madd64(rate, signHigh, pHigh)), n);
  }
}

export function clampF32(xPtr: usize, n: i32, limit: f32): void {
  const most = f32x4.splat(limit);
  const least = f32x4.splat(-limit);
  for (; n > 0; n -= 4, xPtr += 16) {
    storeLanes(xPtr, f32x4.max(f32x4.min(v128.load(xPtr), most), least), n);
  }
}

/** (lane 0 + lane 1) + (lane 2 + lane 3). */
@inline
function sumOfLanes(sumLow: v128, sumHigh: v128): f64 {
  const first = f64x2.extract_lane(sumLow, 0) + f64x2.extract_lane(sumLow, 1);
  const second = f64x2.extract_lane(sumHigh, 0) + f64x2.extract_lane(sumHigh, 1);
  return first + second;
}

export function sumSquaresF32(xPtr: usize, n: i32, sumPtr: usize): void {
  let sumLow = f64x2.splat(0);
  let sumHigh = f64x2.splat(0);
  for (; n > 0; n -= 4, xPtr += 16) {
    let value = v128.load(xPtr);
    // Lanes past the end become 0, which does not change the sums.
    if (n < 4) value = v128.and(value, i32x4.gt_s(i32x4.splat(n), i32x4(0, 1, 2, 3)));
    const a = low(value);
    const b = high(value);
    sumLow = madd64(a, a, sumLow);
    sumHigh = madd64(b, b, sumHigh);
  }
  f64.store(sumPtr, sumOfLanes(sumLow, sumHigh));
}
