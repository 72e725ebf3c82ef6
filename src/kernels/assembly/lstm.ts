// The elementwise part of a long short-term memory. As in gru.ts, vectors of four read past the end
// of a gate by at most three elements, and only elements of the gate are stored. Formulas:
// abi/lstm.ts.

import { high, low, narrow, storeLanes } from './lanes';
import { sigmoidPair, sigmoidSlopePair, tanhPair, tanhSlopePair } from './math';

@inline
function sigmoidOfSum(a: v128, b: v128): v128 {
  return narrow(sigmoidPair(f64x2.add(low(a), low(b))), sigmoidPair(f64x2.add(high(a), high(b))));
}

/** f cell + i g. */
@inline
function nextCellPair(f: v128, cell: v128, i: v128, g: v128): v128 {
  return f64x2.add(f64x2.mul(f, cell), f64x2.mul(i, g));
}

export function lstmCellF32(
  gatesPtr: usize,
  hiddenPtr: usize,
  cellPtr: usize,
  nextPtr: usize,
  rows: i32,
  size: i32,
): void {
  const gateBytes = (<usize>size) << 2;
  const rowRest = 3 * gateBytes;
  for (; rows > 0; rows--) {
    for (let count = size; count > 0; count -= 4) {
      const i = sigmoidOfSum(v128.load(gatesPtr), v128.load(hiddenPtr));
      const f = sigmoidOfSum(v128.load(gatesPtr + gateBytes), v128.load(hiddenPtr + gateBytes));
      const inputG = v128.load(gatesPtr + 2 * gateBytes);
      const hiddenG = v128.load(hiddenPtr + 2 * gateBytes);
      const g = narrow(
        tanhPair(f64x2.add(low(inputG), low(hiddenG))),
        tanhPair(f64x2.add(high(inputG), high(hiddenG))),
      );
      const o = sigmoidOfSum(
        v128.load(gatesPtr + 3 * gateBytes),
        v128.load(hiddenPtr + 3 * gateBytes),
      );
      const cell = v128.load(cellPtr);
      storeLanes(gatesPtr, i, count);
      storeLanes(gatesPtr + gateBytes, f, count);
      storeLanes(gatesPtr + 2 * gateBytes, g, count);
      storeLanes(gatesPtr + 3 * gateBytes, o, count);
      const next = narrow(
        nextCellPair(low(f), low(cell), low(i), low(g)),
        nextCellPair(high(f), high(cell), high(i), high(g)),
      );
      storeLanes(nextPtr, next, count);
      const stepBytes = (<usize>min(count, 4)) << 2;
      gatesPtr += stepBytes;
      hiddenPtr += stepBytes;
      cellPtr += stepBytes;
      nextPtr += stepBytes;
    }
    gatesPtr += rowRest;
    hiddenPtr += rowRest;
  }
}

export function lstmOutputF32(
  xPtr: usize,
  gatesPtr: usize,
  squashedPtr: usize,
  hPtr: usize,
  rows: i32,
  size: i32,
): void {
  const rowRest = 3 * ((<usize>size) << 2);
  let outputPtr = gatesPtr + rowRest;
  for (; rows > 0; rows--) {
    for (let count = size; count > 0; count -= 4) {
      const x = v128.load(xPtr);
      const o = v128.load(outputPtr);
      const squashed = narrow(tanhPair(low(x)), tanhPair(high(x)));
      const h = narrow(f64x2.mul(low(o), low(squashed)), f64x2.mul(high(o), high(squashed)));
      storeLanes(squashedPtr, squashed, count);
      storeLanes(hPtr, h, count);
      const stepBytes = (<usize>min(count, 4)) << 2;
      xPtr += stepBytes;
      outputPtr += stepBytes;
      squashedPtr += stepBytes;
      hPtr += stepBytes;
    }
    outputPtr += rowRest;
  }
}

/** a b slope. */
@inline
function product3(a: v128, b: v128, slope: v128): v128 {
  return f64x2.mul(f64x2.mul(a, b), slope);
}

export function lstmOutputGradF32(
  dhPtr: usize,
  gatesPtr: usize,
  squashedPtr: usize,
  dGatesPtr: usize,
  dxPtr: usize,
  rows: i32,
  size: i32,
): void {
  const rowRest = 3 * ((<usize>size) << 2);
  let outputPtr = gatesPtr + rowRest;
  let dOutputPtr = dGatesPtr + rowRest;
  for (; rows > 0; rows--) {
    for (let count = size; count > 0; count -= 4) {
      const dh = v128.load(dhPtr);
      const o = v128.load(outputPtr);
      const squashed = v128.load(squashedPtr);
      const dOutput = narrow(
        product3(low(dh), low(squashed), sigmoidSlopePair(low(o))),
        product3(high(dh), high(squashed), sigmoidSlopePair(high(o))),
      );
      const dx = narrow(
        product3(low(dh), low(o), tanhSlopePair(low(squashed))),
        product3(high(dh), high(o), tanhSlopePair(high(squashed))),
      );
      storeLanes(dOutputPtr, dOutput, count);
      storeLanes(dxPtr, dx, count);
      const stepBytes = (<usize>min(count, 4)) << 2;
      dhPtr += stepBytes;
      outputPtr += stepBytes;
      squashedPtr += stepBytes;
      dOutputPtr += stepBytes;
      dxPtr += stepBytes;
    }
    outputPtr += rowRest;
    dOutputPtr += rowRest;
  }
}

export function lstmCellGradF32(
  dcellPtr: usize,
  termPtr: usize,
  gatesPtr: usize,
  cellPtr: usize,
  dGatesPtr: usize,
  rows: i32,
  size: i32,
): void {
  const gateBytes = (<usize>size) << 2;
  const rowRest = 3 * gateBytes;
  for (; rows > 0; rows--) {
    for (let count = size; count > 0; count -= 4) {
      const i = v128.load(gatesPtr);
      const f = v128.load(gatesPtr + gateBytes);
      const g = v128.load(gatesPtr + 2 * gateBytes);
      const cell = v128.load(cellPtr);
      const later = v128.load(dcellPtr);
      const term = v128.load(termPtr);
      const lowNext = f64x2.add(low(later), low(term));
      const highNext = f64x2.add(high(later), high(term));
      const di = narrow(
        product3(lowNext, low(g), sigmoidSlopePair(low(i))),
        product3(highNext, high(g), sigmoidSlopePair(high(i))),
      );
      const df = narrow(
        product3(lowNext, low(cell), sigmoidSlopePair(low(f))),
        product3(highNext, high(cell), sigmoidSlopePair(high(f))),
      );
      const dg = narrow(
        product3(lowNext, low(i), tanhSlopePair(low(g))),
        product3(highNext, high(i), tanhSlopePair(high(g))),
      );
      storeLanes(dGatesPtr, di, count);
      storeLanes(dGatesPtr + gateBytes, df, count);
      storeLanes(dGatesPtr + 2 * gateBytes, dg, count);
      const dcell = narrow(f64x2.mul(lowNext, low(f)), f64x2.mul(highNext, high(f)));
      storeLanes(dcellPtr, dcell, count);
      const stepBytes = (<usize>min(count, 4)) << 2;
      gatesPtr += stepBytes;
      cellPtr += stepBytes;
      dcellPtr += stepBytes;
      termPtr += stepBytes;
      dGatesPtr += stepBytes;
    }
    gatesPtr += rowRest;
    dGatesPtr += rowRest;
  }
}
