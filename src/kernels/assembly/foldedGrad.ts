// Weight gradients with short sums, over few pixels of each sample. Writing and folding a leaf for
// each grain would take longer than its sum, so the leaves of a subtree are folded while they are
// in registers, in the order of the tree. A leaf is the sum over its samples, in order, of ONE
// chain over each sample's pixels, as convWeightGradTilesF32 computes it sample by sample.

import { IS_WIDE } from './build';
import { PANEL_ROW_BYTES, splat, storeSixteen } from './convTile';
import { mulAdd } from './math';

const TILE_ROWS: i32 = 4;
/** 4 rows of 16 channels: a partial sum that waits. */
const LEVEL_BYTES: usize = 256;

export function foldedWeightGradF32(
  xPtr: usize,
  xSampleBytes: usize,
  xRowBytes: usize,
  xPixelBytes: usize,
  dyPtr: usize,
  dySampleBytes: usize,
  dyRowBytes: usize,
  dyPixelBytes: usize,
  rows: i32,
  columns: i32,
  samples: i32,
  leaves: i32,
  inChannels: i32,
  outChannels: i32,
  gradPtr: usize,
  gradRowBytes: usize,
  scratchPtr: usize,
): void {
  const xNextRow = xRowBytes - <usize>columns * xPixelBytes;
  const dyNextRow = dyRowBytes - <usize>columns * dyPixelBytes;
  const xNextSample = xSampleBytes - <usize>rows * xRowBytes;
  const dyNextSample = dySampleBytes - <usize>rows * dyRowBytes;
  const outBytes = (<usize>outChannels) << 2;
  for (let k = 0; k < inChannels; k += TILE_ROWS) {
    let channel: usize = 0;
    if (IS_WIDE) {
      for (; channel + 64 <= outBytes; channel += 64) {
        foldPair(
          xPtr,
          xPixelBytes,
          xNextRow,
          xNextSample,
          dyPtr + channel,
          dyPixelBytes,
          dyNextRow,
          dyNextSample,
          rows,
          columns,
          samples,
          leaves,
          gradPtr + channel,
          gradRowBytes,
          scratchPtr,
        );
      }
    }
    for (; channel < outBytes; channel += PANEL_ROW_BYTES) {
      foldPanel(
        xPtr,
        xPixelBytes,
        xNextRow,
        xNextSample,
        dyPtr + channel,
        dyPixelBytes,
        dyNextRow,
        dyNextSample,
        rows,
        columns,
        samples,
        leaves,
        gradPtr + channel,
        gradRowBytes,
        // At the address that the wide build uses, so that both leave the same scratch.
        scratchPtr + (channel & PANEL_ROW_BYTES),
      );
    }
    xPtr += 4 * TILE_ROWS;
    gradPtr += <usize>TILE_ROWS * gradRowBytes;
  }
}

