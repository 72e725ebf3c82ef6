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

/** Four channels of a tile of pixels side by side, three taps a row: each value is read once for the
 * three pixels that take it, in the order of taps that single pixels have. */
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

export function depthwiseWeightGradF32(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  tapsX: i32,
  tapStepXBytes: usize,
  channels: i32,
  dyPtr: usize,
  outHeight: i32,
  outWidth: i32,
  gradPtr: usize,
  accumulate: i32,
): void {
  const channelBytes = (<usize>channels) << 2;
  const isThree = tapsY == 3 && tapsX == 3;
  let at: usize = 0;
  if (isThree) {
    if (IS_WIDE) {
      for (; at + 32 <= channelBytes; at += 32) {
        gradOfEight(
          xPtr + at,
          rowStepBytes,
          pixelStepBytes,
          tapStepYBytes,
          tapStepXBytes,
          channelBytes,
          dyPtr + at,
          outHeight,
          outWidth,
          gradPtr + at,
          accumulate,
        );
      }
    }
    for (; at < channelBytes; at += 16) {
      gradOfFour(
        xPtr + at,
        rowStepBytes,
        pixelStepBytes,
        tapStepYBytes,
        tapStepXBytes,
        channelBytes,
        dyPtr + at,
        outHeight,
        outWidth,
        gradPtr + at,
        accumulate,
        <i32>(channelBytes - at) >> 2,
      );
    }
    return;
  }
  for (let ty = 0; ty < tapsY; ty++) {
    for (let tx = 0; tx < tapsX; tx++) {
      const tapPtr = xPtr + <usize>ty * tapStepYBytes + <usize>tx * tapStepXBytes;
      for (let channel = 0; channel < channels; channel += 4) {
        const at = (<usize>channel) << 2;
        const valid = channels - channel;
        let sum = f32x4.splat(0);
        let dy = dyPtr + at;
        for (let row = 0; row < outHeight; row++) {
          let x = tapPtr + <usize>row * rowStepBytes + at;
          for (let column = 0; column < outWidth; column++) {
            sum = mulAdd(v128.load(x), v128.load(dy), sum);
            x += pixelStepBytes;
            dy += channelBytes;
          }
        }
        if (accumulate) sum = f32x4.add(v128.load(gradPtr + at), sum);
        storeLanes(gradPtr + at, sum, valid);
      }
      gradPtr += channelBytes;
    }
  }
}

@inline
function storeGrad(ptr: usize, sum: v128, accumulate: i32, valid: i32): void {
  storeLanes(ptr, accumulate ? f32x4.add(v128.load(ptr), sum) : sum, valid);
}

@inline
function storeGradPair(ptr: usize, sum: v128, next: v128, accumulate: i32): void {
  if (accumulate) {
    sum = f32x4.add(v128.load(ptr), sum);
    next = f32x4.add(v128.load(ptr, 16), next);
  }
  v128.store(ptr, sum);
  v128.store(ptr, next, 16);
}

/** The gradient of four channels' three by three taps, in one walk over all pixels. */
@inline
function gradOfFour(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapStepYBytes: usize,
  tapStepXBytes: usize,
  channelBytes: usize,
  dyPtr: usize,
  outHeight: i32,
  outWidth: i32,
  gradPtr: usize,
  accumulate: i32,
  valid: i32,
): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let s4 = f32x4.splat(0);
  let s5 = f32x4.splat(0);
  let s6 = f32x4.splat(0);
  let s7 = f32x4.splat(0);
  let s8 = f32x4.splat(0);
  for (let row = 0; row < outHeight; row++) {
    let x0 = xPtr + <usize>row * rowStepBytes;
    for (let column = 0; column < outWidth; column++) {
      const x1 = x0 + tapStepXBytes;
      const x2 = x1 + tapStepXBytes;
      const dy = v128.load(dyPtr);
      s0 = mulAdd(v128.load(x0), dy, s0);
      s1 = mulAdd(v128.load(x1), dy, s1);
      s2 = mulAdd(v128.load(x2), dy, s2);
      s3 = mulAdd(v128.load(x0 + tapStepYBytes), dy, s3);
      s4 = mulAdd(v128.load(x1 + tapStepYBytes), dy, s4);
      s5 = mulAdd(v128.load(x2 + tapStepYBytes), dy, s5);
      s6 = mulAdd(v128.load(x0 + 2 * tapStepYBytes), dy, s6);
      s7 = mulAdd(v128.load(x1 + 2 * tapStepYBytes), dy, s7);
      s8 = mulAdd(v128.load(x2 + 2 * tapStepYBytes), dy, s8);
      x0 += pixelStepBytes;
      dyPtr += channelBytes;
    }
  }
  storeGrad(gradPtr, s0, accumulate, valid);
  gradPtr += channelBytes;
  storeGrad(gradPtr, s1, accumulate, valid);
  gradPtr += channelBytes;
  storeGrad(gradPtr, s2, accumulate, valid);
  gradPtr += channelBytes;
  storeGrad(gradPtr, s3, accumulate, valid);
  gradPtr += channelBytes;
  storeGrad(gradPtr, s4, accumulate, valid);
  gradPtr += channelBytes;
  storeGrad(gradPtr, s5, accumulate, valid);
  gradPtr += channelBytes;
  storeGrad(gradPtr, s6, accumulate, valid);
  gradPtr += channelBytes;
  storeGrad(gradPtr, s7, accumulate, valid);
  gradPtr += channelBytes;
  storeGrad(gradPtr, s8, accumulate, valid);
}

