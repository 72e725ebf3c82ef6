// Convolution of one channel with kernels of three columns and stride 1, a common first layer, in
// the wide build: register tiles of 7 pixels of a row x 8 output channels. Adjacent pixels share
// inputs, so each is read once for the three taps of a kernel row. Each output element is the same
// chain of multiply-adds as in the tiles of convRows.ts.

import { endChannels } from './convEnding';
import { PANEL_ROW_BYTES, TILE_CHANNELS } from './convTile';
import { mulAdd } from './math';

export const SLIDING_PIXELS: i32 = 7;

/** Computes rows of at least 7 outputs; the last tile of a row ends with the row. */
export function slidingRows(
  xPtr: usize,
  rowStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
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
  for (; outHeight > 0; outHeight--) {
    for (let next = 0; next < outWidth; next += SLIDING_PIXELS) {
      const column = min(next, outWidth - SLIDING_PIXELS);
      slidingTile(
        xPtr + ((<usize>column) << 2),
        tapsY,
        tapStepYBytes,
        panelsPtr,
        biasPtr,
        outPtr + <usize>column * outPixelBytes,
        outPixelBytes,
        outChannels,
        addendBytes,
        isRelu,
      );
    }
    xPtr += rowStepBytes;
    outPtr += outRowBytes;
  }
}

/** Computes all channels of the pixels of a tile. */
@inline
function slidingTile(
  x: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  b: usize,
  bias: usize,
  out: usize,
  outPixelBytes: usize,
  outChannels: i32,
  addendBytes: usize,
  isRelu: bool,
): void {
  const isPlain = !(addendBytes | usize(isRelu));
  const panelBytes = <usize>tapsY * (3 * PANEL_ROW_BYTES);
  for (let left = outChannels; left > 0; left -= TILE_CHANNELS) {
    let c00 = f32x4.splat(0),
      c01 = f32x4.splat(0);
    let c10 = f32x4.splat(0),
      c11 = f32x4.splat(0);
    let c20 = f32x4.splat(0),
      c21 = f32x4.splat(0);
    let c30 = f32x4.splat(0),
      c31 = f32x4.splat(0);
    let c40 = f32x4.splat(0),
      c41 = f32x4.splat(0);
    let c50 = f32x4.splat(0),
      c51 = f32x4.splat(0);
    let c60 = f32x4.splat(0),
      c61 = f32x4.splat(0);
    let a = x;
    const end = b + panelBytes;
    do {
      const low0 = v128.load(b);
      const high0 = v128.load(b, 16);
      const low1 = v128.load(b, 32);
      const high1 = v128.load(b, 48);
      const low2 = v128.load(b, 64);
      const high2 = v128.load(b, 80);
      const v0 = v128.load_splat<f32>(a);
      c00 = mulAdd(v0, low0, c00);
      c01 = mulAdd(v0, high0, c01);
      const v1 = v128.load_splat<f32>(a, 4);
      c10 = mulAdd(v1, low0, c10);
      c11 = mulAdd(v1, high0, c11);
      c00 = mulAdd(v1, low1, c00);
      c01 = mulAdd(v1, high1, c01);
      const v2 = v128.load_splat<f32>(a, 8);
      c20 = mulAdd(v2, low0, c20);
      c21 = mulAdd(v2, high0, c21);
      c10 = mulAdd(v2, low1, c10);
      c11 = mulAdd(v2, high1, c11);
      c00 = mulAdd(v2, low2, c00);
      c01 = mulAdd(v2, high2, c01);
      const v3 = v128.load_splat<f32>(a, 12);
      c30 = mulAdd(v3, low0, c30);
      c31 = mulAdd(v3, high0, c31);
      c20 = mulAdd(v3, low1, c20);
      c21 = mulAdd(v3, high1, c21);
      c10 = mulAdd(v3, low2, c10);
      c11 = mulAdd(v3, high2, c11);
      const v4 = v128.load_splat<f32>(a, 16);
      c40 = mulAdd(v4, low0, c40);
      c41 = mulAdd(v4, high0, c41);
      c30 = mulAdd(v4, low1, c30);
      c31 = mulAdd(v4, high1, c31);
      c20 = mulAdd(v4, low2, c20);
      c21 = mulAdd(v4, high2, c21);
      const v5 = v128.load_splat<f32>(a, 20);
      c50 = mulAdd(v5, low0, c50);
      c51 = mulAdd(v5, high0, c51);
      c40 = mulAdd(v5, low1, c40);
      c41 = mulAdd(v5, high1, c41);
      c30 = mulAdd(v5, low2, c30);
      c31 = mulAdd(v5, high2, c31);
      const v6 = v128.load_splat<f32>(a, 24);
      c60 = mulAdd(v6, low0, c60);
      c61 = mulAdd(v6, high0, c61);
      c50 = mulAdd(v6, low1, c50);
      c51 = mulAdd(v6, high1, c51);
      c40 = mulAdd(v6, low2, c40);
      c41 = mulAdd(v6, high2, c41);
      const v7 = v128.load_splat<f32>(a, 28);
      c60 = mulAdd(v7, low1, c60);
      c61 = mulAdd(v7, high1, c61);
      c50 = mulAdd(v7, low2, c50);
      c51 = mulAdd(v7, high2, c51);
      const v8 = v128.load_splat<f32>(a, 32);
      c60 = mulAdd(v8, low2, c60);
      c61 = mulAdd(v8, high2, c61);
      a += tapStepYBytes;
      b += 3 * PANEL_ROW_BYTES;
    } while (b != end);
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
      c40 = f32x4.add(c40, low);
      c41 = f32x4.add(c41, high);
      c50 = f32x4.add(c50, low);
      c51 = f32x4.add(c51, high);
      c60 = f32x4.add(c60, low);
      c61 = f32x4.add(c61, high);
      bias += PANEL_ROW_BYTES;
    }
    let o = out;
    if (isPlain && left >= TILE_CHANNELS) {
      v128.store(o, c01, 16);
      v128.store(o, c00);
      o += outPixelBytes;
      v128.store(o, c11, 16);
      v128.store(o, c10);
      o += outPixelBytes;
      v128.store(o, c21, 16);
      v128.store(o, c20);
      o += outPixelBytes;
      v128.store(o, c31, 16);
      v128.store(o, c30);
      o += outPixelBytes;
      v128.store(o, c41, 16);
      v128.store(o, c40);
      o += outPixelBytes;
      v128.store(o, c51, 16);
      v128.store(o, c50);
      o += outPixelBytes;
      v128.store(o, c61, 16);
      v128.store(o, c60);
    } else {
      endChannels(o, addendBytes, isRelu, c00, c01, left);
      o += outPixelBytes;
      endChannels(o, addendBytes, isRelu, c10, c11, left);
      o += outPixelBytes;
      endChannels(o, addendBytes, isRelu, c20, c21, left);
      o += outPixelBytes;
      endChannels(o, addendBytes, isRelu, c30, c31, left);
      o += outPixelBytes;
      endChannels(o, addendBytes, isRelu, c40, c41, left);
      o += outPixelBytes;
      endChannels(o, addendBytes, isRelu, c50, c51, left);
      o += outPixelBytes;
      endChannels(o, addendBytes, isRelu, c60, c61, left);
    }
    out += PANEL_ROW_BYTES;
  }
}
