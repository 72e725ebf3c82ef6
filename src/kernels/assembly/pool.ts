// Pooling over [N, H, W, C] float32, channels last: four channels at a time, windows in row-major
// order. If four does not divide the number of channels, the last ones are computed in a whole
// vector and stored partially. Averages are summed in float64 and rounded once. Formulas and
// conventions: abi/pool.ts.

import { high, low, narrow, storeLanes } from './lanes';

export function maxPool2dF32(
  xPtr: usize,
  yPtr: usize,
  indexPtr: usize,
  countSamples: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  kernelHeight: i32,
  kernelWidth: i32,
  strideHeight: i32,
  strideWidth: i32,
  paddingHeight: i32,
  paddingWidth: i32,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const sampleBytes = <usize>(height * width) * pixelBytes;
  for (; countSamples > 0; countSamples--, xPtr += sampleBytes) {
    for (let oy = 0; oy < outHeight; oy++) {
      const top = oy * strideHeight - paddingHeight;
      const y0 = max(top, 0);
      const y1 = min(top + kernelHeight, height);
      for (let ox = 0; ox < outWidth; ox++) {
        const left = ox * strideWidth - paddingWidth;
        const x0 = max(left, 0);
        const x1 = min(left + kernelWidth, width);
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

export function maxPool2dGradF32(
  dyPtr: usize,
  indexPtr: usize,
  dxPtr: usize,
  countSamples: i32,
  inPixels: i32,
  outPixels: i32,
  channels: i32,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const sampleBytes = <usize>inPixels * pixelBytes;
  memory.fill(dxPtr, 0, <usize>countSamples * sampleBytes);
  for (; countSamples > 0; countSamples--, dxPtr += sampleBytes) {
    for (let pixel = 0; pixel < outPixels; pixel++) {
      let dx = dxPtr;
      for (let channel = 0; channel < channels; channel++) {
        const target = dx + <usize>i32.load(indexPtr) * pixelBytes;
        f32.store(target, f32.load(target) + f32.load(dyPtr));
        dyPtr += 4;
        indexPtr += 4;
        dx += 4;
      }
    }
  }
}

export function avgPool2dF32(
  xPtr: usize,
  yPtr: usize,
  countSamples: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  kernelHeight: i32,
  kernelWidth: i32,
  strideHeight: i32,
  strideWidth: i32,
  paddingHeight: i32,
  paddingWidth: i32,
  countIncludePad: i32,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const sampleBytes = <usize>(height * width) * pixelBytes;
  for (; countSamples > 0; countSamples--, xPtr += sampleBytes) {
    for (let oy = 0; oy < outHeight; oy++) {
      const top = oy * strideHeight - paddingHeight;
      const y0 = max(top, 0);
      const y1 = min(top + kernelHeight, height);
      for (let ox = 0; ox < outWidth; ox++) {
        const left = ox * strideWidth - paddingWidth;
        const x0 = max(left, 0);
        const x1 = min(left + kernelWidth, width);
        const area = countIncludePad ? kernelHeight * kernelWidth : (y1 - y0) * (x1 - x0);
        const divisor = f64x2.splat(<f64>area);
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
        yPtr += pixelBytes;
      }
    }
  }
}

/** The first output position with a window that reaches input position `at` of an axis. */
@inline
function firstWindow(at: i32, kernel: i32, stride: i32, padding: i32): i32 {
  const past = at + padding - kernel;
  return past < 0 ? 0 : past / stride + 1;
}

/** The number of positions of window `out` inside an axis of `size`. */
@inline
function windowSize(out: i32, size: i32, kernel: i32, stride: i32, padding: i32): i32 {
  const start = out * stride - padding;
  return min(start + kernel, size) - max(start, 0);
}

export function avgPool2dGradF32(
  dyPtr: usize,
  dxPtr: usize,
  countSamples: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  kernelHeight: i32,
  kernelWidth: i32,
  strideHeight: i32,
  strideWidth: i32,
  paddingHeight: i32,
  paddingWidth: i32,
  countIncludePad: i32,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const sampleBytes = <usize>(outHeight * outWidth) * pixelBytes;
  for (; countSamples > 0; countSamples--, dyPtr += sampleBytes) {
    for (let y = 0; y < height; y++) {
      const oy0 = firstWindow(y, kernelHeight, strideHeight, paddingHeight);
      const oy1 = min((y + paddingHeight) / strideHeight + 1, outHeight);
      for (let x = 0; x < width; x++) {
        const ox0 = firstWindow(x, kernelWidth, strideWidth, paddingWidth);
        const ox1 = min((x + paddingWidth) / strideWidth + 1, outWidth);
        for (let channel = 0; channel < channels; channel += 4) {
          const at = (<usize>channel) << 2;
          let sumLow = f64x2.splat(0);
          let sumHigh = f64x2.splat(0);
          for (let oy = oy0; oy < oy1; oy++) {
            const rows = countIncludePad
              ? kernelHeight
              : windowSize(oy, height, kernelHeight, strideHeight, paddingHeight);
            for (let ox = ox0; ox < ox1; ox++) {
              const columns = countIncludePad
                ? kernelWidth
                : windowSize(ox, width, kernelWidth, strideWidth, paddingWidth);
              const divisor = f64x2.splat(<f64>(rows * columns));
              const dy = v128.load(dyPtr + <usize>(oy * outWidth + ox) * pixelBytes + at);
              sumLow = f64x2.add(sumLow, f64x2.div(low(dy), divisor));
              sumHigh = f64x2.add(sumHigh, f64x2.div(high(dy), divisor));
            }
          }
          storeLanes(dxPtr + at, narrow(sumLow, sumHigh), channels - channel);
        }
        dxPtr += pixelBytes;
      }
    }
  }
}

export function globalAvgPoolF32(
  xPtr: usize,
  yPtr: usize,
  countSamples: i32,
  pixels: i32,
  channels: i32,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const divisor = f64x2.splat(<f64>pixels);
  for (; countSamples > 0; countSamples--) {
    let channel = 0;
    for (; channel + 16 <= channels; channel += 16) {
      const at = (<usize>channel) << 2;
      sixteenMeans(xPtr + at, pixels, pixelBytes, divisor, yPtr + at);
    }
    for (; channel < channels; channel += 4) {
      const at = (<usize>channel) << 2;
      let sumLow = f64x2.splat(0);
      let sumHigh = f64x2.splat(0);
      let x = xPtr + at;
      for (let pixel = 0; pixel < pixels; pixel++) {
        const value = v128.load(x);
        sumLow = f64x2.add(sumLow, low(value));
        sumHigh = f64x2.add(sumHigh, high(value));
        x += pixelBytes;
      }
      const mean = narrow(f64x2.div(sumLow, divisor), f64x2.div(sumHigh, divisor));
      storeLanes(yPtr + at, mean, channels - channel);
    }
    xPtr += <usize>pixels * pixelBytes;
    yPtr += pixelBytes;
  }
}

/** The means of 16 channels. Each addition waits for the one before it, so many sums run in
 * parallel. */
function sixteenMeans(x: usize, pixels: i32, pixelBytes: usize, divisor: v128, yPtr: usize): void {
  let a0 = f64x2.splat(0),
    a1 = f64x2.splat(0);
  let b0 = f64x2.splat(0),
    b1 = f64x2.splat(0);
  let c0 = f64x2.splat(0),
    c1 = f64x2.splat(0);
  let d0 = f64x2.splat(0),
    d1 = f64x2.splat(0);
  for (; pixels > 0; pixels--) {
    a0 = f64x2.add(a0, f64x2.promote_low_f32x4(v128.load_zero<i64>(x, 0)));
    a1 = f64x2.add(a1, f64x2.promote_low_f32x4(v128.load_zero<i64>(x, 8)));
    b0 = f64x2.add(b0, f64x2.promote_low_f32x4(v128.load_zero<i64>(x, 16)));
    b1 = f64x2.add(b1, f64x2.promote_low_f32x4(v128.load_zero<i64>(x, 24)));
    c0 = f64x2.add(c0, f64x2.promote_low_f32x4(v128.load_zero<i64>(x, 32)));
    c1 = f64x2.add(c1, f64x2.promote_low_f32x4(v128.load_zero<i64>(x, 40)));
    d0 = f64x2.add(d0, f64x2.promote_low_f32x4(v128.load_zero<i64>(x, 48)));
    d1 = f64x2.add(d1, f64x2.promote_low_f32x4(v128.load_zero<i64>(x, 56)));
    x += pixelBytes;
  }
  v128.store(yPtr, narrow(f64x2.div(a0, divisor), f64x2.div(a1, divisor)));
  v128.store(yPtr, narrow(f64x2.div(b0, divisor), f64x2.div(b1, divisor)), 16);
  v128.store(yPtr, narrow(f64x2.div(c0, divisor), f64x2.div(c1, divisor)), 32);
  v128.store(yPtr, narrow(f64x2.div(d0, divisor), f64x2.div(d1, divisor)), 48);
}

export function globalAvgPoolGradF32(
  dyPtr: usize,
  dxPtr: usize,
  countSamples: i32,
  pixels: i32,
  channels: i32,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const divisor = f64x2.splat(<f64>pixels);
  for (; countSamples > 0; countSamples--) {
    for (let channel = 0; channel < channels; channel += 4) {
      const at = (<usize>channel) << 2;
      const dy = v128.load(dyPtr + at);
      const share = narrow(f64x2.div(low(dy), divisor), f64x2.div(high(dy), divisor));
      storeLanes(dxPtr + at, share, channels - channel);
    }
    // All pixels equal the first one, so each copy doubles the filled part.
    const bytes = <usize>pixels * pixelBytes;
    for (let filled = pixelBytes; filled < bytes; filled <<= 1) {
      memory.copy(dxPtr + filled, dxPtr, min(filled, bytes - filled));
    }
    dyPtr += pixelBytes;
    dxPtr += bytes;
  }
}
