// The weight gradient of a depthwise convolution of one sample, on planes as in depthwise.ts.

import { IS_WIDE } from './build';
import { copyToPlane, PLANE_PIXEL_BYTES } from './depthwisePlane';
import { storeLanes } from './lanes';
import { mulAdd } from './math';
import { loadSecond, TURN_BYTES } from './turn';

/** A band of rows stays in the L1 cache while its vectors are summed one after the other. */
const BAND_BYTES: usize = 24 * 1024;
const TAPS: usize = 9;

export function depthwiseWeightGradF32(
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
  sumsPtr: usize,
  dyPtr: usize,
  outHeight: i32,
  outWidth: i32,
  gradPtr: usize,
  accumulate: i32,
): void {
  const channelBytes = (<usize>channels) << 2;
  const isThree = tapsY == 3 && tapsX == 3 && tapStepXBytes == PLANE_PIXEL_BYTES;
  const bandRowBytes = rowStepBytes + <usize>outWidth * PLANE_PIXEL_BYTES;
  const bandRows = <i32>max<usize>(1, BAND_BYTES / bandRowBytes);
  for (let c: usize = 0; c < channelBytes; c += PLANE_PIXEL_BYTES) {
    const bytes = min(channelBytes - c, PLANE_PIXEL_BYTES);
    const summed = isThree ? bytes & ~(TURN_BYTES - 1) : 0;
    let from = xPtr + c;
    let to = insidePtr;
    let rowsLeft = height;
    if (isThree) memory.fill(sumsPtr, 0, TAPS * PLANE_PIXEL_BYTES);
    for (let row = 0; row < outHeight; row += bandRows) {
      const rows = min(bandRows, outHeight - row);
      const x = planePtr + <usize>row * rowStepBytes;
      const end = x + <usize>(rows - 1) * rowStepBytes + <usize>tapsY * tapStepYBytes;
      for (; rowsLeft > 0 && to < end; rowsLeft--) {
        copyToPlane(from, channelBytes, bytes, width, to, spreadPixelBytes);
        from += xRowBytes;
        to += spreadRowBytes;
      }
      const dy = dyPtr + c + <usize>(row * outWidth) * channelBytes;
      for (let at: usize = 0; at < summed; at += TURN_BYTES) {
        addThreeByThree(
          x + at,
          rowStepBytes,
          pixelStepBytes,
          tapStepYBytes,
          dy + at,
          channelBytes,
          rows,
          outWidth,
          sumsPtr + at,
        );
      }
    }
    let grad = gradPtr + c;
    for (let ty = 0; ty < tapsY; ty++) {
      for (let tx = 0; tx < tapsX; tx++) {
        const tap = planePtr + <usize>ty * tapStepYBytes + <usize>tx * tapStepXBytes;
        const sums = sumsPtr + <usize>(ty * tapsX + tx) * PLANE_PIXEL_BYTES;
        for (let at: usize = 0; at < bytes; at += 16) {
          let sum: v128;
          if (at < summed) {
            sum = v128.load(sums + at);
          } else {
            const x = tap + at;
            const dy = dyPtr + c + at;
            sum = sumOfTap(x, rowStepBytes, pixelStepBytes, dy, channelBytes, outHeight, outWidth);
          }
          if (accumulate) sum = f32x4.add(v128.load(grad + at), sum);
          storeLanes(grad + at, sum, <i32>(bytes - at) >> 2);
        }
        grad += channelBytes;
      }
    }
  }
  // Makes all builds leave the same scratch memory, regardless of the vectors that they sum there.
  if (isThree) memory.fill(sumsPtr, 0, TAPS * PLANE_PIXEL_BYTES);
}

/** The sum of one tap over all pixels, for four channels. */
function sumOfTap(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  dyPtr: usize,
  channelBytes: usize,
  outHeight: i32,
  outWidth: i32,
): v128 {
  let sum = f32x4.splat(0);
  for (; outHeight > 0; outHeight--, xPtr += rowStepBytes) {
    let x = xPtr;
    for (let column = 0; column < outWidth; column++) {
      sum = mulAdd(v128.load(x), v128.load(dyPtr), sum);
      x += pixelStepBytes;
      dyPtr += channelBytes;
    }
  }
  return sum;
}

/** Adds rows to the sums of three by three taps of four channels, or eight in the wide build. For
 * the tests, which are never true, see depthwiseTiles.ts. */
