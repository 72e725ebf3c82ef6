// Convolution in the wide build: register tiles of 6 pixels x 16 output channels, two adjacent
// panels, and of 4 pixels for the rest. With six pixels, twelve sums of 8 floats hide the latency
// of multiply-adds; eight would only suffice if nothing were ever late. Each output element is the
// same chain of multiply-adds as in the tiles of conv.ts.

import { PANEL_ROW_BYTES } from './convTile';
import { fourPixels, sixPixels } from './convWideTiles';

/** Output channels of a tile. */
export const WIDE_CHANNELS: i32 = 16;
/** With fewer products per output, small kernels are faster row by row (convRows.ts). */
export const WIDE_TAPS: i32 = 16;
export const WIDE_ROWS: i32 = 6;
/** Rows of a tile for the rest. */
const REST_ROWS: i32 = 4;

/** The number of rows in tiles of six. The rest is in tiles of four, if that is less work than
 * another tile of six with repeated rows. */
export function rowsInSixes(rows: i32): i32 {
  const rest = rows % WIDE_ROWS;
  if (rows < WIDE_ROWS) return 0;
  if (rest == 0 || rest == WIDE_ROWS - 1) return rows;
  return rows - rest - (rest < 3 ? WIDE_ROWS : 0);
}

/** Computes pixels from `first` on by two panels. A tile with more pixels than are left repeats
 * one. */
export function wideBand(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
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
  outPtr: usize,
  outRowBytes: usize,
  outPixelBytes: usize,
  outWidth: i32,
  first: i32,
  last: i32,
  addendBytes: usize,
  isRelu: bool,
): void {
  const segmentBytes = <usize>segmentLength * PANEL_ROW_BYTES;
  const lastOfSixes = first + rowsInSixes(last - first);
  let column = first % outWidth;
  let xRow = xPtr + <usize>(first / outWidth) * rowStepBytes;
  let outRow = outPtr + <usize>(first / outWidth) * outRowBytes;
  let xPixel = xRow + <usize>column * pixelStepBytes;
  let outPixel = outRow + <usize>column * outPixelBytes;
  let size: i32 = 0;
  for (let pixel = first; pixel < last; pixel += size) {
    size = pixel < lastOfSixes ? WIDE_ROWS : REST_ROWS;
    const a0 = xPixel;
    const o0 = outPixel;
    let a1 = a0 + pixelStepBytes,
      o1 = o0 + outPixelBytes;
    let a2 = a1 + pixelStepBytes,
      o2 = o1 + outPixelBytes;
    let a3 = a2 + pixelStepBytes,
      o3 = o2 + outPixelBytes;
    let a4 = a3 + pixelStepBytes,
      o4 = o3 + outPixelBytes;
    let a5 = a4 + pixelStepBytes,
      o5 = o4 + outPixelBytes;
    if (column + size <= outWidth && pixel + size <= last) {
      column += size;
      xPixel += <usize>size * pixelStepBytes;
      outPixel += <usize>size * outPixelBytes;
      if (column == outWidth) {
        column = 0;
        xRow += rowStepBytes;
        outRow += outRowBytes;
        xPixel = xRow;
        outPixel = outRow;
      }
    } else {
      const rows = min(last - pixel, size);
      for (let row = 0; row < WIDE_ROWS; row++) {
        if (row == 1) {
          a1 = xPixel;
          o1 = outPixel;
        } else if (row == 2) {
          a2 = xPixel;
          o2 = outPixel;
        } else if (row == 3) {
          a3 = xPixel;
          o3 = outPixel;
        } else if (row == 4) {
          a4 = xPixel;
          o4 = outPixel;
        } else if (row == 5) {
          a5 = xPixel;
          o5 = outPixel;
        }
        // Past the last pixel the pointers do not move.
        if (row + 1 < rows || (row + 1 == rows && pixel + rows < last)) {
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
        }
      }
    }
    if (size == WIDE_ROWS) {
      sixPixels(
        a0,
        a1,
        a2,
        a3,
        a4,
        a5,
        tapsY,
        nextY,
        tapsX,
        nextX,
        segmentBytes,
        panel,
        panelBytes,
        panelNextY,
        panelNextX,
        bias,
        o0,
        o1,
        o2,
        o3,
        o4,
        o5,
        addendBytes,
        isRelu,
      );
    } else {
      fourPixels(
        a0,
        a1,
        a2,
        a3,
        tapsY,
        nextY,
        tapsX,
        nextX,
        segmentBytes,
        panel,
        panelBytes,
        panelNextY,
        panelNextX,
        bias,
        o0,
        o1,
        o2,
        o3,
        addendBytes,
        isRelu,
      );
    }
  }
}
