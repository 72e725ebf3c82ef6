// A register tile of the wide build: 4 pixels x 16 output channels, two panels side by side. Each
// output element is the same chain of multiply-adds as in the tiles of conv.ts.

import { PANEL_ROW_BYTES } from './convTile';
import { mulAdd } from './math';

/** Output channels of a tile. */
export const WIDE_CHANNELS: i32 = 16;
/** Below so many products an output, small kernels are faster row by row (convRows.ts). */
export const WIDE_TAPS: i32 = 16;

/** One tile: pixels from a0 to a3, to o0 to o3. Pixels that a tile has too much repeat another.
 * For the tests between terms see SCHEDULING in convPanel.ts. */
export function wideTile(
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  tapsY: i32,
  nextY: usize,
  tapsX: i32,
  nextX: usize,
  segmentLength: i32,
  panel: usize,
  panelBytes: usize,
  panelNextY: usize,
  panelNextX: usize,
  bias: usize,
  o0: usize,
  o1: usize,
  o2: usize,
  o3: usize,
): void {
  const foursBytes = <usize>(segmentLength >> 2) * (4 * PANEL_ROW_BYTES);
  const restBytes = <usize>(segmentLength & 3) * PANEL_ROW_BYTES;
  let b = panel;
  let d = panel + panelBytes;
  let c00 = f32x4.splat(0),
    c01 = f32x4.splat(0),
    c02 = f32x4.splat(0),
    c03 = f32x4.splat(0);
  let c10 = f32x4.splat(0),
    c11 = f32x4.splat(0),
    c12 = f32x4.splat(0),
    c13 = f32x4.splat(0);
  let c20 = f32x4.splat(0),
    c21 = f32x4.splat(0),
    c22 = f32x4.splat(0),
    c23 = f32x4.splat(0);
  let c30 = f32x4.splat(0),
    c31 = f32x4.splat(0),
    c32 = f32x4.splat(0),
    c33 = f32x4.splat(0);
  for (let ty = tapsY; ty > 0; ty--) {
    for (let tx = tapsX; tx > 0; tx--) {
      const end = b + foursBytes;
      while (b != end) {
        let b0 = v128.load(b);
        let b1 = v128.load(b, 16);
        let b2 = v128.load(d);
        let b3 = v128.load(d, 16);
        let v0 = v128.load_splat<f32>(a0);
        c00 = mulAdd(v0, b0, c00);
        c01 = mulAdd(v0, b1, c01);
        c02 = mulAdd(v0, b2, c02);
        c03 = mulAdd(v0, b3, c03);
        let v1 = v128.load_splat<f32>(a1);
        c10 = mulAdd(v1, b0, c10);
        c11 = mulAdd(v1, b1, c11);
        c12 = mulAdd(v1, b2, c12);
        c13 = mulAdd(v1, b3, c13);
        let v2 = v128.load_splat<f32>(a2);
        c20 = mulAdd(v2, b0, c20);
        c21 = mulAdd(v2, b1, c21);
        c22 = mulAdd(v2, b2, c22);
        c23 = mulAdd(v2, b3, c23);
        let v3 = v128.load_splat<f32>(a3);
        c30 = mulAdd(v3, b0, c30);
        c31 = mulAdd(v3, b1, c31);
        c32 = mulAdd(v3, b2, c32);
        c33 = mulAdd(v3, b3, c33);
        if (a0 == 0) break;
        b0 = v128.load(b, 32);
        b1 = v128.load(b, 48);
        b2 = v128.load(d, 32);
        b3 = v128.load(d, 48);
        v0 = v128.load_splat<f32>(a0, 4);
        c00 = mulAdd(v0, b0, c00);
        c01 = mulAdd(v0, b1, c01);
        c02 = mulAdd(v0, b2, c02);
        c03 = mulAdd(v0, b3, c03);
        v1 = v128.load_splat<f32>(a1, 4);
        c10 = mulAdd(v1, b0, c10);
        c11 = mulAdd(v1, b1, c11);
        c12 = mulAdd(v1, b2, c12);
        c13 = mulAdd(v1, b3, c13);
        v2 = v128.load_splat<f32>(a2, 4);
        c20 = mulAdd(v2, b0, c20);
        c21 = mulAdd(v2, b1, c21);
        c22 = mulAdd(v2, b2, c22);
        c23 = mulAdd(v2, b3, c23);
        v3 = v128.load_splat<f32>(a3, 4);
        c30 = mulAdd(v3, b0, c30);
        c31 = mulAdd(v3, b1, c31);
        c32 = mulAdd(v3, b2, c32);
        c33 = mulAdd(v3, b3, c33);
        if (a1 == 0) break;
        b0 = v128.load(b, 64);
        b1 = v128.load(b, 80);
        b2 = v128.load(d, 64);
        b3 = v128.load(d, 80);
        v0 = v128.load_splat<f32>(a0, 8);
        c00 = mulAdd(v0, b0, c00);
        c01 = mulAdd(v0, b1, c01);
        c02 = mulAdd(v0, b2, c02);
        c03 = mulAdd(v0, b3, c03);
        v1 = v128.load_splat<f32>(a1, 8);
        c10 = mulAdd(v1, b0, c10);
        c11 = mulAdd(v1, b1, c11);
        c12 = mulAdd(v1, b2, c12);
        c13 = mulAdd(v1, b3, c13);
        v2 = v128.load_splat<f32>(a2, 8);
        c20 = mulAdd(v2, b0, c20);
        c21 = mulAdd(v2, b1, c21);
        c22 = mulAdd(v2, b2, c22);
        c23 = mulAdd(v2, b3, c23);
        v3 = v128.load_splat<f32>(a3, 8);
        c30 = mulAdd(v3, b0, c30);
        c31 = mulAdd(v3, b1, c31);
        c32 = mulAdd(v3, b2, c32);
        c33 = mulAdd(v3, b3, c33);
        if (a2 == 0) break;
        b0 = v128.load(b, 96);
        b1 = v128.load(b, 112);
        b2 = v128.load(d, 96);
        b3 = v128.load(d, 112);
        v0 = v128.load_splat<f32>(a0, 12);
        c00 = mulAdd(v0, b0, c00);
        c01 = mulAdd(v0, b1, c01);
        c02 = mulAdd(v0, b2, c02);
        c03 = mulAdd(v0, b3, c03);
        v1 = v128.load_splat<f32>(a1, 12);
        c10 = mulAdd(v1, b0, c10);
        c11 = mulAdd(v1, b1, c11);
        c12 = mulAdd(v1, b2, c12);
        c13 = mulAdd(v1, b3, c13);
        v2 = v128.load_splat<f32>(a2, 12);
        c20 = mulAdd(v2, b0, c20);
        c21 = mulAdd(v2, b1, c21);
        c22 = mulAdd(v2, b2, c22);
        c23 = mulAdd(v2, b3, c23);
        v3 = v128.load_splat<f32>(a3, 12);
        c30 = mulAdd(v3, b0, c30);
        c31 = mulAdd(v3, b1, c31);
        c32 = mulAdd(v3, b2, c32);
        c33 = mulAdd(v3, b3, c33);
        a0 += 16;
        a1 += 16;
        a2 += 16;
        a3 += 16;
        b += 4 * PANEL_ROW_BYTES;
        d += 4 * PANEL_ROW_BYTES;
      }
      const restEnd = b + restBytes;
      while (b != restEnd) {
        const b0 = v128.load(b);
        const b1 = v128.load(b, 16);
        const b2 = v128.load(d);
        const b3 = v128.load(d, 16);
        const v0 = v128.load_splat<f32>(a0);
        c00 = mulAdd(v0, b0, c00);
        c01 = mulAdd(v0, b1, c01);
        c02 = mulAdd(v0, b2, c02);
        c03 = mulAdd(v0, b3, c03);
        const v1 = v128.load_splat<f32>(a1);
        c10 = mulAdd(v1, b0, c10);
        c11 = mulAdd(v1, b1, c11);
        c12 = mulAdd(v1, b2, c12);
        c13 = mulAdd(v1, b3, c13);
        const v2 = v128.load_splat<f32>(a2);
        c20 = mulAdd(v2, b0, c20);
        c21 = mulAdd(v2, b1, c21);
        c22 = mulAdd(v2, b2, c22);
        c23 = mulAdd(v2, b3, c23);
        const v3 = v128.load_splat<f32>(a3);
        c30 = mulAdd(v3, b0, c30);
        c31 = mulAdd(v3, b1, c31);
        c32 = mulAdd(v3, b2, c32);
        c33 = mulAdd(v3, b3, c33);
        a0 += 4;
        a1 += 4;
        a2 += 4;
        a3 += 4;
        b += PANEL_ROW_BYTES;
        d += PANEL_ROW_BYTES;
      }
      a0 += nextX;
      a1 += nextX;
      a2 += nextX;
      a3 += nextX;
      b += panelNextX;
      d += panelNextX;
    }
    a0 += nextY;
    a1 += nextY;
    a2 += nextY;
    a3 += nextY;
    b += panelNextY;
    d += panelNextY;
  }
  if (bias) {
    const s0 = v128.load(bias);
    const s1 = v128.load(bias, 16);
    const s2 = v128.load(bias, 32);
    const s3 = v128.load(bias, 48);
    c00 = f32x4.add(c00, s0);
    c01 = f32x4.add(c01, s1);
    c02 = f32x4.add(c02, s2);
    c03 = f32x4.add(c03, s3);
    c10 = f32x4.add(c10, s0);
    c11 = f32x4.add(c11, s1);
    c12 = f32x4.add(c12, s2);
    c13 = f32x4.add(c13, s3);
    c20 = f32x4.add(c20, s0);
    c21 = f32x4.add(c21, s1);
    c22 = f32x4.add(c22, s2);
    c23 = f32x4.add(c23, s3);
    c30 = f32x4.add(c30, s0);
    c31 = f32x4.add(c31, s1);
    c32 = f32x4.add(c32, s2);
    c33 = f32x4.add(c33, s3);
  }
  storeSixteen(o0, c00, c01, c02, c03);
  storeSixteen(o1, c10, c11, c12, c13);
  storeSixteen(o2, c20, c21, c22, c23);
  storeSixteen(o3, c30, c31, c32, c33);
}

/** 16 channels, in the order in which V8 packs stores. */
@inline
export function storeSixteen(ptr: usize, c0: v128, c1: v128, c2: v128, c3: v128): void {
  v128.store(ptr, c1, 16);
  v128.store(ptr, c0);
  v128.store(ptr, c3, 48);
  v128.store(ptr, c2, 32);
}
