// Pooling to a given size over [N, H, W, C] float32, channels last: four channels at a time, bins
// in row-major order; if four does not divide the number of channels, the last ones are computed in
// a whole vector and stored partially. Formulas and conventions: abi/adaptivePool.ts.

import { high, low, narrow, storeLanes } from './lanes';
import { scaledDown, scaledUp } from './scaled';

export function adaptiveMaxPool2dF32(
  xPtr: usize,
  yPtr: usize,
  indexPtr: usize,
  countSamples: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const sampleBytes = <usize>(height * width) * pixelBytes;
  for (; countSamples > 0; countSamples--, xPtr += sampleBytes) {
    for (let oy = 0; oy < outHeight; oy++) {
      const y0 = scaledDown(oy, height, outHeight);
      const y1 = scaledUp(oy + 1, height, outHeight);
      for (let ox = 0; ox < outWidth; ox++) {
        const x0 = scaledDown(ox, width, outWidth);
        const x1 = scaledUp(ox + 1, width, outWidth);
        for (let channel = 0; channel < channels; channel += 4) {
          const at = (<usize>channel) << 2;
          let best = f32x4.splat(-Infinity);
          let where = i32x4.splat(y0 * width + x0);
          for (let y = y0; y < y1; y++) {
            for (let x = x0; x < x1; x++) {
              const pixel = y * width + x;
              const value = v128.load(xPtr + <usize>pixel * pixelBytes + at);
              // A value that is not equal to itself is NaN, and wins.
              const wins = v128.or(f32x4.gt(value, best), f32x4.ne(value, value));
              best = v128.bitselect(value, best, wins);
              where = v128.bitselect(i32x4.splat(pixel), where, wins);
            }
          }
          storeLanes(yPtr + at, best, channels - channel);
          storeLanes(indexPtr + at, where, channels - channel);
        }
        yPtr += pixelBytes;
        indexPtr += pixelBytes;
      }
    }
  }
}

export function adaptiveAvgPool2dF32(
  xPtr: usize,
  yPtr: usize,
  countSamples: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const sampleBytes = <usize>(height * width) * pixelBytes;
  for (; countSamples > 0; countSamples--, xPtr += sampleBytes) {
    for (let oy = 0; oy < outHeight; oy++) {
      const y0 = scaledDown(oy, height, outHeight);
      const y1 = scaledUp(oy + 1, height, outHeight);
      for (let ox = 0; ox < outWidth; ox++, yPtr += pixelBytes) {
        const x0 = scaledDown(ox, width, outWidth);
        const x1 = scaledUp(ox + 1, width, outWidth);
        const divisor = f64x2.splat(<f64>((y1 - y0) * (x1 - x0)));
        for (let channel = 0; channel < channels; channel += 4) {
          const at = (<usize>channel) << 2;
          let sumLow = f64x2.splat(0);
          let sumHigh = f64x2.splat(0);
          for (let y = y0; y < y1; y++) {
            for (let x = x0; x < x1; x++) {
              const value = v128.load(xPtr + <usize>(y * width + x) * pixelBytes + at);
              sumLow = f64x2.add(sumLow, low(value));
              sumHigh = f64x2.add(sumHigh, high(value));
            }
          }
          const mean = narrow(f64x2.div(sumLow, divisor), f64x2.div(sumHigh, divisor));
          storeLanes(yPtr + at, mean, channels - channel);
        }
      }
    }
  }
}

export function adaptiveAvgPool2dGradF32(
  dyPtr: usize,
  dxPtr: usize,
  countSamples: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const sampleBytes = <usize>(outHeight * outWidth) * pixelBytes;
  for (; countSamples > 0; countSamples--, dyPtr += sampleBytes) {
    for (let y = 0; y < height; y++) {
      // The bins that contain a position follow from the same formula with the sizes exchanged.
      const oy0 = scaledDown(y, outHeight, height);
      const oy1 = scaledUp(y + 1, outHeight, height);
      for (let x = 0; x < width; x++, dxPtr += pixelBytes) {
        const ox0 = scaledDown(x, outWidth, width);
        const ox1 = scaledUp(x + 1, outWidth, width);
        for (let channel = 0; channel < channels; channel += 4) {
          const at = (<usize>channel) << 2;
          let sumLow = f64x2.splat(0);
          let sumHigh = f64x2.splat(0);
          for (let oy = oy0; oy < oy1; oy++) {
            const rows = binSize(oy, height, outHeight);
            for (let ox = ox0; ox < ox1; ox++) {
              const divisor = f64x2.splat(<f64>(rows * binSize(ox, width, outWidth)));
              const dy = v128.load(dyPtr + <usize>(oy * outWidth + ox) * pixelBytes + at);
              sumLow = f64x2.add(sumLow, f64x2.div(low(dy), divisor));
              sumHigh = f64x2.add(sumHigh, f64x2.div(high(dy), divisor));
            }
          }
          storeLanes(dxPtr + at, narrow(sumLow, sumHigh), channels - channel);
        }
      }
    }
  }
}

/** The number of positions of a bin along an axis. */
@inline
function binSize(out: i32, size: i32, outSize: i32): i32 {
  return scaledUp(out + 1, size, outSize) - scaledDown(out, size, outSize);
}
