// A register tile of the weight gradient in the wide build: 4 rows x 16 output channels, summed
// over a band of pixels; see convWeightGrad.ts, whose sums these are, in the same order.

import { mulAdd } from './math';

/** One tile. Rows of the gradient from g0 to g3, which read pixels from a0 to a3; a row that a tile
 * has too much repeats another. `isAdjacent`: the four are side by side from a0 on. */
@inline
export function wideGradTile(
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  isAdjacent: bool,
  pixelStepBytes: usize,
  xNextRow: usize,
  b: usize,
  dyPixelBytes: usize,
  dyNextRow: usize,
  outHeight: i32,
  outWidth: i32,
  g0: usize,
  g1: usize,
  g2: usize,
  g3: usize,
  accumulate: i32,
): void {
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
  if (isAdjacent) {
    for (let row = outHeight; row > 0; row--) {
      for (let column = outWidth; column > 0; column--) {
        const b0 = v128.load(b);
        const b1 = v128.load(b, 16);
        const b2 = v128.load(b, 32);
        const b3 = v128.load(b, 48);
        const v0 = v128.load_splat<f32>(a0);
        c00 = mulAdd(v0, b0, c00);
        c01 = mulAdd(v0, b1, c01);
        c02 = mulAdd(v0, b2, c02);
        c03 = mulAdd(v0, b3, c03);
        const v1 = v128.load_splat<f32>(a0, 4);
        c10 = mulAdd(v1, b0, c10);
        c11 = mulAdd(v1, b1, c11);
        c12 = mulAdd(v1, b2, c12);
        c13 = mulAdd(v1, b3, c13);
        const v2 = v128.load_splat<f32>(a0, 8);
        c20 = mulAdd(v2, b0, c20);
        c21 = mulAdd(v2, b1, c21);
        c22 = mulAdd(v2, b2, c22);
        c23 = mulAdd(v2, b3, c23);
        const v3 = v128.load_splat<f32>(a0, 12);
        c30 = mulAdd(v3, b0, c30);
        c31 = mulAdd(v3, b1, c31);
        c32 = mulAdd(v3, b2, c32);
        c33 = mulAdd(v3, b3, c33);
        a0 += pixelStepBytes;
        b += dyPixelBytes;
      }
      a0 += xNextRow;
      b += dyNextRow;
    }
  } else {
    for (let row = outHeight; row > 0; row--) {
      for (let column = outWidth; column > 0; column--) {
        const b0 = v128.load(b);
        const b1 = v128.load(b, 16);
        const b2 = v128.load(b, 32);
        const b3 = v128.load(b, 48);
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
        a0 += pixelStepBytes;
        a1 += pixelStepBytes;
        a2 += pixelStepBytes;
        a3 += pixelStepBytes;
        b += dyPixelBytes;
      }
      a0 += xNextRow;
      a1 += xNextRow;
      a2 += xNextRow;
      a3 += xNextRow;
      b += dyNextRow;
    }
  }
  if (accumulate) {
    c00 = f32x4.add(v128.load(g0), c00);
    c01 = f32x4.add(v128.load(g0, 16), c01);
    c02 = f32x4.add(v128.load(g0, 32), c02);
    c03 = f32x4.add(v128.load(g0, 48), c03);
    c10 = f32x4.add(v128.load(g1), c10);
    c11 = f32x4.add(v128.load(g1, 16), c11);
    c12 = f32x4.add(v128.load(g1, 32), c12);
    c13 = f32x4.add(v128.load(g1, 48), c13);
    c20 = f32x4.add(v128.load(g2), c20);
    c21 = f32x4.add(v128.load(g2, 16), c21);
    c22 = f32x4.add(v128.load(g2, 32), c22);
    c23 = f32x4.add(v128.load(g2, 48), c23);
    c30 = f32x4.add(v128.load(g3), c30);
    c31 = f32x4.add(v128.load(g3, 16), c31);
    c32 = f32x4.add(v128.load(g3, 32), c32);
    c33 = f32x4.add(v128.load(g3, 48), c33);
  }
  v128.store(g0, c01, 16);
  v128.store(g0, c00);
  v128.store(g0, c03, 48);
  v128.store(g0, c02, 32);
  v128.store(g1, c11, 16);
  v128.store(g1, c10);
  v128.store(g1, c13, 48);
  v128.store(g1, c12, 32);
  v128.store(g2, c21, 16);
  v128.store(g2, c20);
  v128.store(g2, c23, 48);
  v128.store(g2, c22, 32);
  v128.store(g3, c31, 16);
  v128.store(g3, c30);
  v128.store(g3, c33, 48);
  v128.store(g3, c32, 32);
}
