// Register tiles of the weight gradient in the wide build: 4 rows x 16 output channels, or 6 rows
// if they fit (see convWide.ts), summed over a band of pixels. The sums and their order are those
// of convWeightGrad.ts.

import { storeSixteen } from './convTile';
import { WIDE_ROWS } from './convWide';
import { mulAdd } from './math';

/** Computes one tile: gradient rows g0 to g3 from pixels a0 to a3; excess rows of a tile repeat
 * another. `isAdjacent`: the four are adjacent, starting at a0. */
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
  storeSixteen(g0, c00, c01, c02, c03);
  storeSixteen(g1, c10, c11, c12, c13);
  storeSixteen(g2, c20, c21, c22, c23);
  storeSixteen(g3, c30, c31, c32, c33);
}

/** The sums over one band of pixels (convWeightGrad.ts), for groups of six adjacent rows and
 * sixteen channels. */
export function gradBandInSixes(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  tapsX: i32,
  tapStepXBytes: usize,
  segmentLength: i32,
  dyPtr: usize,
  dyRowBytes: usize,
  dyPixelBytes: usize,
  outHeight: i32,
  outWidth: i32,
  outChannels: i32,
  gradPtr: usize,
  gradRowBytes: usize,
  accumulate: i32,
): void {
  const xNextRow = rowStepBytes - <usize>outWidth * pixelStepBytes;
  const dyNextRow = dyRowBytes - <usize>outWidth * dyPixelBytes;
  const outBytes = (<usize>outChannels) << 2;
  for (let ty = 0; ty < tapsY; ty++) {
    for (let tx = 0; tx < tapsX; tx++) {
      const start = xPtr + <usize>ty * tapStepYBytes + <usize>tx * tapStepXBytes;
      for (let k = 0; k < segmentLength; k += WIDE_ROWS) {
        for (let channel: usize = 0; channel < outBytes; channel += 64) {
          sixGradTile(
            start + ((<usize>k) << 2),
            pixelStepBytes,
            xNextRow,
            dyPtr + channel,
            dyPixelBytes,
            dyNextRow,
            outHeight,
            outWidth,
            gradPtr + channel,
            gradRowBytes,
            accumulate,
          );
        }
        gradPtr += <usize>WIDE_ROWS * gradRowBytes;
      }
    }
  }
}

/** Computes six adjacent rows, from pixels `a` to gradients `g`. */
export function sixGradTile(
  a: usize,
  pixelStepBytes: usize,
  xNextRow: usize,
  b: usize,
  dyPixelBytes: usize,
  dyNextRow: usize,
  outHeight: i32,
  outWidth: i32,
  g: usize,
  gradRowBytes: usize,
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
  let c40 = f32x4.splat(0),
    c41 = f32x4.splat(0),
    c42 = f32x4.splat(0),
    c43 = f32x4.splat(0);
  let c50 = f32x4.splat(0),
    c51 = f32x4.splat(0),
    c52 = f32x4.splat(0),
    c53 = f32x4.splat(0);
  for (let row = outHeight; row > 0; row--) {
    for (let column = outWidth; column > 0; column--) {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      const b2 = v128.load(b, 32);
      const b3 = v128.load(b, 48);
      const v0 = v128.load_splat<f32>(a);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      c02 = mulAdd(v0, b2, c02);
      c03 = mulAdd(v0, b3, c03);
      const v1 = v128.load_splat<f32>(a, 4);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      c12 = mulAdd(v1, b2, c12);
      c13 = mulAdd(v1, b3, c13);
      const v2 = v128.load_splat<f32>(a, 8);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      c22 = mulAdd(v2, b2, c22);
      c23 = mulAdd(v2, b3, c23);
      const v3 = v128.load_splat<f32>(a, 12);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      c32 = mulAdd(v3, b2, c32);
      c33 = mulAdd(v3, b3, c33);
      const v4 = v128.load_splat<f32>(a, 16);
      c40 = mulAdd(v4, b0, c40);
      c41 = mulAdd(v4, b1, c41);
      c42 = mulAdd(v4, b2, c42);
      c43 = mulAdd(v4, b3, c43);
      const v5 = v128.load_splat<f32>(a, 20);
      c50 = mulAdd(v5, b0, c50);
      c51 = mulAdd(v5, b1, c51);
      c52 = mulAdd(v5, b2, c52);
      c53 = mulAdd(v5, b3, c53);
      a += pixelStepBytes;
      b += dyPixelBytes;
    }
    a += xNextRow;
    b += dyNextRow;
  }
  const g0 = g;
  const g1 = g0 + gradRowBytes;
  const g2 = g1 + gradRowBytes;
  const g3 = g2 + gradRowBytes;
  const g4 = g3 + gradRowBytes;
  const g5 = g4 + gradRowBytes;
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
    c40 = f32x4.add(v128.load(g4), c40);
    c41 = f32x4.add(v128.load(g4, 16), c41);
    c42 = f32x4.add(v128.load(g4, 32), c42);
    c43 = f32x4.add(v128.load(g4, 48), c43);
    c50 = f32x4.add(v128.load(g5), c50);
    c51 = f32x4.add(v128.load(g5, 16), c51);
    c52 = f32x4.add(v128.load(g5, 32), c52);
    c53 = f32x4.add(v128.load(g5, 48), c53);
  }
  storeSixteen(g0, c00, c01, c02, c03);
  storeSixteen(g1, c10, c11, c12, c13);
  storeSixteen(g2, c20, c21, c22, c23);
  storeSixteen(g3, c30, c31, c32, c33);
  storeSixteen(g4, c40, c41, c42, c43);
  storeSixteen(g5, c50, c51, c52, c53);
}