/** {@link gradOfFour} of eight channels. */
@inline
function gradOfEight(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapStepYBytes: usize,
  tapStepXBytes: usize,
  channelBytes: usize,
  dyPtr: usize,
  outHeight: i32,
  outWidth: i32,
  gradPtr: usize,
  accumulate: i32,
): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let s4 = f32x4.splat(0);
  let s5 = f32x4.splat(0);
  let s6 = f32x4.splat(0);
  let s7 = f32x4.splat(0);
  let s8 = f32x4.splat(0);
  let t0 = f32x4.splat(0);
  let t1 = f32x4.splat(0);
  let t2 = f32x4.splat(0);
  let t3 = f32x4.splat(0);
  let t4 = f32x4.splat(0);
  let t5 = f32x4.splat(0);
  let t6 = f32x4.splat(0);
  let t7 = f32x4.splat(0);
  let t8 = f32x4.splat(0);
  for (let row = 0; row < outHeight; row++) {
    let x0 = xPtr + <usize>row * rowStepBytes;
    for (let column = 0; column < outWidth; column++) {
      const x1 = x0 + tapStepXBytes;
      const x2 = x1 + tapStepXBytes;
      const dy = v128.load(dyPtr);
      const next = v128.load(dyPtr, 16);
      s0 = mulAdd(v128.load(x0), dy, s0);
      t0 = mulAdd(v128.load(x0, 16), next, t0);
      s1 = mulAdd(v128.load(x1), dy, s1);
      t1 = mulAdd(v128.load(x1, 16), next, t1);
      s2 = mulAdd(v128.load(x2), dy, s2);
      t2 = mulAdd(v128.load(x2, 16), next, t2);
      s3 = mulAdd(v128.load(x0 + tapStepYBytes), dy, s3);
      t3 = mulAdd(v128.load(x0 + tapStepYBytes, 16), next, t3);
      s4 = mulAdd(v128.load(x1 + tapStepYBytes), dy, s4);
      t4 = mulAdd(v128.load(x1 + tapStepYBytes, 16), next, t4);
      s5 = mulAdd(v128.load(x2 + tapStepYBytes), dy, s5);
      t5 = mulAdd(v128.load(x2 + tapStepYBytes, 16), next, t5);
      s6 = mulAdd(v128.load(x0 + 2 * tapStepYBytes), dy, s6);
      t6 = mulAdd(v128.load(x0 + 2 * tapStepYBytes, 16), next, t6);
      s7 = mulAdd(v128.load(x1 + 2 * tapStepYBytes), dy, s7);
      t7 = mulAdd(v128.load(x1 + 2 * tapStepYBytes, 16), next, t7);
      s8 = mulAdd(v128.load(x2 + 2 * tapStepYBytes), dy, s8);
      t8 = mulAdd(v128.load(x2 + 2 * tapStepYBytes, 16), next, t8);
      x0 += pixelStepBytes;
      dyPtr += channelBytes;
    }
  }
  storeGradPair(gradPtr, s0, t0, accumulate);
  gradPtr += channelBytes;
  storeGradPair(gradPtr, s1, t1, accumulate);
  gradPtr += channelBytes;
  storeGradPair(gradPtr, s2, t2, accumulate);
  gradPtr += channelBytes;
  storeGradPair(gradPtr, s3, t3, accumulate);
  gradPtr += channelBytes;
  storeGradPair(gradPtr, s4, t4, accumulate);
  gradPtr += channelBytes;
  storeGradPair(gradPtr, s5, t5, accumulate);
  gradPtr += channelBytes;
  storeGradPair(gradPtr, s6, t6, accumulate);
  gradPtr += channelBytes;
  storeGradPair(gradPtr, s7, t7, accumulate);
  gradPtr += channelBytes;
  storeGradPair(gradPtr, s8, t8, accumulate);
}
