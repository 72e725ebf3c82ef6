// Depthwise convolution of one padded sample: every channel has a kernel of its own, so vectors run
// over channels. Steps are those of conv.ts.

import { IS_WIDE } from './build';
import { storeLanes } from './lanes';
import { mulAdd } from './math';

/** Pixels side by side whose sums are in registers at a time. */
const TILE_PIXELS: i32 = 4;

export function depthwiseF32(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  tapsX: i32,
  tapStepXBytes: usize,
  channels: i32,
  weightPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  outHeight: i32,
  outWidth: i32,
): void {
  const channelBytes = (<usize>channels) << 2;
  const isDense = tapsX == 3 && tapStepXBytes == channelBytes && pixelStepBytes == channelBytes;
  if (isDense && outWidth >= TILE_PIXELS) {
    for (let row = 0; row < outHeight; row++) {
      const xRow = xPtr + <usize>row * rowStepBytes;
      tileRow(xRow, tapsY, tapStepYBytes, channelBytes, weightPtr, biasPtr, outPtr, outWidth);
      outPtr += <usize>outWidth * channelBytes;
    }
    return;
  }
  for (let row = 0; row < outHeight; row++) {
    let xPixel = xPtr + <usize>row * rowStepBytes;
    for (let column = 0; column < outWidth; column++) {
      for (let channel = 0; channel < channels; channel += 4) {
        const at = (<usize>channel) << 2;
        let sum = f32x4.splat(0);
        let weight = weightPtr + at;
        for (let ty = 0; ty < tapsY; ty++) {
          let x = xPixel + <usize>ty * tapStepYBytes + at;
          for (let tx = 0; tx < tapsX; tx++) {
            sum = mulAdd(v128.load(x), v128.load(weight), sum);
            x += tapStepXBytes;
            weight += channelBytes;
          }
        }
        if (biasPtr) sum = f32x4.add(sum, v128.load(biasPtr + at));
        storeLanes(outPtr + at, sum, channels - channel);
      }
      xPixel += pixelStepBytes;
      outPtr += channelBytes;
    }
  }
}

/** A row of pixels side by side, in tiles; the last tile begins early enough to be whole. */
@inline
function tileRow(
  xPtr: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  pixelBytes: usize,
  weightPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  outWidth: i32,
): void {
  for (let column = 0; column < outWidth; column += TILE_PIXELS) {
    const first = <usize>min(column, outWidth - TILE_PIXELS) * pixelBytes;
    let at: usize = 0;
    if (IS_WIDE) {
      for (; at + 32 <= pixelBytes; at += 32) {
        const x = xPtr + first + at;
        const bias = biasPtr ? biasPtr + at : 0;
        const out = outPtr + first + at;
        tileOfEight(x, tapsY, tapStepYBytes, pixelBytes, weightPtr + at, bias, out);
      }
    }
    for (; at < pixelBytes; at += 16) {
      const x = xPtr + first + at;
      const bias = biasPtr ? biasPtr + at : 0;
      const out = outPtr + first + at;
      const valid = <i32>(pixelBytes - at) >> 2;
      tileOfFour(x, tapsY, tapStepYBytes, pixelBytes, weightPtr + at, bias, out, valid);
    }
  }
}

/** Four channels of a tile of pixels side by side, three taps a row: each value is read once for
 * the three pixels that take it, in the order of taps that single pixels have. */
@inline
function tileOfFour(
  xPtr: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  pixelBytes: usize,
  weightPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  valid: i32,
): void {
  let sum0 = f32x4.splat(0);
  let sum1 = f32x4.splat(0);
  let sum2 = f32x4.splat(0);
  let sum3 = f32x4.splat(0);
  for (; tapsY > 0; tapsY--, xPtr += tapStepYBytes) {
    const w0 = v128.load(weightPtr);
    weightPtr += pixelBytes;
    const w1 = v128.load(weightPtr);
    weightPtr += pixelBytes;
    const w2 = v128.load(weightPtr);
    weightPtr += pixelBytes;
    let at = xPtr;
    let x = v128.load(at);
    sum0 = mulAdd(x, w0, sum0);
    at += pixelBytes;
    x = v128.load(at);
    sum0 = mulAdd(x, w1, sum0);
    sum1 = mulAdd(x, w0, sum1);
    at += pixelBytes;
    x = v128.load(at);
    sum0 = mulAdd(x, w2, sum0);
    sum1 = mulAdd(x, w1, sum1);
    sum2 = mulAdd(x, w0, sum2);
    at += pixelBytes;
    x = v128.load(at);
    sum1 = mulAdd(x, w2, sum1);
    sum2 = mulAdd(x, w1, sum2);
    sum3 = mulAdd(x, w0, sum3);
    at += pixelBytes;
    x = v128.load(at);
    sum2 = mulAdd(x, w2, sum2);
    sum3 = mulAdd(x, w1, sum3);
    at += pixelBytes;
    x = v128.load(at);
    sum3 = mulAdd(x, w2, sum3);
  }
  if (biasPtr) {
    const bias = v128.load(biasPtr);
    sum0 = f32x4.add(sum0, bias);
    sum1 = f32x4.add(sum1, bias);
    sum2 = f32x4.add(sum2, bias);
    sum3 = f32x4.add(sum3, bias);
  }
  storeLanes(outPtr, sum0, valid);
  outPtr += pixelBytes;
  storeLanes(outPtr, sum1, valid);
  outPtr += pixelBytes;
  storeLanes(outPtr, sum2, valid);
  outPtr += pixelBytes;
  storeLanes(outPtr, sum3, valid);
}

