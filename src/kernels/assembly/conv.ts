// Convolution as an implicit matrix product: no im2col copy. One sample at a time, already padded,
// so that every tap of every output pixel lies inside the buffer. A register tile covers 4 pixels x
// 8 output channels. Each output element is ONE chain of multiply-adds in tap order, wherever it
// falls in a tile.

import { storePart } from './lanes';
import { mulAdd } from './math';

const TILE_CHANNELS: i32 = 8;
const PANEL_ROW_BYTES: usize = 32;

@inline
function splat(ptr: usize): v128 {
  return v128.load_splat<f32>(ptr);
}

/** Stores the first `count` (1 to 8) floats of the pair (low, high). */
@inline
function storeChannels(ptr: usize, low: v128, high: v128, count: i32): void {
  if (count >= 4) {
    v128.store(ptr, low);
    if (count == 8) v128.store(ptr, high, 16);
    else storePart(ptr + 16, high, count - 4);
  } else storePart(ptr, low, count);
}

export function convTilesF32(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  tapsX: i32,
  tapStepXBytes: usize,
  segmentLength: i32,
  panelsPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  outRowBytes: usize,
  outPixelBytes: usize,
  outHeight: i32,
  outWidth: i32,
  outChannels: i32,
): void {
  const pixels = outHeight * outWidth;
  const segmentBytes = <usize>segmentLength << 2;
  const panelBytes = <usize>(tapsY * tapsX * segmentLength) * PANEL_ROW_BYTES;
  const nextX = tapStepXBytes - segmentBytes;
  const nextY = tapStepYBytes - <usize>tapsX * tapStepXBytes;
  for (let channel = 0; channel < outChannels; channel += TILE_CHANNELS) {
    const channels = min(outChannels - channel, TILE_CHANNELS);
    let biasLow = f32x4.splat(0);
    let biasHigh = f32x4.splat(0);
    if (biasPtr) {
      biasLow = v128.load(biasPtr + (<usize>channel << 2));
      biasHigh = v128.load(biasPtr + (<usize>channel << 2), 16);
    }
    let column = 0;
    let xRow = xPtr;
    let outRow = outPtr + (<usize>channel << 2);
    let xPixel = xRow;
    let outPixel = outRow;
    for (let pixel = 0; pixel < pixels; pixel += 4) {
      // Rows of the tile that lie past the last pixel repeat it; they are not stored.
      const rows = min(pixels - pixel, 4);
      let a0 = xPixel;
      const o0 = outPixel;
      let a1 = a0, a2 = a0, a3 = a0;
      let o1 = o0, o2 = o0, o3 = o0;
      for (let row = 1; row <= rows; row++) {
        column++;
        xPixel += pixelStepBytes;
        outPixel += outPixelBytes;
        if (column == outWidth) {
          column = 0;
          xRow += rowStepBytes;
          outRow += outRowBytes;
          xPixel = xRow;
          outPixel = outRow;
        }
        if (row == rows) break;
        if (row == 1) { a1 = xPixel; o1 = outPixel; }
        else if (row == 2) { a2 = xPixel; o2 = outPixel; }
        else { a3 = xPixel; o3 = outPixel; }
      }
      let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
      let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
      let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
      let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
      let b = panelsPtr;
      for (let ty = tapsY; ty > 0; ty--) {
        for (let tx = tapsX; tx > 0; tx--) {
          const end = b + (<usize>segmentLength << 5);
          do {
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
          } while (b != end);
          a0 += nextX;
          a1 += nextX;
          a2 += nextX;
          a3 += nextX;
        }
        a0 += nextY;
        a1 += nextY;
        a2 += nextY;
        a3 += nextY;
      }
      if (biasPtr) {
        c00 = f32x4.add(c00, biasLow);
        c01 = f32x4.add(c01, biasHigh);
        c10 = f32x4.add(c10, biasLow);
        c11 = f32x4.add(c11, biasHigh);
        c20 = f32x4.add(c20, biasLow);
        c21 = f32x4.add(c21, biasHigh);
        c30 = f32x4.add(c30, biasLow);
        c31 = f32x4.add(c31, biasHigh);
      }
      storeChannels(o0, c00, c01, channels);
      if (rows > 1) storeChannels(o1, c10, c11, channels);
      if (rows > 2) storeChannels(o2, c20, c21, channels);
      if (rows > 3) storeChannels(o3, c30, c31, channels);
    }
    panelsPtr += panelBytes;
  }
}

