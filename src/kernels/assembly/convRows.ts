// Convolution with packed weights that fit into the L1 cache: for each tile of 4 pixels of one row,
// all panels of 8 channels. The last tile of a row ends with the row and recomputes up to 3 pixels,
// with the same bits. Few values are live around the inner loop, because first layers have only 9
// or 27 products per output, so every address spilled to the stack is noticeable.

import { IS_WIDE } from './build';
import { endChannels } from './convEnding';
import { SLIDING_PIXELS, slidingRows } from './convSliding';
import { PANEL_ROW_BYTES, splat, storeChannels, TILE_CHANNELS, TILE_PIXELS } from './convTile';
import { mulAdd } from './math';

/** Floats of packed weights, 24 KB: with the pixels of a tile they fit into 32 KB. */
const MAX_WEIGHTS: i32 = 6144;
/** Up to this number, less overhead per tile outweighs the pixels that are computed twice if a row
 * is not a multiple of tiles. */
const SHORT_TAPS: i32 = 64;

/** Whether {@link convRows} supports the shape: a kernel row is one segment, and the weights
 * fit. */
@inline
export function fitsRows(tapsX: i32, taps: i32, outChannels: i32, outWidth: i32): bool {
  return (
    tapsX == 1 &&
    taps > 0 &&
    taps * outChannels <= MAX_WEIGHTS &&
    outWidth >= TILE_PIXELS &&
    (outWidth % TILE_PIXELS == 0 || taps <= SHORT_TAPS)
  );
}

/** convTilesF32 for shapes with {@link fitsRows}. */
export function convRows(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
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
  if (IS_WIDE && segmentLength == 3 && pixelStepBytes == 4 && outWidth >= SLIDING_PIXELS) {
    slidingRows(
      xPtr,
      rowStepBytes,
      tapsY,
      tapStepYBytes,
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
  } else if (segmentLength == 3) {
    inRows(
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
      true,
      true,
    );
  } else if (segmentLength % 3 == 0) {
    inRows(
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
      true,
      false,
    );
  } else {
    inRows(
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
      false,
      false,
    );
  }
}

/** `byThree`: each iteration adds three terms of a segment; `oneTurn`: a segment takes one
 * iteration. Both are constants after inlining. */
@inline
function inRows(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
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
  byThree: bool,
  oneTurn: bool,
): void {
  const segmentBytes = <usize>segmentLength * PANEL_ROW_BYTES;
  const panelBytes = segmentBytes * tapsY;
  const nextY = tapStepYBytes - ((<usize>segmentLength) << 2);
  const turnBytes: usize = byThree ? 12 : 4;
  for (let row = 0; row < outHeight; row++) {
    for (let next = 0; next < outWidth; next += TILE_PIXELS) {
      const column = min(next, outWidth - TILE_PIXELS);
      const x = xPtr + <usize>column * pixelStepBytes;
      let out = outPtr + <usize>column * outPixelBytes;
      let b = panelsPtr;
      let bias = biasPtr;
      for (let left = outChannels; left > 0; left -= TILE_CHANNELS) {
        let c00 = f32x4.splat(0),
          c01 = f32x4.splat(0);
        let c10 = f32x4.splat(0),
          c11 = f32x4.splat(0);
        let c20 = f32x4.splat(0),
          c21 = f32x4.splat(0);
        let c30 = f32x4.splat(0),
          c31 = f32x4.splat(0);
        let a0 = x;
        let a1 = a0 + pixelStepBytes;
        let a2 = a1 + pixelStepBytes;
        let a3 = a2 + pixelStepBytes;
        const panelEnd = b + panelBytes;
        do {
          const segmentEnd = b + segmentBytes;
          do {
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
            if (byThree) {
              // See SCHEDULING in convPanel.ts.
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
            }
            b += byThree ? 3 * PANEL_ROW_BYTES : PANEL_ROW_BYTES;
            a0 += oneTurn ? tapStepYBytes : turnBytes;
            a1 += oneTurn ? tapStepYBytes : turnBytes;
            a2 += oneTurn ? tapStepYBytes : turnBytes;
            a3 += oneTurn ? tapStepYBytes : turnBytes;
          } while (!oneTurn && b != segmentEnd);
          if (!oneTurn) {
            a0 += nextY;
            a1 += nextY;
            a2 += nextY;
            a3 += nextY;
          }
        } while (b != panelEnd);
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
          bias += PANEL_ROW_BYTES;
        }
        let o = out;
        if (addendBytes | usize(isRelu)) {
          endChannels(o, addendBytes, isRelu, c00, c01, left);
          o += outPixelBytes;
          endChannels(o, addendBytes, isRelu, c10, c11, left);
          o += outPixelBytes;
          endChannels(o, addendBytes, isRelu, c20, c21, left);
          o += outPixelBytes;
          endChannels(o, addendBytes, isRelu, c30, c31, left);
        } else if (left >= TILE_CHANNELS) {
          v128.store(o, c00);
          v128.store(o, c01, 16);
          o += outPixelBytes;
          v128.store(o, c10);
          v128.store(o, c11, 16);
          o += outPixelBytes;
          v128.store(o, c20);
          v128.store(o, c21, 16);
          o += outPixelBytes;
          v128.store(o, c30);
          v128.store(o, c31, 16);
        } else {
          storeChannels(o, c00, c01, left);
          o += outPixelBytes;
          storeChannels(o, c10, c11, left);
          o += outPixelBytes;
          storeChannels(o, c20, c21, left);
          o += outPixelBytes;
          storeChannels(o, c30, c31, left);
        }
        out += PANEL_ROW_BYTES;
      }
    }
    xPtr += rowStepBytes;
    outPtr += outRowBytes;
  }
}
