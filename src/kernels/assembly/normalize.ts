// The elementwise passes of normalization over [rows, channels]: y and dx, in float32 lanes, a few
// channels of a few rows at a time. An element has one order of operations regardless of its
// position. With `Relu` the output is max(y, 0), and the gradient is 0 where y, recomputed, is not
// above 0. With `Add` another tensor is added to y first.

import {
  GRAD_PANEL_BYTES,
  gradPanels,
  narrowCoefficients,
  normalized,
  positive,
  unblocked,
} from './coefficients';
import { high, low, narrow, storeLanes } from './lanes';
import { mulAdd } from './math';

/** The number of rows that are processed at a time: some channels of each with their coefficients
 * in registers, then the next channels while the rows are in the L1 cache. Two rows are a third
 * slower, 16 up to 25 %. */
const BAND_ROWS: i32 = 8;

@inline
function outputOf(
  x: v128,
  other: v128,
  mean: v128,
  scale: v128,
  base: v128,
  isAdd: bool,
  isRelu: bool,
): v128 {
  let y = normalized(x, mean, scale, base);
  if (isAdd) y = f32x4.add(y, other);
  return isRelu ? positive(y) : y;
}

/** Processes sixteen channels of some rows. The addend of y is `otherAt` bytes after it. */
@inline
function normalizeSixteen(
  xPtr: usize,
  yPtr: usize,
  otherAt: usize,
  rows: i32,
  narrowPtr: usize,
  rowBytes: usize,
  isAdd: bool,
  isRelu: bool,
): void {
  const scalePtr = narrowPtr + rowBytes;
  const basePtr = scalePtr + rowBytes;
  const mean0 = v128.load(narrowPtr);
  const mean1 = v128.load(narrowPtr, 16);
  const mean2 = v128.load(narrowPtr, 32);
  const mean3 = v128.load(narrowPtr, 48);
  const scale0 = v128.load(scalePtr);
  const scale1 = v128.load(scalePtr, 16);
  const scale2 = v128.load(scalePtr, 32);
  const scale3 = v128.load(scalePtr, 48);
  const base0 = v128.load(basePtr);
  const base1 = v128.load(basePtr, 16);
  const base2 = v128.load(basePtr, 32);
  const base3 = v128.load(basePtr, 48);
  for (; rows > 0; rows--, xPtr += rowBytes, yPtr += rowBytes) {
    const otherPtr = yPtr + otherAt;
    const x0 = v128.load(xPtr);
    const x1 = v128.load(xPtr, 16);
    const other0 = isAdd ? v128.load(otherPtr) : x0;
    const other1 = isAdd ? v128.load(otherPtr, 16) : x1;
    v128.store(yPtr, outputOf(x0, other0, mean0, scale0, base0, isAdd, isRelu));
    v128.store(yPtr, outputOf(x1, other1, mean1, scale1, base1, isAdd, isRelu), 16);
    const x2 = v128.load(xPtr, 32);
    const x3 = v128.load(xPtr, 48);
    const other2 = isAdd ? v128.load(otherPtr, 32) : x2;
    const other3 = isAdd ? v128.load(otherPtr, 48) : x3;
    v128.store(yPtr, outputOf(x2, other2, mean2, scale2, base2, isAdd, isRelu), 32);
    v128.store(yPtr, outputOf(x3, other3, mean3, scale3, base3, isAdd, isRelu), 48);
  }
}

/** Processes four channels of some rows and stores `valid` of them. */
@inline
function normalizeFour(
  xPtr: usize,
  yPtr: usize,
  otherAt: usize,
  rows: i32,
  narrowPtr: usize,
  rowBytes: usize,
  valid: i32,
  isAdd: bool,
  isRelu: bool,
): void {
  const mean = v128.load(narrowPtr);
  const scale = v128.load(narrowPtr + rowBytes);
  const base = v128.load(narrowPtr + 2 * rowBytes);
  for (; rows > 0; rows--, xPtr += rowBytes, yPtr += rowBytes) {
    const x = v128.load(xPtr);
    const other = isAdd ? v128.load(yPtr + otherAt) : x;
    storeLanes(yPtr, outputOf(x, other, mean, scale, base, isAdd, isRelu), valid);
  }
}

