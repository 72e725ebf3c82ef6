// Depthwise convolution of one sample: every channel has its own kernel, so vectors run over
// channels, sixteen at a time, in a plane (depthwisePlane.ts). Its rows are copied just before they
// are needed. Steps are those of conv.ts, within the plane.

import { copyToPlane, PLANE_PIXEL_BYTES } from './depthwisePlane';
import { tileOfFour, tileOfFourStride2, tileOfSeven } from './depthwiseTiles';
import { storeLanes } from './lanes';
import { mulAdd } from './math';
import { TURN_BYTES } from './turn';

export function depthwiseF32(
  xPtr: usize,
  xRowBytes: usize,
  height: i32,
  width: i32,
  channels: i32,
  planePtr: usize,
  insidePtr: usize,
  spreadRowBytes: usize,
  spreadPixelBytes: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  tapsX: i32,
  tapStepXBytes: usize,
  weightPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  outHeight: i32,
  outWidth: i32,
): void {
  const channelBytes = (<usize>channels) << 2;
  const tile = tileOf(pixelStepBytes, tapsX, tapStepXBytes, outWidth);
  for (let c: usize = 0; c < channelBytes; c += PLANE_PIXEL_BYTES) {
    const bytes = min(channelBytes - c, PLANE_PIXEL_BYTES);
    const tiled = tile ? bytes & ~(TURN_BYTES - 1) : 0;
    const bias = biasPtr ? biasPtr + c : 0;
    let from = xPtr + c;
    let to = insidePtr;
    let rowsLeft = height;
    let x = planePtr;
    let out = outPtr + c;
    for (let row = 0; row < outHeight; row++) {
      const end = x + <usize>tapsY * tapStepYBytes;
      for (; rowsLeft > 0 && to < end; rowsLeft--) {
        copyToPlane(from, channelBytes, bytes, width, to, spreadPixelBytes);
        from += xRowBytes;
        to += spreadRowBytes;
      }
      if (tile == 7) {
        sevens(x, tapStepYBytes, tapsY, weightPtr, bias, out, channelBytes, outWidth, tiled);
      } else if (pixelStepBytes == PLANE_PIXEL_BYTES) {
        fours(x, tapStepYBytes, tapsY, weightPtr, bias, out, channelBytes, outWidth, tiled);
      } else {
        foursStride2(x, tapStepYBytes, tapsY, weightPtr, bias, out, channelBytes, outWidth, tiled);
      }
      for (let at = tiled; at < bytes; at += 16) {
        pixelByPixel(
          x + at,
          pixelStepBytes,
          tapsY,
          tapStepYBytes,
          tapsX,
          tapStepXBytes,
          weightPtr + at,
          bias ? bias + at : 0,
          out + at,
          channelBytes,
          <i32>(bytes - at) >> 2,
          outWidth,
        );
      }
      x += rowStepBytes;
      out += <usize>outWidth * channelBytes;
    }
    weightPtr += <usize>(tapsY * tapsX) * PLANE_PIXEL_BYTES;
  }
}

/** The number of pixels of a tile; 0 if there is no tile for these taps. The last tile of a row
 * begins early enough to be whole, so the row length decides which tile wastes least. */
@inline
function tileOf(pixelStepBytes: usize, tapsX: i32, tapStepXBytes: usize, outWidth: i32): i32 {
  if (tapsX != 3 || tapStepXBytes != PLANE_PIXEL_BYTES || outWidth < 4) return 0;
  if (pixelStepBytes == 2 * PLANE_PIXEL_BYTES) return 4;
  if (pixelStepBytes != PLANE_PIXEL_BYTES) return 0;
  return outWidth >= 7 && ((outWidth + 6) / 7) * 7 <= ((outWidth + 3) / 4) * 4 ? 7 : 4;
}

function sevens(
  xPtr: usize,
  rowBytes: usize,
  tapsY: i32,
  weightPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  pixelBytes: usize,
  outWidth: i32,
  tiled: usize,
): void {
  for (let column = 0; column < outWidth; column += 7) {
    const first = <usize>min(column, outWidth - 7);
    const x = xPtr + first * PLANE_PIXEL_BYTES;
    const out = outPtr + first * pixelBytes;
    for (let at: usize = 0; at < tiled; at += TURN_BYTES) {
      const bias = biasPtr ? biasPtr + at : 0;
      tileOfSeven(x + at, rowBytes, tapsY, weightPtr + at, bias, out + at, pixelBytes);
    }
  }
}

function fours(
  xPtr: usize,
  rowBytes: usize,
  tapsY: i32,
  weightPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  pixelBytes: usize,
  outWidth: i32,
  tiled: usize,
): void {
  for (let column = 0; column < outWidth; column += 4) {
    const first = <usize>min(column, outWidth - 4);
    const x = xPtr + first * PLANE_PIXEL_BYTES;
    const out = outPtr + first * pixelBytes;
    for (let at: usize = 0; at < tiled; at += TURN_BYTES) {
      const bias = biasPtr ? biasPtr + at : 0;
      tileOfFour(x + at, rowBytes, tapsY, weightPtr + at, bias, out + at, pixelBytes);
    }
  }
}

function foursStride2(
  xPtr: usize,
  rowBytes: usize,
  tapsY: i32,
  weightPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  pixelBytes: usize,
  outWidth: i32,
  tiled: usize,
): void {
  for (let column = 0; column < outWidth; column += 4) {
    const first = <usize>min(column, outWidth - 4);
    const x = xPtr + first * 2 * PLANE_PIXEL_BYTES;
    const out = outPtr + first * pixelBytes;
    for (let at: usize = 0; at < tiled; at += TURN_BYTES) {
      const bias = biasPtr ? biasPtr + at : 0;
      tileOfFourStride2(x + at, rowBytes, tapsY, weightPtr + at, bias, out + at, pixelBytes);
    }
  }
}

/** Computes up to four channels of a row of pixels with any taps. */
function pixelByPixel(
  xPtr: usize,
  pixelStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  tapsX: i32,
  tapStepXBytes: usize,
  weightPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  pixelBytes: usize,
  valid: i32,
  outWidth: i32,
): void {
  for (; outWidth > 0; outWidth--, xPtr += pixelStepBytes, outPtr += pixelBytes) {
    let sum = f32x4.splat(0);
    let weight = weightPtr;
    for (let ty = 0; ty < tapsY; ty++) {
      let x = xPtr + <usize>ty * tapStepYBytes;
      for (let tx = 0; tx < tapsX; tx++) {
        sum = mulAdd(v128.load(x), v128.load(weight), sum);
        x += tapStepXBytes;
        weight += PLANE_PIXEL_BYTES;
      }
    }
    if (biasPtr) sum = f32x4.add(sum, v128.load(biasPtr));
    storeLanes(outPtr, sum, valid);
  }
}