@inline
function addThreeByThree(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapStepYBytes: usize,
  dyPtr: usize,
  channelBytes: usize,
  rows: i32,
  outWidth: i32,
  sumsPtr: usize,
): void {
  let s0 = v128.load(sumsPtr);
  let t0 = loadSecond(sumsPtr, s0);
  let s1 = v128.load(sumsPtr, 64);
  let t1 = IS_WIDE ? v128.load(sumsPtr, 80) : s1;
  let s2 = v128.load(sumsPtr, 128);
  let t2 = IS_WIDE ? v128.load(sumsPtr, 144) : s2;
  let s3 = v128.load(sumsPtr, 192);
  let t3 = IS_WIDE ? v128.load(sumsPtr, 208) : s3;
  let s4 = v128.load(sumsPtr, 256);
  let t4 = IS_WIDE ? v128.load(sumsPtr, 272) : s4;
  let s5 = v128.load(sumsPtr, 320);
  let t5 = IS_WIDE ? v128.load(sumsPtr, 336) : s5;
  let s6 = v128.load(sumsPtr, 384);
  let t6 = IS_WIDE ? v128.load(sumsPtr, 400) : s6;
  let s7 = v128.load(sumsPtr, 448);
  let t7 = IS_WIDE ? v128.load(sumsPtr, 464) : s7;
  let s8 = v128.load(sumsPtr, 512);
  let t8 = IS_WIDE ? v128.load(sumsPtr, 528) : s8;
  for (; rows > 0; rows--, xPtr += rowStepBytes) {
    let x0 = xPtr;
    let x1 = x0 + tapStepYBytes;
    let x2 = x1 + tapStepYBytes;
    for (let column = 0; column < outWidth; column++) {
      const dy = v128.load(dyPtr);
      const next = loadSecond(dyPtr, dy);
      dyPtr += channelBytes;
      s0 = mulAdd(v128.load(x0), dy, s0);
      if (IS_WIDE) t0 = mulAdd(v128.load(x0, 16), next, t0);
      s1 = mulAdd(v128.load(x0, 64), dy, s1);
      if (IS_WIDE) t1 = mulAdd(v128.load(x0, 80), next, t1);
      s2 = mulAdd(v128.load(x0, 128), dy, s2);
      if (IS_WIDE) t2 = mulAdd(v128.load(x0, 144), next, t2);
      x0 += pixelStepBytes;
      if (!x0) break;
      s3 = mulAdd(v128.load(x1), dy, s3);
      if (IS_WIDE) t3 = mulAdd(v128.load(x1, 16), next, t3);
      s4 = mulAdd(v128.load(x1, 64), dy, s4);
      if (IS_WIDE) t4 = mulAdd(v128.load(x1, 80), next, t4);
      s5 = mulAdd(v128.load(x1, 128), dy, s5);
      if (IS_WIDE) t5 = mulAdd(v128.load(x1, 144), next, t5);
      x1 += pixelStepBytes;
      if (!x1) break;
      s6 = mulAdd(v128.load(x2), dy, s6);
      if (IS_WIDE) t6 = mulAdd(v128.load(x2, 16), next, t6);
      s7 = mulAdd(v128.load(x2, 64), dy, s7);
      if (IS_WIDE) t7 = mulAdd(v128.load(x2, 80), next, t7);
      s8 = mulAdd(v128.load(x2, 128), dy, s8);
      if (IS_WIDE) t8 = mulAdd(v128.load(x2, 144), next, t8);
      x2 += pixelStepBytes;
    }
  }
  if (IS_WIDE) v128.store(sumsPtr, t0, 16);
  v128.store(sumsPtr, s0);
  if (IS_WIDE) v128.store(sumsPtr, t1, 80);
  v128.store(sumsPtr, s1, 64);
  if (IS_WIDE) v128.store(sumsPtr, t2, 144);
  v128.store(sumsPtr, s2, 128);
  if (IS_WIDE) v128.store(sumsPtr, t3, 208);
  v128.store(sumsPtr, s3, 192);
  if (IS_WIDE) v128.store(sumsPtr, t4, 272);
  v128.store(sumsPtr, s4, 256);
  if (IS_WIDE) v128.store(sumsPtr, t5, 336);
  v128.store(sumsPtr, s5, 320);
  if (IS_WIDE) v128.store(sumsPtr, t6, 400);
  v128.store(sumsPtr, s6, 384);
  if (IS_WIDE) v128.store(sumsPtr, t7, 464);
  v128.store(sumsPtr, s7, 448);
  if (IS_WIDE) v128.store(sumsPtr, t8, 528);
  v128.store(sumsPtr, s8, 512);
}