@inline
function normalizeRows(
  xPtr: usize,
  yPtr: usize,
  otherAt: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
  isAdd: bool,
  isRelu: bool,
): void {
  const rowBytes = (<usize>channels) << 2;
  const bodyBytes = rowBytes & ~63;
  const narrowPtr = narrowCoefficients(coefficientsPtr, channels);
  // Rows of sixteen channels are contiguous, so all can be processed at once.
  const most = rowBytes == 64 ? rows : BAND_ROWS;
  for (; rows > 0; rows -= most) {
    const count = min(rows, most);
    let at: usize = 0;
    for (; at < bodyBytes; at += 64) {
      const coefficients = narrowPtr + at;
      normalizeSixteen(xPtr + at, yPtr + at, otherAt, count, coefficients, rowBytes, isAdd, isRelu);
    }
    for (; at < rowBytes; at += 16) {
      const valid = <i32>(rowBytes - at) >> 2;
      const coefficients = narrowPtr + at;
      const y = yPtr + at;
      normalizeFour(xPtr + at, y, otherAt, count, coefficients, rowBytes, valid, isAdd, isRelu);
    }
    xPtr += <usize>most * rowBytes;
    yPtr += <usize>most * rowBytes;
  }
}

export function normalizeF32(
  xPtr: usize,
  yPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
): void {
  normalizeRows(xPtr, yPtr, 0, rows, channels, coefficientsPtr, false, false);
}

export function normalizeReluF32(
  xPtr: usize,
  yPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
): void {
  normalizeRows(xPtr, yPtr, 0, rows, channels, coefficientsPtr, false, true);
}

export function normalizeAddF32(
  xPtr: usize,
  otherPtr: usize,
  yPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
): void {
  const otherAt = otherPtr - yPtr;
  normalizeRows(xPtr, yPtr, otherAt, rows, channels, coefficientsPtr, true, false);
}

export function normalizeAddReluF32(
  xPtr: usize,
  otherPtr: usize,
  yPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
): void {
  const otherAt = otherPtr - yPtr;
  normalizeRows(xPtr, yPtr, otherAt, rows, channels, coefficientsPtr, true, true);
}

/** dx = a (dy - c) + (d - k (x - m)) of four channels; with a relu, dy only counts where y,
 * recomputed, is above 0. */
@inline
function gradOf(
  x: v128,
  dy: v128,
  m: v128,
  c: v128,
  a: v128,
  d: v128,
  minusK: v128,
  scale: v128,
  base: v128,
  isRelu: bool,
): v128 {
  const centred = f32x4.sub(x, m);
  if (isRelu) dy = unblocked(dy, mulAdd(centred, scale, base));
  return mulAdd(a, f32x4.sub(dy, c), mulAdd(minusK, centred, d));
}

/** Processes eight channels of some rows. */
@inline
function gradEight(
  xPtr: usize,
  dyPtr: usize,
  dxPtr: usize,
  rows: i32,
  scalePtr: usize,
  panelPtr: usize,
  rowBytes: usize,
  isRelu: bool,
): void {
  const m0 = v128.load(panelPtr);
  const m1 = v128.load(panelPtr, 16);
  const c0 = v128.load(panelPtr, 32);
  const c1 = v128.load(panelPtr, 48);
  const a0 = v128.load(panelPtr, 64);
  const a1 = v128.load(panelPtr, 80);
  const d0 = v128.load(panelPtr, 96);
  const d1 = v128.load(panelPtr, 112);
  const k0 = v128.load(panelPtr, 128);
  const k1 = v128.load(panelPtr, 144);
  const scale0 = isRelu ? v128.load(scalePtr) : m0;
  const scale1 = isRelu ? v128.load(scalePtr, 16) : m1;
  const base0 = isRelu ? v128.load(scalePtr + rowBytes) : m0;
  const base1 = isRelu ? v128.load(scalePtr + rowBytes, 16) : m1;
  for (; rows > 0; rows--, xPtr += rowBytes, dyPtr += rowBytes, dxPtr += rowBytes) {
    const x0 = v128.load(xPtr);
    const x1 = v128.load(xPtr, 16);
    const dy0 = v128.load(dyPtr);
    const dy1 = v128.load(dyPtr, 16);
    const dx0 = gradOf(x0, dy0, m0, c0, a0, d0, k0, scale0, base0, isRelu);
    const dx1 = gradOf(x1, dy1, m1, c1, a1, d1, k1, scale1, base1, isRelu);
    v128.store(dxPtr, dx0);
    v128.store(dxPtr, dx1, 16);
  }
}

/** Processes four channels of some rows and stores `valid` of them. */
@inline
function gradFour(
  xPtr: usize,
  dyPtr: usize,
  dxPtr: usize,
  rows: i32,
  scalePtr: usize,
  panelPtr: usize,
  rowBytes: usize,
  valid: i32,
  isRelu: bool,
): void {
  const m = v128.load(panelPtr);
  const c = v128.load(panelPtr, 32);
  const a = v128.load(panelPtr, 64);
  const d = v128.load(panelPtr, 96);
  const k = v128.load(panelPtr, 128);
  const scale = isRelu ? v128.load(scalePtr) : m;
  const base = isRelu ? v128.load(scalePtr + rowBytes) : m;
  for (; rows > 0; rows--, xPtr += rowBytes, dyPtr += rowBytes, dxPtr += rowBytes) {
    const dx = gradOf(v128.load(xPtr), v128.load(dyPtr), m, c, a, d, k, scale, base, isRelu);
    storeLanes(dxPtr, dx, valid);
  }
}

