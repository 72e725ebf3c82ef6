// Depthwise convolution of one padded sample: every channel has a kernel of its own, so vectors run
// over channels. Steps are those of conv.ts.

import { storeLanes } from './lanes';
import { mulAdd } from './math';

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
