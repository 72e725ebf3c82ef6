// Images at another size, [N, H, W, C] float32, channels last: four channels at a time; if four
// does not divide the number of channels, the last ones are computed in a whole vector and stored
// partially. Gradients gather: each input pixel sums over the outputs that it contributes to, in
// row-major order. Formulas: abi/upsample.ts.

import { high, low, narrow, storeLanes } from './lanes';
import { scaledDown, scaledUp } from './scaled';

export function upsampleNearestF32(
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
  const rowBytes = <usize>width * pixelBytes;
  const outRowBytes = <usize>outWidth * pixelBytes;
  for (; countSamples > 0; countSamples--, xPtr += <usize>height * rowBytes) {
    let last = -1;
    for (let oy = 0; oy < outHeight; oy++, yPtr += outRowBytes) {
      const y = scaledDown(oy, height, outHeight);
      if (y == last) {
        memory.copy(yPtr, yPtr - outRowBytes, outRowBytes);
        continue;
      }
      last = y;
      const row = xPtr + <usize>y * rowBytes;
      let to = yPtr;
      for (let ox = 0; ox < outWidth; ox++, to += pixelBytes) {
        const from = row + <usize>scaledDown(ox, width, outWidth) * pixelBytes;
        for (let channel = 0; channel < channels; channel += 4) {
          const at = (<usize>channel) << 2;
          storeLanes(to + at, v128.load(from + at), channels - channel);
        }
      }
    }
  }
}

export function upsampleNearestGradF32(
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
      const oy0 = scaledUp(y, outHeight, height);
      const oy1 = scaledUp(y + 1, outHeight, height);
      for (let x = 0; x < width; x++, dxPtr += pixelBytes) {
        const ox0 = scaledUp(x, outWidth, width);
        const ox1 = scaledUp(x + 1, outWidth, width);
        for (let channel = 0; channel < channels; channel += 4) {
          const at = (<usize>channel) << 2;
          let sumLow = f64x2.splat(0);
          let sumHigh = f64x2.splat(0);
          for (let oy = oy0; oy < oy1; oy++) {
            for (let ox = ox0; ox < ox1; ox++) {
              const dy = v128.load(dyPtr + <usize>(oy * outWidth + ox) * pixelBytes + at);
              sumLow = f64x2.add(sumLow, low(dy));
              sumHigh = f64x2.add(sumHigh, high(dy));
            }
          }
          storeLanes(dxPtr + at, narrow(sumLow, sumHigh), channels - channel);
        }
      }
    }
  }
}

/** The distance between neighboring outputs, in inputs. */
@inline
function spacing(size: i32, outSize: i32, alignCorners: i32): f64 {
  if (!alignCorners) return <f64>size / <f64>outSize;
  return outSize > 1 ? <f64>(size - 1) / <f64>(outSize - 1) : 0;
}

/** The position of an output among the inputs. */
@inline
function sourceOf(out: i32, step: f64, size: i32, alignCorners: i32): f64 {
  const source = alignCorners ? <f64>out * step : (<f64>out + 0.5) * step - 0.5;
  return min(max(source, 0), <f64>(size - 1));
}

export function upsampleBilinearF32(
  xPtr: usize,
  yPtr: usize,
  countSamples: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  alignCorners: i32,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const rowBytes = <usize>width * pixelBytes;
  const stepY = spacing(height, outHeight, alignCorners);
  const stepX = spacing(width, outWidth, alignCorners);
  for (; countSamples > 0; countSamples--, xPtr += <usize>height * rowBytes) {
    for (let oy = 0; oy < outHeight; oy++) {
      const sourceY = sourceOf(oy, stepY, height, alignCorners);
      const y = <i32>sourceY;
      const ty = sourceY - <f64>y;
      const top = xPtr + <usize>y * rowBytes;
      const bottom = top + (y + 1 < height ? rowBytes : 0);
      for (let ox = 0; ox < outWidth; ox++, yPtr += pixelBytes) {
        const sourceX = sourceOf(ox, stepX, width, alignCorners);
        const x = <i32>sourceX;
        const tx = f64x2.splat(sourceX - <f64>x);
        const sx = f64x2.splat(1 - (sourceX - <f64>x));
        const left = <usize>x * pixelBytes;
        const right = left + (x + 1 < width ? pixelBytes : 0);
        for (let channel = 0; channel < channels; channel += 4) {
          const at = (<usize>channel) << 2;
          const a = v128.load(top + left + at);
          const b = v128.load(top + right + at);
          const c = v128.load(bottom + left + at);
          const d = v128.load(bottom + right + at);
          const value = narrow(
            mixed(low(a), low(b), low(c), low(d), sx, tx, ty),
            mixed(high(a), high(b), high(c), high(d), sx, tx, ty),
          );
          storeLanes(yPtr + at, value, channels - channel);
        }
      }
    }
  }
}

/** (1 - ty) (sx a + tx b) + ty (sx c + tx d). */
@inline
function mixed(a: v128, b: v128, c: v128, d: v128, sx: v128, tx: v128, ty: f64): v128 {
  const upper = f64x2.add(f64x2.mul(sx, a), f64x2.mul(tx, b));
  const lower = f64x2.add(f64x2.mul(sx, c), f64x2.mul(tx, d));
  return f64x2.add(f64x2.mul(f64x2.splat(1 - ty), upper), f64x2.mul(f64x2.splat(ty), lower));
}

export function upsampleBilinearGradF32(
  dyPtr: usize,
  dxPtr: usize,
  countSamples: i32,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  alignCorners: i32,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const sampleBytes = <usize>(outHeight * outWidth) * pixelBytes;
  const stepY = spacing(height, outHeight, alignCorners);
  const stepX = spacing(width, outWidth, alignCorners);
  for (; countSamples > 0; countSamples--, dyPtr += sampleBytes) {
    let oy0 = 0;
    for (let y = 0; y < height; y++) {
      // Outputs less than one input away; the first one never moves back.
      while (oy0 < outHeight && sourceOf(oy0, stepY, height, alignCorners) <= <f64>(y - 1)) oy0++;
      let ox0 = 0;
      for (let x = 0; x < width; x++, dxPtr += pixelBytes) {
        while (ox0 < outWidth && sourceOf(ox0, stepX, width, alignCorners) <= <f64>(x - 1)) ox0++;
        for (let channel = 0; channel < channels; channel += 4) {
          const at = (<usize>channel) << 2;
          let sumLow = f64x2.splat(0);
          let sumHigh = f64x2.splat(0);
          for (let oy = oy0; oy < outHeight; oy++) {
            const weightY = 1 - Math.abs(sourceOf(oy, stepY, height, alignCorners) - <f64>y);
            if (weightY <= 0) break;
            for (let ox = ox0; ox < outWidth; ox++) {
              const weightX = 1 - Math.abs(sourceOf(ox, stepX, width, alignCorners) - <f64>x);
              if (weightX <= 0) break;
              const weight = f64x2.splat(weightY * weightX);
              const dy = v128.load(dyPtr + <usize>(oy * outWidth + ox) * pixelBytes + at);
              sumLow = f64x2.add(sumLow, f64x2.mul(weight, low(dy)));
              sumHigh = f64x2.add(sumHigh, f64x2.mul(weight, high(dy)));
            }
          }
          storeLanes(dxPtr + at, narrow(sumLow, sumHigh), channels - channel);
        }
      }
    }
  }
}
