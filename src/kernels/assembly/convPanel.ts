// A register tile of the convolution (conv.ts): 4 pixels x 8 output channels, a panel of weights.

import { endChannels } from './convEnding';
import { PANEL_ROW_BYTES, splat, storeChannels } from './convTile';
import { mulAdd } from './math';

// SCHEDULING. V8 moves loads up and multiply-adds down within straight-line code, so three terms
// per iteration would need 18 vector registers besides the sums, and spill. It does not move a sum
// past a branch that leaves the loop with it. So between the terms there is a test that is never
// true: whether a pointer is 0. Each test uses a different pointer, because equal tests are merged.

/** Computes one tile: pixels a0 to a3 by one panel. The first `rows` results go to o0 to o3. */
export function panelTile(
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  rows: i32,
  tapsY: i32,
  nextY: usize,
  tapsX: i32,
  nextX: usize,
  segmentLength: i32,
  panel: usize,
  panelNextY: usize,
  panelNextX: usize,
  bias: usize,
  channels: i32,
  o0: usize,
  o1: usize,
  o2: usize,
  o3: usize,
  addendBytes: usize,
  isRelu: bool,
): void {
  const triplesBytes = <usize>(segmentLength / 3) * (3 * PANEL_ROW_BYTES);
  const restBytes = <usize>(segmentLength % 3) * PANEL_ROW_BYTES;
  let c00 = f32x4.splat(0),
    c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0),
    c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0),
    c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0),
    c31 = f32x4.splat(0);
  let b = panel;
  for (let ty = tapsY; ty > 0; ty--) {
    for (let tx = tapsX; tx > 0; tx--) {
      let end = b + triplesBytes;
      while (b != end) {
        let b0 = v128.load(b);
        let b1 = v128.load(b, 16);
        let v0 = splat(a0);
        c00 = mulAdd(v0, b0, c00);
        c01 = mulAdd(v0, b1, c01);
        let v1 = splat(a1);
        c10 = mulAdd(v1, b0, c10);
        c11 = mulAdd(v1, b1, c11);
        let v2 = splat(a2);
        c20 = mulAdd(v2, b0, c20);
        c21 = mulAdd(v2, b1, c21);
        let v3 = splat(a3);
        c30 = mulAdd(v3, b0, c30);
        c31 = mulAdd(v3, b1, c31);
        if (a0 == 0) break;
        b0 = v128.load(b, 32);
        b1 = v128.load(b, 48);
        v0 = v128.load_splat<f32>(a0, 4);
        c00 = mulAdd(v0, b0, c00);
        c01 = mulAdd(v0, b1, c01);
        v1 = v128.load_splat<f32>(a1, 4);
        c10 = mulAdd(v1, b0, c10);
        c11 = mulAdd(v1, b1, c11);
        v2 = v128.load_splat<f32>(a2, 4);
        c20 = mulAdd(v2, b0, c20);
        c21 = mulAdd(v2, b1, c21);
        v3 = v128.load_splat<f32>(a3, 4);
        c30 = mulAdd(v3, b0, c30);
        c31 = mulAdd(v3, b1, c31);
        if (a1 == 0) break;
        b0 = v128.load(b, 64);
        b1 = v128.load(b, 80);
        v0 = v128.load_splat<f32>(a0, 8);
        c00 = mulAdd(v0, b0, c00);
        c01 = mulAdd(v0, b1, c01);
        v1 = v128.load_splat<f32>(a1, 8);
        c10 = mulAdd(v1, b0, c10);
        c11 = mulAdd(v1, b1, c11);
        v2 = v128.load_splat<f32>(a2, 8);
        c20 = mulAdd(v2, b0, c20);
        c21 = mulAdd(v2, b1, c21);
        v3 = v128.load_splat<f32>(a3, 8);
        c30 = mulAdd(v3, b0, c30);
        c31 = mulAdd(v3, b1, c31);
        a0 += 12;
        a1 += 12;
        a2 += 12;
        a3 += 12;
        b += 3 * PANEL_ROW_BYTES;
      }
      end = b + restBytes;
      while (b != end) {
        const b0 = v128.load(b);
        const b1 = v128.load(b, 16);
        const v0 = splat(a0);
        c00 = mulAdd(v0, b0, c00);
        c01 = mulAdd(v0, b1, c01);
        const v1 = splat(a1);
        c10 = mulAdd(v1, b0, c10);
        c11 = mulAdd(v1, b1, c11);
        const v2 = splat(a2);
        c20 = mulAdd(v2, b0, c20);
        c21 = mulAdd(v2, b1, c21);
        const v3 = splat(a3);
        c30 = mulAdd(v3, b0, c30);
        c31 = mulAdd(v3, b1, c31);
        a0 += 4;
        a1 += 4;
        a2 += 4;
        a3 += 4;
        b += PANEL_ROW_BYTES;
      }
      a0 += nextX;
      a1 += nextX;
      a2 += nextX;
      a3 += nextX;
      b += panelNextX;
    }
    a0 += nextY;
    a1 += nextY;
    a2 += nextY;
    a3 += nextY;
    b += panelNextY;
  }
  if (bias) {
    const low = v128.load(bias);
    const high = v128.load(bias, 16);
    c00 = f32x4.add(c00, low);
    c01 = f32x4.add(c01, high);
    c10 = f32x4.add(c10, low);
    c11 = f32x4.add(c11, high);
    c20 = f32x4.add(c20, low);
    c21 = f32x4.add(c21, high);
    c30 = f32x4.add(c30, low);
    c31 = f32x4.add(c31, high);
  }
  if (addendBytes | usize(isRelu)) {
    endChannels(o0, addendBytes, isRelu, c00, c01, channels);
    if (rows > 1) endChannels(o1, addendBytes, isRelu, c10, c11, channels);
    if (rows > 2) endChannels(o2, addendBytes, isRelu, c20, c21, channels);
    if (rows > 3) endChannels(o3, addendBytes, isRelu, c30, c31, channels);
    return;
  }
  storeChannels(o0, c00, c01, channels);
  if (rows > 1) storeChannels(o1, c10, c11, channels);
  if (rows > 2) storeChannels(o2, c20, c21, channels);
  if (rows > 3) storeChannels(o3, c30, c31, channels);
}