/** Folds 4 gradient rows x 8 output channels. */
function foldPanel(
  a: usize,
  xPixelBytes: usize,
  xNextRow: usize,
  xNextSample: usize,
  b: usize,
  dyPixelBytes: usize,
  dyNextRow: usize,
  dyNextSample: usize,
  rows: i32,
  columns: i32,
  samples: i32,
  leaves: i32,
  grad: usize,
  gradRowBytes: usize,
  scratch: usize,
): void {
  for (let leaf = 0; leaf < leaves; leaf++) {
    let c00 = f32x4.splat(0),
      c01 = f32x4.splat(0);
    let c10 = f32x4.splat(0),
      c11 = f32x4.splat(0);
    let c20 = f32x4.splat(0),
      c21 = f32x4.splat(0);
    let c30 = f32x4.splat(0),
      c31 = f32x4.splat(0);
    // The sum of the previous samples waits in scratch, before the levels of the tree.
    for (let sample = samples; ; ) {
      for (let row = rows; row > 0; row--) {
        for (let column = columns; column > 0; column--) {
          const b0 = v128.load(b);
          const b1 = v128.load(b, 16);
          const v0 = splat(a);
          c00 = mulAdd(v0, b0, c00);
          c01 = mulAdd(v0, b1, c01);
          const v1 = v128.load_splat<f32>(a, 4);
          c10 = mulAdd(v1, b0, c10);
          c11 = mulAdd(v1, b1, c11);
          const v2 = v128.load_splat<f32>(a, 8);
          c20 = mulAdd(v2, b0, c20);
          c21 = mulAdd(v2, b1, c21);
          const v3 = v128.load_splat<f32>(a, 12);
          c30 = mulAdd(v3, b0, c30);
          c31 = mulAdd(v3, b1, c31);
          a += xPixelBytes;
          b += dyPixelBytes;
        }
        a += xNextRow;
        b += dyNextRow;
      }
      a += xNextSample;
      b += dyNextSample;
      if (sample != samples) {
        c00 = f32x4.add(v128.load(scratch), c00);
        c01 = f32x4.add(v128.load(scratch, 16), c01);
        c10 = f32x4.add(v128.load(scratch, 64), c10);
        c11 = f32x4.add(v128.load(scratch, 80), c11);
        c20 = f32x4.add(v128.load(scratch, 128), c20);
        c21 = f32x4.add(v128.load(scratch, 144), c21);
        c30 = f32x4.add(v128.load(scratch, 192), c30);
        c31 = f32x4.add(v128.load(scratch, 208), c31);
      }
      sample--;
      if (sample == 0) break;
      v128.store(scratch, c01, 16);
      v128.store(scratch, c00);
      v128.store(scratch, c11, 80);
      v128.store(scratch, c10, 64);
      v128.store(scratch, c21, 144);
      v128.store(scratch, c20, 128);
      v128.store(scratch, c31, 208);
      v128.store(scratch, c30, 192);
      c00 = f32x4.splat(0);
      c01 = f32x4.splat(0);
      c10 = f32x4.splat(0);
      c11 = f32x4.splat(0);
      c20 = f32x4.splat(0);
      c21 = f32x4.splat(0);
      c30 = f32x4.splat(0);
      c31 = f32x4.splat(0);
    }
    let level = scratch + LEVEL_BYTES;
    for (let left = leaf; left & 1; left >>= 1) {
      c00 = f32x4.add(v128.load(level), c00);
      c01 = f32x4.add(v128.load(level, 16), c01);
      c10 = f32x4.add(v128.load(level, 64), c10);
      c11 = f32x4.add(v128.load(level, 80), c11);
      c20 = f32x4.add(v128.load(level, 128), c20);
      c21 = f32x4.add(v128.load(level, 144), c21);
      c30 = f32x4.add(v128.load(level, 192), c30);
      c31 = f32x4.add(v128.load(level, 208), c31);
      level += LEVEL_BYTES;
    }
    const isLast = leaf + 1 == leaves;
    const step: usize = isLast ? gradRowBytes : 64;
    let to = isLast ? grad : level;
    v128.store(to, c01, 16);
    v128.store(to, c00);
    to += step;
    v128.store(to, c11, 16);
    v128.store(to, c10);
    to += step;
    v128.store(to, c21, 16);
    v128.store(to, c20);
    to += step;
    v128.store(to, c31, 16);
    v128.store(to, c30);
  }
}

