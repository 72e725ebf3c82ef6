// Convolution as an implicit matrix product: no im2col copy. One sample at a time, already padded,
// so that every tap of every output pixel lies inside the buffer. A register tile covers 4 pixels x
// 8 output channels. Each output element is ONE chain of multiply-adds in tap order, wherever it
// falls in a tile. The weight gradient is in convWeightGrad.ts, small kernels are in convRows.ts.

import { IS_WIDE } from './build';
import { convRows, fitsRows } from './convRows';
import { PANEL_ROW_BYTES, splat, storeChannels, TILE_CHANNELS, TILE_PIXELS } from './convTile';
import { WIDE_CHANNELS, WIDE_TAPS, wideTile } from './convWide';
import { mulAdd } from './math';

/** Pixels that are done for all panels before the next ones: what they read stays in the second
 * cache while the panels pass by. */
const BAND_PIXELS: i32 = 32;

// SCHEDULING. V8 moves loads up and multiply-adds down within straight code, so that three terms in
// a turn would need the registers of 18 vectors besides the sums, and spill. It does not move a sum
// beyond a branch that leaves the loop with it. So between the terms stands a test that never
// holds, a pointer being 0; each is another one, because equal ones are merged.

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
  const taps = tapsX * tapsY * segmentLength;
  const isWideTile = IS_WIDE && outChannels >= WIDE_CHANNELS && taps >= WIDE_TAPS;
  if (!isWideTile && fitsRows(tapsX, taps, outChannels, outWidth)) {
    convRows(
      xPtr,
      rowStepBytes,
      pixelStepBytes,
      tapsY,
      tapStepYBytes,
      segmentLength,
      panelsPtr,
      biasPtr,
      outPtr,
      outRowBytes,
      outPixelBytes,
      outHeight,
      outWidth,
      outChannels,
    );
    return;
  }
  const pixels = outHeight * outWidth;
  const segmentBytes = (<usize>segmentLength) << 2;
  const panelBytes = <usize>taps * PANEL_ROW_BYTES;
  const nextX = tapStepXBytes - segmentBytes;
  const nextY = tapStepYBytes - <usize>tapsX * tapStepXBytes;
  for (let first = 0; first < pixels; first += BAND_PIXELS) {
    const last = min(first + BAND_PIXELS, pixels);
    const firstRow = first / outWidth;
    const firstColumn = first % outWidth;
    let panel = panelsPtr;
    let channels: i32 = 0;
    for (let channel = 0; channel < outChannels; channel += channels) {
      channels = min(outChannels - channel, TILE_CHANNELS);
      const isWide = IS_WIDE && outChannels - channel >= WIDE_CHANNELS;
      if (isWide) channels = WIDE_CHANNELS;
      const bias = biasPtr ? biasPtr + ((<usize>channel) << 2) : 0;
      let column = firstColumn;
      let xRow = xPtr + <usize>firstRow * rowStepBytes;
      let outRow = outPtr + <usize>firstRow * outRowBytes + ((<usize>channel) << 2);
      let xPixel = xRow + <usize>column * pixelStepBytes;
      let outPixel = outRow + <usize>column * outPixelBytes;
      for (let pixel = first; pixel < last; pixel += TILE_PIXELS) {
        // Rows of the tile that lie past the last pixel repeat it; they are not stored.
        const rows = min(last - pixel, TILE_PIXELS);
        const a0 = xPixel;
        const o0 = outPixel;
        let a1 = a0,
          a2 = a0,
          a3 = a0;
        let o1 = o0,
          o2 = o0,
          o3 = o0;
        if (column + TILE_PIXELS <= outWidth) {
          a1 = a0 + pixelStepBytes;
          a2 = a1 + pixelStepBytes;
          a3 = a2 + pixelStepBytes;
          o1 = o0 + outPixelBytes;
          o2 = o1 + outPixelBytes;
          o3 = o2 + outPixelBytes;
          xPixel = a3 + pixelStepBytes;
          outPixel = o3 + outPixelBytes;
          column += TILE_PIXELS;
          if (column == outWidth) {
            column = 0;
            xRow += rowStepBytes;
            outRow += outRowBytes;
            xPixel = xRow;
            outPixel = outRow;
          }
        } else {
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
            if (row == 1) {
              a1 = xPixel;
              o1 = outPixel;
            } else if (row == 2) {
              a2 = xPixel;
              o2 = outPixel;
            } else {
              a3 = xPixel;
              o3 = outPixel;
            }
          }
        }
        if (isWide) {
          wideTile(
            a0,
            a1,
            a2,
            a3,
            tapsY,
            nextY,
            tapsX,
            nextX,
            segmentLength,
            panel,
            panelBytes,
            bias,
            o0,
            o1,
            o2,
            o3,
          );
          continue;
        }
        panelTile(
          a0,
          a1,
          a2,
          a3,
          rows,
          tapsY,
          nextY,
          tapsX,
          nextX,
          segmentLength,
          panel,
          bias,
          channels,
          o0,
          o1,
          o2,
          o3,
        );
      }
      panel += isWide ? panelBytes << 1 : panelBytes;
    }
  }
}

/** One tile: pixels from a0 to a3, of which the first `rows` go to o0 to o3, by one panel. */
function panelTile(
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
  bias: usize,
  channels: i32,
  o0: usize,
  o1: usize,
  o2: usize,
  o3: usize,
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
    }
    a0 += nextY;
    a1 += nextY;
    a2 += nextY;
    a3 += nextY;
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
  storeChannels(o0, c00, c01, channels);
  if (rows > 1) storeChannels(o1, c10, c11, channels);
  if (rows > 2) storeChannels(o2, c20, c21, channels);
  if (rows > 3) storeChannels(o3, c30, c31, channels);
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
    let src = srcPtr + ((<usize>column) << 2);
    for (let row = 0; row < rows; row++) {
      if (valid == TILE_CHANNELS) {
        v128.store(dstPtr, v128.load(src));
        v128.store(dstPtr, v128.load(src, 16), 16);
      } else {
        for (let i = 0; i < TILE_CHANNELS; i++) {
          const at = (<usize>i) << 2;
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
      let dst = dstPtr + ((<usize>i) << 2);
      const inside = column + i < columns;
      for (let row = 0; row < rows; row++) {
        f32.store(dst, inside ? f32.load(src + ((<usize>row) << 2)) : 0);
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
    const end = src + ((<usize>length) << 2);
    const vectorEnd = src + ((<usize>(length & ~3)) << 2);
    for (; src < vectorEnd; src += 16, dst += 16) v128.store(dst, v128.load(src));
    for (; src < end; src += 4, dst += 4) f32.store(dst, f32.load(src));
    srcPtr += srcRowBytes;
    dstPtr += dstRowBytes;
  }
}