export function convWeightGradTilesF32(
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
  const length = tapsY * tapsX * segmentLength;
  const stepX = tapStepXBytes;
  const stepY = tapStepYBytes;
  const xNextRow = rowStepBytes - <usize>outWidth * pixelStepBytes;
  const dyNextRow = dyRowBytes - <usize>outWidth * dyPixelBytes;
  for (let k = 0; k < length; k += 4) {
    const rows = min(length - k, 4);
    const start0 = xPtr + tapOffset(k, segmentLength, tapsX, stepX, stepY);
    let start1 = start0, start2 = start0, start3 = start0;
    if (rows > 1) start1 = xPtr + tapOffset(k + 1, segmentLength, tapsX, stepX, stepY);
    if (rows > 2) start2 = xPtr + tapOffset(k + 2, segmentLength, tapsX, stepX, stepY);
    if (rows > 3) start3 = xPtr + tapOffset(k + 3, segmentLength, tapsX, stepX, stepY);
    for (let channel = 0; channel < outChannels; channel += TILE_CHANNELS) {
      const channels = min(outChannels - channel, TILE_CHANNELS);
      let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
      let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
      let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
      let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
      let a0 = start0, a1 = start1, a2 = start2, a3 = start3;
      let b = dyPtr + (<usize>channel << 2);
      for (let row = outHeight; row > 0; row--) {
        for (let column = outWidth; column > 0; column--) {
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
      const g0 = gradPtr + <usize>k * gradRowBytes + (<usize>channel << 2);
      // Rows of the tile past the last one repeat it, so that nothing outside is read.
      const g1 = rows > 1 ? g0 + gradRowBytes : g0;
      const g2 = rows > 2 ? g1 + gradRowBytes : g1;
      const g3 = rows > 3 ? g2 + gradRowBytes : g2;
      if (accumulate) {
        c00 = f32x4.add(v128.load(g0), c00);
        c01 = f32x4.add(v128.load(g0, 16), c01);
        c10 = f32x4.add(v128.load(g1), c10);
        c11 = f32x4.add(v128.load(g1, 16), c11);
        c20 = f32x4.add(v128.load(g2), c20);
        c21 = f32x4.add(v128.load(g2, 16), c21);
        c30 = f32x4.add(v128.load(g3), c30);
        c31 = f32x4.add(v128.load(g3, 16), c31);
      }
      storeChannels(g0, c00, c01, channels);
      if (rows > 1) storeChannels(g1, c10, c11, channels);
      if (rows > 2) storeChannels(g2, c20, c21, channels);
      if (rows > 3) storeChannels(g3, c30, c31, channels);
    }
  }
}

@inline
function tapOffset(
  k: i32,
  segmentLength: i32,
  tapsX: i32,
  tapStepXBytes: usize,
  tapStepYBytes: usize,
): usize {
  const tap = k / segmentLength;
  return (
    <usize>(tap / tapsX) * tapStepYBytes +
    <usize>(tap % tapsX) * tapStepXBytes +
    (<usize>(k % segmentLength) << 2)
  );
}

export function packPanelsF32(
  srcPtr: usize,
  srcRowBytes: usize,
  rows: i32,
  columns: i32,
  dstPtr: usize,
): void {
  for (let column = 0; column < columns; column += TILE_CHANNELS) {
    const valid = min(columns - column, TILE_CHANNELS);
    let src = srcPtr + (<usize>column << 2);
    for (let row = 0; row < rows; row++) {
      if (valid == TILE_CHANNELS) {
        v128.store(dstPtr, v128.load(src));
        v128.store(dstPtr, v128.load(src, 16), 16);
      } else {
        for (let i = 0; i < TILE_CHANNELS; i++) {
          const at = <usize>i << 2;
          f32.store(dstPtr + at, i < valid ? f32.load(src + at) : 0);
        }
      }
      src += srcRowBytes;
      dstPtr += PANEL_ROW_BYTES;
    }
  }
}

export function packTransposedPanelsF32(
  srcPtr: usize,
  srcRowBytes: usize,
  rows: i32,
  columns: i32,
  dstPtr: usize,
  panelBytes: usize,
): void {
  for (let column = 0; column < columns; column += TILE_CHANNELS) {
    for (let i = 0; i < TILE_CHANNELS; i++) {
      const src = srcPtr + <usize>(column + i) * srcRowBytes;
      let dst = dstPtr + (<usize>i << 2);
      const inside = column + i < columns;
      for (let row = 0; row < rows; row++) {
        f32.store(dst, inside ? f32.load(src + (<usize>row << 2)) : 0);
        dst += PANEL_ROW_BYTES;
      }
    }
    dstPtr += panelBytes;
  }
}

export function copyRowsF32(
  srcPtr: usize,
  srcRowBytes: usize,
  dstPtr: usize,
  dstRowBytes: usize,
  rows: i32,
  length: i32,
): void {
  for (; rows > 0; rows--) {
    let src = srcPtr;
    let dst = dstPtr;
    const end = src + (<usize>length << 2);
    const vectorEnd = src + (<usize>(length & ~3) << 2);
    for (; src < vectorEnd; src += 16, dst += 16) v128.store(dst, v128.load(src));
    for (; src < end; src += 4, dst += 4) f32.store(dst, f32.load(src));
    srcPtr += srcRowBytes;
    dstPtr += dstRowBytes;
  }
}
