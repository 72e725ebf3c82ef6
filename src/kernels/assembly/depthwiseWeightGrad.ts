// The weight gradient of a depthwise convolution of one padded sample. Steps are those of conv.ts.

import { IS_WIDE } from './build';
import { storeLanes } from './lanes';
import { mulAdd } from './math';

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
