// Tiles of a depthwise convolution with three taps per row: adjacent pixels with their sums in
// registers, of four channels, or of eight in the wide build. They read a plane
// (depthwisePlane.ts); reads of the plane and the weights have constant offsets.

import { IS_WIDE } from './build';
import { mulAdd } from './math';
import { loadSecond, storeTurn } from './turn';

/** Adds a row's three products in tap order. */
@inline
function addTaps(sum: v128, x0: v128, x1: v128, x2: v128, w0: v128, w1: v128, w2: v128): v128 {
  return mulAdd(x2, w2, mulAdd(x1, w1, mulAdd(x0, w0, sum)));
}

/** Adds the bias, if there is one, and stores a pixel's channels. */
@inline
function storePixel(ptr: usize, first: v128, second: v128, biasPtr: usize): void {
  if (biasPtr) {
    const bias = v128.load(biasPtr);
    second = f32x4.add(second, loadSecond(biasPtr, bias));
    first = f32x4.add(first, bias);
  }
  storeTurn(ptr, first, second);
}

/** Computes seven pixels. V8 moves all loads of straight-line code to its start, for which there
 * are not enough registers; the tests, which are never true, divide it. */
@inline
export function tileOfSeven(
  xPtr: usize,
  rowBytes: usize,
  tapsY: i32,
  weightPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  pixelBytes: usize,
): void {
  let s0 = f32x4.splat(0);
  let t0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let t1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let t2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let t3 = f32x4.splat(0);
  let s4 = f32x4.splat(0);
  let t4 = f32x4.splat(0);
  let s5 = f32x4.splat(0);
  let t5 = f32x4.splat(0);
  let s6 = f32x4.splat(0);
  let t6 = f32x4.splat(0);
  for (; tapsY > 0; tapsY--) {
    const w0 = v128.load(weightPtr);
    const v0 = loadSecond(weightPtr, w0);
    const w1 = v128.load(weightPtr, 64);
    const v1 = IS_WIDE ? v128.load(weightPtr, 80) : w1;
    const w2 = v128.load(weightPtr, 128);
    const v2 = IS_WIDE ? v128.load(weightPtr, 144) : w2;
    const x0 = v128.load(xPtr);
    const z0 = loadSecond(xPtr, x0);
    const x1 = v128.load(xPtr, 64);
    const z1 = IS_WIDE ? v128.load(xPtr, 80) : x1;
    const x2 = v128.load(xPtr, 128);
    const z2 = IS_WIDE ? v128.load(xPtr, 144) : x2;
    s0 = addTaps(s0, x0, x1, x2, w0, w1, w2);
    t0 = addTaps(t0, z0, z1, z2, v0, v1, v2);
    if (!weightPtr) break;
    const x3 = v128.load(xPtr, 192);
    const z3 = IS_WIDE ? v128.load(xPtr, 208) : x3;
    s1 = addTaps(s1, x1, x2, x3, w0, w1, w2);
    t1 = addTaps(t1, z1, z2, z3, v0, v1, v2);
    const x4 = v128.load(xPtr, 256);
    const z4 = IS_WIDE ? v128.load(xPtr, 272) : x4;
    s2 = addTaps(s2, x2, x3, x4, w0, w1, w2);
    t2 = addTaps(t2, z2, z3, z4, v0, v1, v2);
    const x5 = v128.load(xPtr, 320);
    const z5 = IS_WIDE ? v128.load(xPtr, 336) : x5;
    s3 = addTaps(s3, x3, x4, x5, w0, w1, w2);
    t3 = addTaps(t3, z3, z4, z5, v0, v1, v2);
    if (!outPtr) break;
    const x6 = v128.load(xPtr, 384);
    const z6 = IS_WIDE ? v128.load(xPtr, 400) : x6;
    s4 = addTaps(s4, x4, x5, x6, w0, w1, w2);
    t4 = addTaps(t4, z4, z5, z6, v0, v1, v2);
    const x7 = v128.load(xPtr, 448);
    const z7 = IS_WIDE ? v128.load(xPtr, 464) : x7;
    s5 = addTaps(s5, x5, x6, x7, w0, w1, w2);
    t5 = addTaps(t5, z5, z6, z7, v0, v1, v2);
    const x8 = v128.load(xPtr, 512);
    const z8 = IS_WIDE ? v128.load(xPtr, 528) : x8;
    s6 = addTaps(s6, x6, x7, x8, w0, w1, w2);
    t6 = addTaps(t6, z6, z7, z8, v0, v1, v2);
    weightPtr += 192;
    xPtr += rowBytes;
  }
  storePixel(outPtr, s0, t0, biasPtr);
  outPtr += pixelBytes;
  storePixel(outPtr, s1, t1, biasPtr);
  outPtr += pixelBytes;
  storePixel(outPtr, s2, t2, biasPtr);
  outPtr += pixelBytes;
  storePixel(outPtr, s3, t3, biasPtr);
  outPtr += pixelBytes;
  storePixel(outPtr, s4, t4, biasPtr);
  outPtr += pixelBytes;
  storePixel(outPtr, s5, t5, biasPtr);
  outPtr += pixelBytes;
  storePixel(outPtr, s6, t6, biasPtr);
}