/** Folds 4 gradient rows x 16 output channels. */
function foldPair(
  a: usize,
  xPixelBytes: usize,
  xNextRow: usize,
  xNextSample: usize,
  b: usize,
  dyPixelBytes: usize,
  dyNextRow: usize,
  dyNextSample: usize,
  rows: i32,
  columns: i32,
  samples: i32,
  leaves: i32,
  grad: usize,
  gradRowBytes: usize,
  scratch: usize,
): void {
  for (let leaf = 0; leaf < leaves; leaf++) {
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
    for (let sample = samples; ; ) {
      for (let row = rows; row > 0; row--) {
        for (let column = columns; column > 0; column--) {
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
          a += xPixelBytes;
          b += dyPixelBytes;
        }
        a += xNextRow;
        b += dyNextRow;
      }
      a += xNextSample;
      b += dyNextSample;
      if (sample != samples) {
        c00 = f32x4.add(v128.load(scratch), c00);
        c01 = f32x4.add(v128.load(scratch, 16), c01);
        c02 = f32x4.add(v128.load(scratch, 32), c02);
        c03 = f32x4.add(v128.load(scratch, 48), c03);
        c10 = f32x4.add(v128.load(scratch, 64), c10);
        c11 = f32x4.add(v128.load(scratch, 80), c11);
        c12 = f32x4.add(v128.load(scratch, 96), c12);
        c13 = f32x4.add(v128.load(scratch, 112), c13);
        c20 = f32x4.add(v128.load(scratch, 128), c20);
        c21 = f32x4.add(v128.load(scratch, 144), c21);
        c22 = f32x4.add(v128.load(scratch, 160), c22);
        c23 = f32x4.add(v128.load(scratch, 176), c23);
        c30 = f32x4.add(v128.load(scratch, 192), c30);
        c31 = f32x4.add(v128.load(scratch, 208), c31);
        c32 = f32x4.add(v128.load(scratch, 224), c32);
        c33 = f32x4.add(v128.load(scratch, 240), c33);
      }
      sample--;
      if (sample == 0) break;
      storeSixteen(scratch, c00, c01, c02, c03);
      storeSixteen(scratch + 64, c10, c11, c12, c13);
      storeSixteen(scratch + 128, c20, c21, c22, c23);
      storeSixteen(scratch + 192, c30, c31, c32, c33);
      c00 = f32x4.splat(0);
      c01 = f32x4.splat(0);
      c02 = f32x4.splat(0);
      c03 = f32x4.splat(0);
      c10 = f32x4.splat(0);
      c11 = f32x4.splat(0);
      c12 = f32x4.splat(0);
      c13 = f32x4.splat(0);
      c20 = f32x4.splat(0);
      c21 = f32x4.splat(0);
      c22 = f32x4.splat(0);
      c23 = f32x4.splat(0);
      c30 = f32x4.splat(0);
      c31 = f32x4.splat(0);
      c32 = f32x4.splat(0);
      c33 = f32x4.splat(0);
    }
    let level = scratch + LEVEL_BYTES;
    for (let left = leaf; left & 1; left >>= 1) {
      c00 = f32x4.add(v128.load(level), c00);
      c01 = f32x4.add(v128.load(level, 16), c01);
      c02 = f32x4.add(v128.load(level, 32), c02);
      c03 = f32x4.add(v128.load(level, 48), c03);
      c10 = f32x4.add(v128.load(level, 64), c10);
      c11 = f32x4.add(v128.load(level, 80), c11);
      c12 = f32x4.add(v128.load(level, 96), c12);
      c13 = f32x4.add(v128.load(level, 112), c13);
      c20 = f32x4.add(v128.load(level, 128), c20);
      c21 = f32x4.add(v128.load(level, 144), c21);
      c22 = f32x4.add(v128.load(level, 160), c22);
      c23 = f32x4.add(v128.load(level, 176), c23);
      c30 = f32x4.add(v128.load(level, 192), c30);
      c31 = f32x4.add(v128.load(level, 208), c31);
      c32 = f32x4.add(v128.load(level, 224), c32);
      c33 = f32x4.add(v128.load(level, 240), c33);
      level += LEVEL_BYTES;
    }
    const isLast = leaf + 1 == leaves;
    const step: usize = isLast ? gradRowBytes : 64;
    let to = isLast ? grad : level;
    storeSixteen(to, c00, c01, c02, c03);
    to += step;
    storeSixteen(to, c10, c11, c12, c13);
    to += step;
    storeSixteen(to, c20, c21, c22, c23);
    to += step;
    storeSixteen(to, c30, c31, c32, c33);
  }
}