/** {@link gradRows} in float64: dx = a dy + (d - k (x - m)). */
@inline
function wideGradRows(
  xPtr: usize,
  dyPtr: usize,
  dxPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
  gradPtr: usize,
  isRelu: bool,
): void {
  const rowBytes = (<usize>channels) << 2;
  const narrowPtr = narrowCoefficients(coefficientsPtr, channels);
  for (let channel = 0; channel < channels; channel += 4) {
    const at = (<usize>channel) << 2;
    const m = v128.load(gradPtr + rowBytes + at);
    const wide = gradPtr + 2 * rowBytes + 2 * at;
    const aLow = v128.load(wide),
      aHigh = v128.load(wide, 16);
    const dLow = v128.load(wide + 2 * rowBytes),
      dHigh = v128.load(wide + 2 * rowBytes, 16);
    const kLow = v128.load(wide + 4 * rowBytes),
      kHigh = v128.load(wide + 4 * rowBytes, 16);
    const scale = isRelu ? v128.load(narrowPtr + rowBytes + at) : m;
    const base = isRelu ? v128.load(narrowPtr + 2 * rowBytes + at) : m;
    const end = at + <usize>rows * rowBytes;
    for (let i = at; i < end; i += rowBytes) {
      const x = v128.load(xPtr + i);
      let dy = v128.load(dyPtr + i);
      if (isRelu) dy = unblocked(dy, normalized(x, m, scale, base));
      const xLow = f64x2.sub(low(x), low(m));
      const xHigh = f64x2.sub(high(x), high(m));
      const dxLow = f64x2.add(f64x2.mul(aLow, low(dy)), f64x2.add(dLow, f64x2.mul(kLow, xLow)));
      const dxHigh = f64x2.add(
        f64x2.mul(aHigh, high(dy)),
        f64x2.add(dHigh, f64x2.mul(kHigh, xHigh)),
      );
      storeLanes(dxPtr + i, narrow(dxLow, dxHigh), channels - channel);
    }
  }
}

@inline
function gradRows(
  xPtr: usize,
  dyPtr: usize,
  dxPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
  gradPtr: usize,
  isRelu: bool,
): void {
  if (i32.load(gradPtr)) {
    wideGradRows(xPtr, dyPtr, dxPtr, rows, channels, coefficientsPtr, gradPtr, isRelu);
    return;
  }
  const rowBytes = (<usize>channels) << 2;
  const bodyBytes = rowBytes & ~31;
  const scalePtr = narrowCoefficients(coefficientsPtr, channels) + rowBytes;
  for (; rows > 0; rows -= BAND_ROWS) {
    const count = min(rows, BAND_ROWS);
    let panelPtr = gradPanels(gradPtr);
    let at: usize = 0;
    for (; at < bodyBytes; at += 32) {
      const scale = scalePtr + at;
      gradEight(xPtr + at, dyPtr + at, dxPtr + at, count, scale, panelPtr, rowBytes, isRelu);
      panelPtr += GRAD_PANEL_BYTES;
    }
    for (; at < rowBytes; at += 16) {
      const valid = <i32>(rowBytes - at) >> 2;
      const scale = scalePtr + at;
      const x = xPtr + at;
      const dy = dyPtr + at;
      gradFour(x, dy, dxPtr + at, count, scale, panelPtr, rowBytes, valid, isRelu);
      panelPtr += 16;
    }
    const bandBytes = BAND_ROWS * rowBytes;
    xPtr += bandBytes;
    dyPtr += bandBytes;
    dxPtr += bandBytes;
  }
}

export function normInputGradF32(
  xPtr: usize,
  dyPtr: usize,
  dxPtr: usize,
  rows: i32,
  channels: i32,
  gradCoefficientsPtr: usize,
): void {
  gradRows(xPtr, dyPtr, dxPtr, rows, channels, 0, gradCoefficientsPtr, false);
}

export function normReluInputGradF32(
  xPtr: usize,
  dyPtr: usize,
  dxPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
  gradCoefficientsPtr: usize,
): void {
  gradRows(xPtr, dyPtr, dxPtr, rows, channels, coefficientsPtr, gradCoefficientsPtr, true);
}