/** Computes four pixels. */
@inline
export function tileOfFour(
  xPtr: usize,
  rowBytes: usize,
  tapsY: i32,
  weightPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  pixelBytes: usize,
): void {
  let s0 = f32x4.splat(0);
  let t0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let t1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let t2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let t3 = f32x4.splat(0);
  for (; tapsY > 0; tapsY--) {
    const w0 = v128.load(weightPtr);
    const v0 = loadSecond(weightPtr, w0);
    const w1 = v128.load(weightPtr, 64);
    const v1 = IS_WIDE ? v128.load(weightPtr, 80) : w1;
    const w2 = v128.load(weightPtr, 128);
    const v2 = IS_WIDE ? v128.load(weightPtr, 144) : w2;
    const x0 = v128.load(xPtr);
    const z0 = loadSecond(xPtr, x0);
    const x1 = v128.load(xPtr, 64);
    const z1 = IS_WIDE ? v128.load(xPtr, 80) : x1;
    const x2 = v128.load(xPtr, 128);
    const z2 = IS_WIDE ? v128.load(xPtr, 144) : x2;
    s0 = addTaps(s0, x0, x1, x2, w0, w1, w2);
    t0 = addTaps(t0, z0, z1, z2, v0, v1, v2);
    if (!weightPtr) break;
    const x3 = v128.load(xPtr, 192);
    const z3 = IS_WIDE ? v128.load(xPtr, 208) : x3;
    s1 = addTaps(s1, x1, x2, x3, w0, w1, w2);
    t1 = addTaps(t1, z1, z2, z3, v0, v1, v2);
    const x4 = v128.load(xPtr, 256);
    const z4 = IS_WIDE ? v128.load(xPtr, 272) : x4;
    s2 = addTaps(s2, x2, x3, x4, w0, w1, w2);
    t2 = addTaps(t2, z2, z3, z4, v0, v1, v2);
    const x5 = v128.load(xPtr, 320);
    const z5 = IS_WIDE ? v128.load(xPtr, 336) : x5;
    s3 = addTaps(s3, x3, x4, x5, w0, w1, w2);
    t3 = addTaps(t3, z3, z4, z5, v0, v1, v2);
    weightPtr += 192;
    xPtr += rowBytes;
  }
  storePixel(outPtr, s0, t0, biasPtr);
  outPtr += pixelBytes;
  storePixel(outPtr, s1, t1, biasPtr);
  outPtr += pixelBytes;
  storePixel(outPtr, s2, t2, biasPtr);
  outPtr += pixelBytes;
  storePixel(outPtr, s3, t3, biasPtr);
}

/** Computes four pixels, two columns of the plane apart. */
@inline
export function tileOfFourStride2(
  xPtr: usize,
  rowBytes: usize,
  tapsY: i32,
  weightPtr: usize,
  biasPtr: usize,
  outPtr: usize,
  pixelBytes: usize,
): void {
  let s0 = f32x4.splat(0);
  let t0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let t1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let t2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let t3 = f32x4.splat(0);
  for (; tapsY > 0; tapsY--) {
    const w0 = v128.load(weightPtr);
    const v0 = loadSecond(weightPtr, w0);
    const w1 = v128.load(weightPtr, 64);
    const v1 = IS_WIDE ? v128.load(weightPtr, 80) : w1;
    const w2 = v128.load(weightPtr, 128);
    const v2 = IS_WIDE ? v128.load(weightPtr, 144) : w2;
    const x0 = v128.load(xPtr);
    const z0 = loadSecond(xPtr, x0);
    const x1 = v128.load(xPtr, 64);
    const z1 = IS_WIDE ? v128.load(xPtr, 80) : x1;
    const x2 = v128.load(xPtr, 128);
    const z2 = IS_WIDE ? v128.load(xPtr, 144) : x2;
    s0 = addTaps(s0, x0, x1, x2, w0, w1, w2);
    t0 = addTaps(t0, z0, z1, z2, v0, v1, v2);
    if (!weightPtr) break;
    const x3 = v128.load(xPtr, 192);
    const z3 = IS_WIDE ? v128.load(xPtr, 208) : x3;
    const x4 = v128.load(xPtr, 256);
    const z4 = IS_WIDE ? v128.load(xPtr, 272) : x4;
    s1 = addTaps(s1, x2, x3, x4, w0, w1, w2);
    t1 = addTaps(t1, z2, z3, z4, v0, v1, v2);
    const x5 = v128.load(xPtr, 320);
    const z5 = IS_WIDE ? v128.load(xPtr, 336) : x5;
    const x6 = v128.load(xPtr, 384);
    const z6 = IS_WIDE ? v128.load(xPtr, 400) : x6;
    s2 = addTaps(s2, x4, x5, x6, w0, w1, w2);
    t2 = addTaps(t2, z4, z5, z6, v0, v1, v2);
    const x7 = v128.load(xPtr, 448);
    const z7 = IS_WIDE ? v128.load(xPtr, 464) : x7;
    const x8 = v128.load(xPtr, 512);
    const z8 = IS_WIDE ? v128.load(xPtr, 528) : x8;
    s3 = addTaps(s3, x6, x7, x8, w0, w1, w2);
    t3 = addTaps(t3, z6, z7, z8, v0, v1, v2);
    weightPtr += 192;
    xPtr += rowBytes;
  }
  storePixel(outPtr, s0, t0, biasPtr);
  outPtr += pixelBytes;
  storePixel(outPtr, s1, t1, biasPtr);
  outPtr += pixelBytes;
  storePixel(outPtr, s2, t2, biasPtr);
  outPtr += pixelBytes;
  storePixel(outPtr, s3, t3, biasPtr);
}
