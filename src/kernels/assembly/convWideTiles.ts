// The register tiles of convWide.ts.

import { endSixteen } from './convEnding';
import { PANEL_ROW_BYTES, storeSixteen } from './convTile';
import { mulAdd } from './math';

/** Computes pixels a0 to a5 into o0 to o5. */
export function sixPixels(
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  a4: usize,
  a5: usize,
  tapsY: i32,
  nextY: usize,
  tapsX: i32,
  nextX: usize,
  segmentBytes: usize,
  panel: usize,
  panelBytes: usize,
  panelNextY: usize,
  panelNextX: usize,
  bias: usize,
  o0: usize,
  o1: usize,
  o2: usize,
  o3: usize,
  o4: usize,
  o5: usize,
  addendBytes: usize,
  isRelu: bool,
): void {
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
  let c40 = f32x4.splat(0),
    c41 = f32x4.splat(0),
    c42 = f32x4.splat(0),
    c43 = f32x4.splat(0);
  let c50 = f32x4.splat(0),
    c51 = f32x4.splat(0),
    c52 = f32x4.splat(0),
    c53 = f32x4.splat(0);
  for (let ty = tapsY; ty > 0; ty--) {
    for (let tx = tapsX; tx > 0; tx--) {
      const end = b + segmentBytes;
      while (b != end) {
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
        const v4 = v128.load_splat<f32>(a4);
        c40 = mulAdd(v4, b0, c40);
        c41 = mulAdd(v4, b1, c41);
        c42 = mulAdd(v4, b2, c42);
        c43 = mulAdd(v4, b3, c43);
        const v5 = v128.load_splat<f32>(a5);
        c50 = mulAdd(v5, b0, c50);
        c51 = mulAdd(v5, b1, c51);
        c52 = mulAdd(v5, b2, c52);
        c53 = mulAdd(v5, b3, c53);
        a0 += 4;
        a1 += 4;
        a2 += 4;
        a3 += 4;
        a4 += 4;
        a5 += 4;
        b += PANEL_ROW_BYTES;
        d += PANEL_ROW_BYTES;
      }
      a0 += nextX;
      a1 += nextX;
      a2 += nextX;
      a3 += nextX;
      a4 += nextX;
      a5 += nextX;
      b += panelNextX;
      d += panelNextX;
    }
    a0 += nextY;
    a1 += nextY;
    a2 += nextY;
    a3 += nextY;
    a4 += nextY;
    a5 += nextY;
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
    c40 = f32x4.add(c40, s0);
    c41 = f32x4.add(c41, s1);
    c42 = f32x4.add(c42, s2);
    c43 = f32x4.add(c43, s3);
    c50 = f32x4.add(c50, s0);
    c51 = f32x4.add(c51, s1);
    c52 = f32x4.add(c52, s2);
    c53 = f32x4.add(c53, s3);
  }
  if (addendBytes | usize(isRelu)) {
    endSixteen(o0, addendBytes, isRelu, c00, c01, c02, c03);
    endSixteen(o1, addendBytes, isRelu, c10, c11, c12, c13);
    endSixteen(o2, addendBytes, isRelu, c20, c21, c22, c23);
    endSixteen(o3, addendBytes, isRelu, c30, c31, c32, c33);
    endSixteen(o4, addendBytes, isRelu, c40, c41, c42, c43);
    endSixteen(o5, addendBytes, isRelu, c50, c51, c52, c53);
    return;
  }
  storeSixteen(o0, c00, c01, c02, c03);
  storeSixteen(o1, c10, c11, c12, c13);
  storeSixteen(o2, c20, c21, c22, c23);
  storeSixteen(o3, c30, c31, c32, c33);
  storeSixteen(o4, c40, c41, c42, c43);
  storeSixteen(o5, c50, c51, c52, c53);
}

/** Computes pixels a0 to a3 into o0 to o3. */
export function fourPixels(
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  tapsY: i32,
  nextY: usize,
  tapsX: i32,
  nextX: usize,
  segmentBytes: usize,
  panel: usize,
  panelBytes: usize,
  panelNextY: usize,
  panelNextX: usize,
  bias: usize,
  o0: usize,
  o1: usize,
  o2: usize,
  o3: usize,
  addendBytes: usize,
  isRelu: bool,
): void {
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
      const end = b + segmentBytes;
      while (b != end) {
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
  if (addendBytes | usize(isRelu)) {
    endSixteen(o0, addendBytes, isRelu, c00, c01, c02, c03);
    endSixteen(o1, addendBytes, isRelu, c10, c11, c12, c13);
    endSixteen(o2, addendBytes, isRelu, c20, c21, c22, c23);
    endSixteen(o3, addendBytes, isRelu, c30, c31, c32, c33);
    return;
  }
  storeSixteen(o0, c00, c01, c02, c03);
  storeSixteen(o1, c10, c11, c12, c13);
  storeSixteen(o2, c20, c21, c22, c23);
  storeSixteen(o3, c30, c31, c32, c33);
}