/** {@link tileOfFour} of eight channels. */
@inline
function tileOfEight(
  xPtr: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  pixelBytes: usize,
  weightPtr: usize,
  biasPtr: usize,
  outPtr: usize,
): void {
  let sum0 = f32x4.splat(0);
  let more0 = f32x4.splat(0);
  let sum1 = f32x4.splat(0);
  let more1 = f32x4.splat(0);
  let sum2 = f32x4.splat(0);
  let more2 = f32x4.splat(0);
  let sum3 = f32x4.splat(0);
  let more3 = f32x4.splat(0);
  for (; tapsY > 0; tapsY--, xPtr += tapStepYBytes) {
    const w0 = v128.load(weightPtr);
    const v0 = v128.load(weightPtr, 16);
    weightPtr += pixelBytes;
    const w1 = v128.load(weightPtr);
    const v1 = v128.load(weightPtr, 16);
    weightPtr += pixelBytes;
    const w2 = v128.load(weightPtr);
    const v2 = v128.load(weightPtr, 16);
    weightPtr += pixelBytes;
    let at = xPtr;
    let x = v128.load(at);
    let z = v128.load(at, 16);
    sum0 = mulAdd(x, w0, sum0);
    more0 = mulAdd(z, v0, more0);
    at += pixelBytes;
    x = v128.load(at);
    z = v128.load(at, 16);
    sum0 = mulAdd(x, w1, sum0);
    more0 = mulAdd(z, v1, more0);
    sum1 = mulAdd(x, w0, sum1);
    more1 = mulAdd(z, v0, more1);
    at += pixelBytes;
    x = v128.load(at);
    z = v128.load(at, 16);
    sum0 = mulAdd(x, w2, sum0);
    more0 = mulAdd(z, v2, more0);
    sum1 = mulAdd(x, w1, sum1);
    more1 = mulAdd(z, v1, more1);
    sum2 = mulAdd(x, w0, sum2);
    more2 = mulAdd(z, v0, more2);
    at += pixelBytes;
    x = v128.load(at);
    z = v128.load(at, 16);
    sum1 = mulAdd(x, w2, sum1);
    more1 = mulAdd(z, v2, more1);
    sum2 = mulAdd(x, w1, sum2);
    more2 = mulAdd(z, v1, more2);
    sum3 = mulAdd(x, w0, sum3);
    more3 = mulAdd(z, v0, more3);
    at += pixelBytes;
    x = v128.load(at);
    z = v128.load(at, 16);
    sum2 = mulAdd(x, w2, sum2);
    more2 = mulAdd(z, v2, more2);
    sum3 = mulAdd(x, w1, sum3);
    more3 = mulAdd(z, v1, more3);
    at += pixelBytes;
    x = v128.load(at);
    z = v128.load(at, 16);
    sum3 = mulAdd(x, w2, sum3);
    more3 = mulAdd(z, v2, more3);
  }
  if (biasPtr) {
    const bias = v128.load(biasPtr);
    const next = v128.load(biasPtr, 16);
    sum0 = f32x4.add(sum0, bias);
    more0 = f32x4.add(more0, next);
    sum1 = f32x4.add(sum1, bias);
    more1 = f32x4.add(more1, next);
    sum2 = f32x4.add(sum2, bias);
    more2 = f32x4.add(more2, next);
    sum3 = f32x4.add(sum3, bias);
    more3 = f32x4.add(more3, next);
  }
  v128.store(outPtr, sum0);
  v128.store(outPtr, more0, 16);
  outPtr += pixelBytes;
  v128.store(outPtr, sum1);
  v128.store(outPtr, more1, 16);
  outPtr += pixelBytes;
  v128.store(outPtr, sum2);
  v128.store(outPtr, more2, 16);
  outPtr += pixelBytes;
  v128.store(outPtr, sum3);
  v128.store(outPtr, more3, 16);
}

export function depthwiseInputGradF32(
  dxPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  tapsX: i32,
  tapStepXBytes: usize,
  channels: i32,
  weightPtr: usize,
  dyPtr: usize,
  outHeight: i32,
  outWidth: i32,
): void {
  const channelBytes = (<usize>channels) << 2;
  for (let row = 0; row < outHeight; row++) {
    let dxPixel = dxPtr + <usize>row * rowStepBytes;
    for (let column = 0; column < outWidth; column++) {
      for (let channel = 0; channel < channels; channel += 4) {
        const at = (<usize>channel) << 2;
        const dy = v128.load(dyPtr + at);
        const valid = channels - channel;
        let weight = weightPtr + at;
        for (let ty = 0; ty < tapsY; ty++) {
          let dx = dxPixel + <usize>ty * tapStepYBytes + at;
          for (let tx = 0; tx < tapsX; tx++) {
            const sum = mulAdd(dy, v128.load(weight), v128.load(dx));
            storeLanes(dx, sum, valid);
            dx += tapStepXBytes;
            weight += channelBytes;
          }
        }
      }
      dxPixel += pixelStepBytes;
      dyPtr += channelBytes;
    }
  }
}
