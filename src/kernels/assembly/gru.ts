// The elementwise part of a gated recurrent unit. Vectors of four read past the end of a gate by at
// most three elements, and only elements of the gate are stored, so an element has the same bits at
// any position. Formulas: abi/gru.ts.

import { high, low, narrow, storeLanes } from './lanes';
import { sigmoidPair, sigmoidSlopePair, tanhPair, tanhSlopePair } from './math';

@inline
function gatePair(input: v128, hidden: v128): v128 {
  return sigmoidPair(f64x2.add(input, hidden));
}

/** tanh(in + r hn). */
@inline
function newPair(input: v128, r: v128, hidden: v128): v128 {
  return tanhPair(f64x2.add(input, f64x2.mul(r, hidden)));
}

/** n + z (h - n). */
@inline
function nextPair(n: v128, z: v128, h: v128): v128 {
  return f64x2.add(n, f64x2.mul(z, f64x2.sub(h, n)));
}

export function gruCellF32(
  gatesPtr: usize,
  hiddenPtr: usize,
  hPtr: usize,
  nextPtr: usize,
  rows: i32,
  size: i32,
): void {
  const gateBytes = (<usize>size) << 2;
  const rowRest = 2 * gateBytes;
  for (; rows > 0; rows--) {
    for (let n = size; n > 0; n -= 4) {
      const inputR = v128.load(gatesPtr);
      const inputZ = v128.load(gatesPtr + gateBytes);
      const inputN = v128.load(gatesPtr + 2 * gateBytes);
      const hiddenR = v128.load(hiddenPtr);
      const hiddenZ = v128.load(hiddenPtr + gateBytes);
      const hiddenN = v128.load(hiddenPtr + 2 * gateBytes);
      const h = v128.load(hPtr);
      const lowR = gatePair(low(inputR), low(hiddenR));
      const highR = gatePair(high(inputR), high(hiddenR));
      const lowZ = gatePair(low(inputZ), low(hiddenZ));
      const highZ = gatePair(high(inputZ), high(hiddenZ));
      const lowN = newPair(low(inputN), lowR, low(hiddenN));
      const highN = newPair(high(inputN), highR, high(hiddenN));
      storeLanes(gatesPtr, narrow(lowR, highR), n);
      storeLanes(gatesPtr + gateBytes, narrow(lowZ, highZ), n);
      storeLanes(gatesPtr + 2 * gateBytes, narrow(lowN, highN), n);
      const next = narrow(nextPair(lowN, lowZ, low(h)), nextPair(highN, highZ, high(h)));
      storeLanes(nextPtr, next, n);
      const stepBytes = (<usize>min(n, 4)) << 2;
      gatesPtr += stepBytes;
      hiddenPtr += stepBytes;
      hPtr += stepBytes;
      nextPtr += stepBytes;
    }
    gatesPtr += rowRest;
    hiddenPtr += rowRest;
  }
}

/** dh (1 - z) (1 - n^2). */
@inline
function newGradPair(dh: v128, z: v128, n: v128): v128 {
  return f64x2.mul(f64x2.mul(dh, f64x2.sub(f64x2.splat(1), z)), tanhSlopePair(n));
}

/** dh (h - n) z (1 - z). */
@inline
function updateGradPair(dh: v128, h: v128, n: v128, z: v128): v128 {
  return f64x2.mul(f64x2.mul(dh, f64x2.sub(h, n)), sigmoidSlopePair(z));
}

/** dn hn r (1 - r). */
@inline
function resetGradPair(dn: v128, hidden: v128, r: v128): v128 {
  return f64x2.mul(f64x2.mul(dn, hidden), sigmoidSlopePair(r));
}

export function gruCellGradF32(
  dhPtr: usize,
  gatesPtr: usize,
  hiddenPtr: usize,
  hPtr: usize,
  dInputPtr: usize,
  dHiddenPtr: usize,
  rows: i32,
  size: i32,
): void {
  const gateBytes = (<usize>size) << 2;
  const rowRest = 2 * gateBytes;
  for (; rows > 0; rows--) {
    for (let count = size; count > 0; count -= 4) {
      const r = v128.load(gatesPtr);
      const z = v128.load(gatesPtr + gateBytes);
      const n = v128.load(gatesPtr + 2 * gateBytes);
      const hidden = v128.load(hiddenPtr + 2 * gateBytes);
      const h = v128.load(hPtr);
      const dh = v128.load(dhPtr);
      const lowN = newGradPair(low(dh), low(z), low(n));
      const highN = newGradPair(high(dh), high(z), high(n));
      const dz = narrow(
        updateGradPair(low(dh), low(h), low(n), low(z)),
        updateGradPair(high(dh), high(h), high(n), high(z)),
      );
      const dr = narrow(
        resetGradPair(lowN, low(hidden), low(r)),
        resetGradPair(highN, high(hidden), high(r)),
      );
      const dHiddenN = narrow(f64x2.mul(lowN, low(r)), f64x2.mul(highN, high(r)));
      storeLanes(dInputPtr, dr, count);
      storeLanes(dInputPtr + gateBytes, dz, count);
      storeLanes(dInputPtr + 2 * gateBytes, narrow(lowN, highN), count);
      storeLanes(dHiddenPtr, dr, count);
      storeLanes(dHiddenPtr + gateBytes, dz, count);
      storeLanes(dHiddenPtr + 2 * gateBytes, dHiddenN, count);
      const direct = narrow(f64x2.mul(low(dh), low(z)), f64x2.mul(high(dh), high(z)));
      storeLanes(dhPtr, direct, count);
      const stepBytes = (<usize>min(count, 4)) << 2;
      gatesPtr += stepBytes;
      hiddenPtr += stepBytes;
      hPtr += stepBytes;
      dhPtr += stepBytes;
      dInputPtr += stepBytes;
      dHiddenPtr += stepBytes;
    }
    gatesPtr += rowRest;
    hiddenPtr += rowRest;
    dInputPtr += rowRest;
    dHiddenPtr += rowRest;
  }
}
