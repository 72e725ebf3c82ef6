// The passes of normalization that give each element of [rows, channels] its value: y and dx, in
// float32 lanes, two rows at once (four are faster within the caches and slower beyond them). An
// element has one order of operations wherever it stands. With `Relu` the norm's output goes
// through max(y, 0) at once, and its gradient is blocked where y, computed again, is not above 0.

import {
  GRAD_PANEL_BYTES,
  gradPanels,
  narrowCoefficients,
  normalized,
  unblocked,
} from './coefficients';
import { high, low, narrow, storeLanes } from './lanes';
import { mulAdd } from './math';

/** Four channels of two rows that lie `nextBytes` apart; 0 is one row, which is written twice. */
@inline
function normalizeBlock(
  xPtr: usize,
  yPtr: usize,
  nextBytes: usize,
  narrowPtr: usize,
  rowBytes: usize,
  valid: i32,
  isRelu: bool,
): void {
  const mean = v128.load(narrowPtr);
  const scale = v128.load(narrowPtr + rowBytes);
  const base = v128.load(narrowPtr + 2 * rowBytes);
  let y0 = normalized(v128.load(xPtr), mean, scale, base);
  let y1 = normalized(v128.load(xPtr + nextBytes), mean, scale, base);
  if (isRelu) {
    y0 = f32x4.max(y0, f32x4.splat(0));
    y1 = f32x4.max(y1, f32x4.splat(0));
  }
  storeLanes(yPtr, y0, valid);
  storeLanes(yPtr + nextBytes, y1, valid);
}

@inline
function normalizeRows(
  xPtr: usize,
  yPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
  isRelu: bool,
): void {
  const rowBytes = (<usize>channels) << 2;
  const bodyBytes = rowBytes & ~15;
  const narrowPtr = narrowCoefficients(coefficientsPtr, channels);
  for (; rows > 0; rows -= 2) {
    const next = rows > 1 ? rowBytes : 0;
    for (let at: usize = 0; at < bodyBytes; at += 16) {
      normalizeBlock(xPtr + at, yPtr + at, next, narrowPtr + at, rowBytes, 4, isRelu);
    }
    if (bodyBytes != rowBytes) {
      const x = xPtr + bodyBytes;
      const y = yPtr + bodyBytes;
      normalizeBlock(x, y, next, narrowPtr + bodyBytes, rowBytes, channels & 3, isRelu);
    }
    xPtr += 2 * rowBytes;
    yPtr += 2 * rowBytes;
  }
}

export function normalizeF32(
  xPtr: usize,
  yPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
): void {
  normalizeRows(xPtr, yPtr, rows, channels, coefficientsPtr, false);
}

export function normalizeReluF32(
  xPtr: usize,
  yPtr: usize,
  rows: i32,
  channels: i32,
  coefficientsPtr: usize,
): void {
  normalizeRows(xPtr, yPtr, rows, channels, coefficientsPtr, true);
}

/** dx = a (dy - c) + (d - k (x - m)), of the four channels `at` bytes into two rows that lie
 * `nextBytes` apart; 0 is one row, which is written twice. */
@inline
function gradBlock(
  xPtr: usize,
  dyPtr: usize,
  dxPtr: usize,
  at: usize,
  nextBytes: usize,
  narrowPtr: usize,
  panelPtr: usize,
  rowBytes: usize,
  valid: i32,
  isRelu: bool,
): void {
  const next = at + nextBytes;
  const m = v128.load(panelPtr);
  const c = v128.load(panelPtr, 16);
  const a = v128.load(panelPtr, 32);
  const d = v128.load(panelPtr, 48);
  const minusK = v128.load(panelPtr, 64);
  const scale = isRelu ? v128.load(narrowPtr + rowBytes + at) : m;
  const base = isRelu ? v128.load(narrowPtr + 2 * rowBytes + at) : m;
  // Row by row, which needs the fewest registers.
  const x0 = f32x4.sub(v128.load(xPtr + at), m);
  let dy0 = v128.load(dyPtr + at);
  if (isRelu) dy0 = unblocked(dy0, mulAdd(x0, scale, base));
  storeLanes(dxPtr + at, mulAdd(a, f32x4.sub(dy0, c), mulAdd(minusK, x0, d)), valid);
  const x1 = f32x4.sub(v128.load(xPtr + next), m);
  let dy1 = v128.load(dyPtr + next);
  if (isRelu) dy1 = unblocked(dy1, mulAdd(x1, scale, base));
  storeLanes(dxPtr + next, mulAdd(a, f32x4.sub(dy1, c), mulAdd(minusK, x1, d)), valid);
}

@inline
function gradRowPair(
  xPtr: usize,
  dyPtr: usize,
  dxPtr: usize,
  nextBytes: usize,
  channels: i32,
  narrowPtr: usize,
  panelPtr: usize,
  isRelu: bool,
): void {
  const rowBytes = (<usize>channels) << 2;
  const bodyBytes = rowBytes & ~15;
  for (let at: usize = 0; at < bodyBytes; at += 16) {
    gradBlock(xPtr, dyPtr, dxPtr, at, nextBytes, narrowPtr, panelPtr, rowBytes, 4, isRelu);
    panelPtr += GRAD_PANEL_BYTES;
  }
  if (bodyBytes == rowBytes) return;
  const valid = channels & 3;
  gradBlock(xPtr, dyPtr, dxPtr, bodyBytes, nextBytes, narrowPtr, panelPtr, rowBytes, valid, isRelu);
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
  const narrowPtr = narrowCoefficients(coefficientsPtr, channels);
  const panelPtr = gradPanels(gradPtr);
  for (; rows > 1; rows -= 2) {
    gradRowPair(xPtr, dyPtr, dxPtr, rowBytes, channels, narrowPtr, panelPtr, isRelu);
    xPtr += 2 * rowBytes;
    dyPtr += 2 * rowBytes;
    dxPtr += 2 * rowBytes;
  }
  if (rows > 0) gradRowPair(xPtr, dyPtr, dxPtr, 0, channels, narrowPtr, panelPtr, isRelu);
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
