// Convolution as an implicit matrix product: no im2col copy. One sample at a time, already padded,
// so that every tap of every output pixel is inside the buffer. A register tile covers 4 pixels x 8
// output channels. Each output element is ONE chain of multiply-adds in tap order, regardless of
// its position in a tile. The weight gradient is in convWeightGrad.ts, small kernels are in
// convRows.ts.

import { IS_WIDE } from './build';
import { panelTile } from './convPanel';
import { convRows, fitsRows } from './convRows';
import { PANEL_ROW_BYTES, TILE_CHANNELS, TILE_PIXELS } from './convTile';
import { WIDE_CHANNELS, WIDE_TAPS, wideBand } from './convWide';

/** Pixels that are computed for all panels before the next ones, so that their inputs stay in the
 * L2 cache while the panels are read. */
const BAND_PIXELS: i32 = IS_WIDE ? 36 : 32;

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
  addendBytes: usize,
  isRelu: bool,
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
      addendBytes,
      isRelu,
    );
    return;
  }
  convolve(
    xPtr,
    rowStepBytes,
    pixelStepBytes,
    tapsY,
    tapStepYBytes,
    tapsX,
    tapStepXBytes,
    segmentLength,
    panelsPtr,
    <usize>taps * PANEL_ROW_BYTES,
    0,
    0,
    biasPtr,
    outPtr,
    outRowBytes,
    outPixelBytes,
    outHeight,
    outWidth,
    outChannels,
    addendBytes,
    isRelu,
  );
}

export function convSomeTapsF32(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  tapsX: i32,
  tapStepXBytes: usize,
  segmentLength: i32,
  panelsPtr: usize,
  panelBytes: usize,
  panelStepYBytes: usize,
  panelStepXBytes: usize,
  biasPtr: usize,
  outPtr: usize,
  outRowBytes: usize,
  outPixelBytes: usize,
  outHeight: i32,
  outWidth: i32,
  outChannels: i32,
): void {
  convolve(
    xPtr,
    rowStepBytes,
    pixelStepBytes,
    tapsY,
    tapStepYBytes,
    tapsX,
    tapStepXBytes,
    segmentLength,
    panelsPtr,
    panelBytes,
    panelStepYBytes - <usize>tapsX * panelStepXBytes,
    panelStepXBytes - <usize>segmentLength * PANEL_ROW_BYTES,
    biasPtr,
    outPtr,
    outRowBytes,
    outPixelBytes,
    outHeight,
    outWidth,
    outChannels,
    0,
    false,
  );
}

/** `panelNextY` and `panelNextX`: bytes of a panel to skip after a row of taps and after a tap. */
function convolve(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  tapsX: i32,
  tapStepXBytes: usize,
  segmentLength: i32,
  panelsPtr: usize,
  panelBytes: usize,
  panelNextY: usize,
  panelNextX: usize,
  biasPtr: usize,
  outPtr: usize,
  outRowBytes: usize,
  outPixelBytes: usize,
  outHeight: i32,
  outWidth: i32,
  outChannels: i32,
  addendBytes: usize,
  isRelu: bool,
): void {
  const pixels = outHeight * outWidth;
  const segmentBytes = (<usize>segmentLength) << 2;
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
      if (isWide) {
        wideBand(
          xPtr,
          rowStepBytes,
          pixelStepBytes,
          tapsY,
          nextY,
          tapsX,
          nextX,
          segmentLength,
          panel,
          panelBytes,
          panelNextY,
          panelNextX,
          bias,
          outPtr + ((<usize>channel) << 2),
          outRowBytes,
          outPixelBytes,
          outWidth,
          first,
          last,
          addendBytes,
          isRelu,
        );
        panel += panelBytes << 1;
        continue;
      }
      let column = firstColumn;
      let xRow = xPtr + <usize>firstRow * rowStepBytes;
      let outRow = outPtr + <usize>firstRow * outRowBytes + ((<usize>channel) << 2);
      let xPixel = xRow + <usize>column * pixelStepBytes;
      let outPixel = outRow + <usize>column * outPixelBytes;
      for (let pixel = first; pixel < last; pixel += TILE_PIXELS) {
        // Rows of the tile past the last pixel repeat it and are not stored.
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
          panelNextY,
          panelNextX,
          bias,
          channels,
          o0,
          o1,
          o2,
          o3,
          addendBytes,
          isRelu,
        );
      }
      panel += panelBytes;
    }
  }
}
