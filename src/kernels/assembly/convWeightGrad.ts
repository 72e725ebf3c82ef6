// Weight gradient of a convolution, sample by sample. A register tile covers 4 rows of the gradient
// (taps x input channels) x 8 output channels; its sums run over a band of pixels, with dy in the
// L1 cache for all tiles, and the bands are added in order. Bands only depend on the shape. Each
// element has ONE order of operations, regardless of its position in a tile.

import { IS_WIDE } from './build';
import { gradFromStrips } from './convGradStrips';
import { splat, storeChannels, TILE_CHANNELS } from './convTile';
import { gradBandInSixes, wideGradTile } from './convWeightGradWide';
import { WIDE_CHANNELS, WIDE_ROWS } from './convWide';
import { mulAdd } from './math';

const TILE_ROWS: i32 = 4;
/** The size of dy in a band: half of the L1 cache; the other half is for the input. */
const BAND_BYTES: i32 = 16384;
/** If a pixel of dy is at most one cache line, dy is read as one stream, which the cache
 * prefetches, so longer bands cost nothing and start less often. */
const LINE_BYTES: usize = 64;
const LINE_BAND_BYTES: i32 = 32768;
/** Below this, reading and writing the gradient would cost more than the cache gains. */
const MIN_BAND_PIXELS: i32 = 32;

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
  scratchPtr: usize,
): void {
  const isLine = dyPixelBytes <= LINE_BYTES;
  const fitting = (isLine ? LINE_BAND_BYTES : BAND_BYTES) / <i32>dyPixelBytes;
  const pixels = max(fitting, MIN_BAND_PIXELS);
  // Parts of a row, or whole rows, of about equal size. At least one, so that an empty sum is also
  // stored.
  const columns = evenly(outWidth, pixels);
  const rows = evenly(outHeight, max(pixels / max(columns, 1), 1));
  if (scratchPtr) {
    gradFromStrips(
      xPtr,
      rowStepBytes,
      pixelStepBytes,
      tapsY,
      tapStepYBytes,
      tapsX,
      tapStepXBytes,
      segmentLength,
      dyPtr,
      dyRowBytes,
      dyPixelBytes,
      outHeight,
      outWidth,
      outChannels,
      gradPtr,
      gradRowBytes,
      accumulate,
      rows,
      columns,
      scratchPtr,
    );
    return;
  }
  let row = 0;
  do {
    let column = 0;
    do {
      weightGradBand(
        xPtr + <usize>row * rowStepBytes + <usize>column * pixelStepBytes,
        rowStepBytes,
        pixelStepBytes,
        tapsY,
        tapStepYBytes,
        tapsX,
        tapStepXBytes,
        segmentLength,
        dyPtr + <usize>row * dyRowBytes + <usize>column * dyPixelBytes,
        dyRowBytes,
        dyPixelBytes,
        min(rows, outHeight - row),
        min(columns, outWidth - column),
        outChannels,
        gradPtr,
        gradRowBytes,
        accumulate,
      );
      accumulate = 1;
      column += columns;
    } while (column < outWidth);
    row += rows;
  } while (row < outHeight);
}

/** The size of the parts if `count` is cut into as few parts of at most `most` as possible. */
@inline
function evenly(count: i32, most: i32): i32 {
  const parts = max((count + most - 1) / most, 1);
  return (count + parts - 1) / parts;
}

/** Stores or adds the sums over one band of pixels. */
function weightGradBand(
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
  if (IS_WIDE && segmentLength % WIDE_ROWS == 0 && outChannels % WIDE_CHANNELS == 0) {
    gradBandInSixes(
      xPtr,
      rowStepBytes,
      pixelStepBytes,
      tapsY,
      tapStepYBytes,
      tapsX,
      tapStepXBytes,
      segmentLength,
      dyPtr,
      dyRowBytes,
      dyPixelBytes,
      outHeight,
      outWidth,
      outChannels,
      gradPtr,
      gradRowBytes,
      accumulate,
    );
    return;
  }
  const length = tapsY * tapsX * segmentLength;
  const stepX = tapStepXBytes;
  const stepY = tapStepYBytes;
  const xNextRow = rowStepBytes - <usize>outWidth * pixelStepBytes;
  const dyNextRow = dyRowBytes - <usize>outWidth * dyPixelBytes;
  for (let k = 0; k < length; k += TILE_ROWS) {
    const rows = min(length - k, TILE_ROWS);
    const start0 = xPtr + tapOffset(k, segmentLength, tapsX, stepX, stepY);
    let start1 = start0,
      start2 = start0,
      start3 = start0;
    const adjacent = rows == TILE_ROWS && (k % segmentLength) + TILE_ROWS <= segmentLength;
    if (!adjacent) {
      if (rows > 1) start1 = xPtr + tapOffset(k + 1, segmentLength, tapsX, stepX, stepY);
      if (rows > 2) start2 = xPtr + tapOffset(k + 2, segmentLength, tapsX, stepX, stepY);
      if (rows > 3) start3 = xPtr + tapOffset(k + 3, segmentLength, tapsX, stepX, stepY);
    }
    let channel = 0;
    if (IS_WIDE) {
      for (; channel + WIDE_CHANNELS <= outChannels; channel += WIDE_CHANNELS) {
        const g0 = gradPtr + <usize>k * gradRowBytes + ((<usize>channel) << 2);
        const g1 = rows > 1 ? g0 + gradRowBytes : g0;
        const g2 = rows > 2 ? g1 + gradRowBytes : g0;
        const g3 = rows > 3 ? g2 + gradRowBytes : g0;
        wideGradTile(
          start0,
          start1,
          start2,
          start3,
          adjacent,
          pixelStepBytes,
          xNextRow,
          dyPtr + ((<usize>channel) << 2),
          dyPixelBytes,
          dyNextRow,
          outHeight,
          outWidth,
          g0,
          g1,
          g2,
          g3,
          accumulate,
        );
      }
    }
    for (; channel < outChannels; channel += TILE_CHANNELS) {
      const channels = min(outChannels - channel, TILE_CHANNELS);
      let c00 = f32x4.splat(0),
        c01 = f32x4.splat(0);
      let c10 = f32x4.splat(0),
        c11 = f32x4.splat(0);
      let c20 = f32x4.splat(0),
        c21 = f32x4.splat(0);
      let c30 = f32x4.splat(0),
        c31 = f32x4.splat(0);
      let a0 = start0,
        a1 = start1,
        a2 = start2,
        a3 = start3;
      let b = dyPtr + ((<usize>channel) << 2);
      if (adjacent) {
        for (let row = outHeight; row > 0; row--) {
          for (let column = outWidth; column > 0; column--) {
            const b0 = v128.load(b);
            const b1 = v128.load(b, 16);
            const v0 = splat(a0);
            c00 = mulAdd(v0, b0, c00);
            c01 = mulAdd(v0, b1, c01);
            const v1 = v128.load_splat<f32>(a0, 4);
            c10 = mulAdd(v1, b0, c10);
            c11 = mulAdd(v1, b1, c11);
            const v2 = v128.load_splat<f32>(a0, 8);
            c20 = mulAdd(v2, b0, c20);
            c21 = mulAdd(v2, b1, c21);
            const v3 = v128.load_splat<f32>(a0, 12);
            c30 = mulAdd(v3, b0, c30);
            c31 = mulAdd(v3, b1, c31);
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
      }
      const g0 = gradPtr + <usize>k * gradRowBytes + ((<usize>channel) << 2);
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
    ((<usize>(k % segmentLength)) << 2)
  );
}
