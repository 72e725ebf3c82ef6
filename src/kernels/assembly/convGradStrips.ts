// Weight gradient from packed strips. Pixels with many channels are so far apart that a column of
// them maps to a few sets of the L1 cache. So x and dy are copied to strips of 16 channels with
// adjacent pixels, and a strip of each stays in the cache while its tiles are summed. The sums are
// those of convWeightGrad.ts, band by band in the same order.

import { IS_WIDE } from './build';
import { mulAdd } from './math';

/** Channels of a strip; segmentLength and outChannels must be multiples of it. */
const STRIP_CHANNELS: i32 = 16;
const STRIP_PIXEL_BYTES: usize = 64;
/** Pixels that are packed at once, in whole bands; a strip of each side takes 14 KB. */
const STRIP_PIXELS: i32 = 224;
/** Gradient rows with inputs that are packed at once and stay in the L2 cache. */
const STRIP_ROWS: i32 = 256;
const TILE_ROWS: i32 = 4;
const HALF_BYTES: usize = 32;

/** convWeightGradTilesF32 through the scratch; `rows` and `columns` are those of a band. */
export function gradFromStrips(
  xPtr: usize,
  rowStepBytes: usize,
  pixelStepBytes: usize,
  tapsY: i32,
  tapStepYBytes: usize,
  tapsX: i32,
  tapStepXBytes: usize,
  segmentLength: i32,
  dyPtr: usize,
  dyRowBytes: usize,
  dyPixelBytes: usize,
  outHeight: i32,
  outWidth: i32,
  outChannels: i32,
  gradPtr: usize,
  gradRowBytes: usize,
  accumulate: i32,
  rows: i32,
  columns: i32,
  scratchPtr: usize,
): void {
  const length = tapsY * tapsX * segmentLength;
  const stripBytes = <usize>STRIP_PIXELS * STRIP_PIXEL_BYTES;
  const xStrips = scratchPtr + stripBytes;
  let row = 0;
  let column = 0;
  while (row < outHeight) {
    const count = bandsFrom(row, column, rows, columns, outHeight, outWidth);
    for (let first = 0; first < length; first += STRIP_ROWS) {
      const last = min(first + STRIP_ROWS, length);
      let strip = xStrips;
      for (let k = first; k < last; k += STRIP_CHANNELS) {
        const tap = k / segmentLength;
        const from =
          xPtr +
          <usize>(tap / tapsX) * tapStepYBytes +
          <usize>(tap % tapsX) * tapStepXBytes +
          ((<usize>(k % segmentLength)) << 2);
        packStrip(
          from,
          rowStepBytes,
          pixelStepBytes,
          row,
          column,
          rows,
          columns,
          outHeight,
          outWidth,
          count,
          strip,
        );
        strip += stripBytes;
      }
      for (let channel = 0; channel < outChannels; channel += STRIP_CHANNELS) {
        packStrip(
          dyPtr + ((<usize>channel) << 2),
          dyRowBytes,
          dyPixelBytes,
          row,
          column,
          rows,
          columns,
          outHeight,
          outWidth,
          count,
          scratchPtr,
        );
        strip = xStrips;
        let grad = gradPtr + <usize>first * gradRowBytes + ((<usize>channel) << 2);
        for (let k = first; k < last; k += STRIP_CHANNELS) {
          for (let at: usize = 0; at < STRIP_PIXEL_BYTES; at += TILE_ROWS << 2) {
            sumBands(
              strip + at,
              scratchPtr,
              row,
              column,
              rows,
              columns,
              outHeight,
              outWidth,
              count,
              grad,
              gradRowBytes,
              accumulate,
            );
            grad += <usize>TILE_ROWS * gradRowBytes;
          }
          strip += stripBytes;
        }
      }
    }
    accumulate = 1;
    for (let band = 0; band < count; band++) {
      column += columns;
      if (column >= outWidth) {
        column = 0;
        row += rows;
      }
    }
  }
}

/** The number of consecutive bands to pack at once. */
function bandsFrom(
  row: i32,
  column: i32,
  rows: i32,
  columns: i32,
  outHeight: i32,
  outWidth: i32,
): i32 {
  let count = 0;
  let pixels = 0;
  while (row < outHeight) {
    pixels += min(rows, outHeight - row) * min(columns, outWidth - column);
    if (count > 0 && pixels > STRIP_PIXELS) break;
    count++;
    column += columns;
    if (column >= outWidth) {
      column = 0;
      row += rows;
    }
  }
  return count;
}

/** Copies 16 channels of the pixels of `count` bands. */
function packStrip(
  ptr: usize,
  rowBytes: usize,
  pixelBytes: usize,
  row: i32,
  column: i32,
  rows: i32,
  columns: i32,
  outHeight: i32,
  outWidth: i32,
  count: i32,
  to: usize,
): void {
  for (; count > 0; count--) {
    const width = min(columns, outWidth - column);
    let start = ptr + <usize>row * rowBytes + <usize>column * pixelBytes;
    for (let y = min(rows, outHeight - row); y > 0; y--) {
      let from = start;
      for (let x = width; x > 0; x--) {
        const v0 = v128.load(from);
        const v1 = v128.load(from, 16);
        const v2 = v128.load(from, 32);
        const v3 = v128.load(from, 48);
        v128.store(to, v1, 16);
        v128.store(to, v0);
        v128.store(to, v3, 48);
        v128.store(to, v2, 32);
        from += pixelBytes;
        to += STRIP_PIXEL_BYTES;
      }
      start += rowBytes;
    }
    column += columns;
    if (column >= outWidth) {
      column = 0;
      row += rows;
    }
  }
}

/** Sums a tile of 4 rows x 16 channels over `count` bands and adds each band to the gradient. */
function sumBands(
  a: usize,
  b: usize,
  row: i32,
  column: i32,
  rows: i32,
  columns: i32,
  outHeight: i32,
  outWidth: i32,
  count: i32,
  grad: usize,
  gradRowBytes: usize,
  accumulate: i32,
): void {
  for (; count > 0; count--) {
    const pixels = min(rows, outHeight - row) * min(columns, outWidth - column);
    if (IS_WIDE) {
      wideBand(a, b, pixels, grad, gradRowBytes, accumulate);
    } else {
      narrowBand(a, b, pixels, grad, gradRowBytes, accumulate);
      narrowBand(a, b + HALF_BYTES, pixels, grad + HALF_BYTES, gradRowBytes, accumulate);
    }
    accumulate = 1;
    a += <usize>pixels * STRIP_PIXEL_BYTES;
    b += <usize>pixels * STRIP_PIXEL_BYTES;
    column += columns;
    if (column >= outWidth) {
      column = 0;
      row += rows;
    }
  }
}

@inline
function narrowBand(
  a: usize,
  b: usize,
  pixels: i32,
  g0: usize,
  gradRowBytes: usize,
  accumulate: i32,
): void {
  const g1 = g0 + gradRowBytes;
  const g2 = g1 + gradRowBytes;
  const g3 = g2 + gradRowBytes;
  let c00 = f32x4.splat(0),
    c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0),
    c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0),
    c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0),
    c31 = f32x4.splat(0);
  for (const end = b + <usize>pixels * STRIP_PIXEL_BYTES; b != end; ) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const v0 = v128.load_splat<f32>(a);
    c00 = mulAdd(v0, b0, c00);
    c01 = mulAdd(v0, b1, c01);
    const v1 = v128.load_splat<f32>(a, 4);
    c10 = mulAdd(v1, b0, c10);
    c11 = mulAdd(v1, b1, c11);
    const v2 = v128.load_splat<f32>(a, 8);
    c20 = mulAdd(v2, b0, c20);
    c21 = mulAdd(v2, b1, c21);
    const v3 = v128.load_splat<f32>(a, 12);
    c30 = mulAdd(v3, b0, c30);
    c31 = mulAdd(v3, b1, c31);
    a += STRIP_PIXEL_BYTES;
    b += STRIP_PIXEL_BYTES;
  }
  if (accumulate) {
    c00 = f32x4.add(v128.load(g0), c00);
    c01 = f32x4.add(v128.load(g0, 16), c01);
    c10 = f32x4.add(v128.load(g1), c10);
    c11 = f32x4.add(v128.load(g1, 16), c11);
    c20 = f32x4.add(v128.load(g2), c20);
    c21 = f32x4.add(v128.load(g2, 16), c21);
    c30 = f32x4.add(v128.load(g3), c30);
    c31 = f32x4.add(v128.load(g3, 16), c31);
  }
  v128.store(g0, c01, 16);
  v128.store(g0, c00);
  v128.store(g1, c11, 16);
  v128.store(g1, c10);
  v128.store(g2, c21, 16);
  v128.store(g2, c20);
  v128.store(g3, c31, 16);
  v128.store(g3, c30);
}

@inline
function wideBand(
  a: usize,
  b: usize,
  pixels: i32,
  g0: usize,
  gradRowBytes: usize,
  accumulate: i32,
): void {
  const g1 = g0 + gradRowBytes;
  const g2 = g1 + gradRowBytes;
  const g3 = g2 + gradRowBytes;
  let c00 = f32x4.splat(0),
    c01 = f32x4.splat(0),
    c02 = f32x4.splat(0),
    c03 = f32x4.splat(0);
  let c10 = f32x4.splat(0),
    c11 = f32x4.splat(0),
    c12 = f32x4.splat(0),
    c13 = f32x4.splat(0);
  let c20 = f32x4.splat(0),
    c21 = f32x4.splat(0),
    c22 = f32x4.splat(0),
    c23 = f32x4.splat(0);
  let c30 = f32x4.splat(0),
    c31 = f32x4.splat(0),
    c32 = f32x4.splat(0),
    c33 = f32x4.splat(0);
  for (const end = b + <usize>pixels * STRIP_PIXEL_BYTES; b != end; ) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const b2 = v128.load(b, 32);
    const b3 = v128.load(b, 48);
    const v0 = v128.load_splat<f32>(a);
    c00 = mulAdd(v0, b0, c00);
    c01 = mulAdd(v0, b1, c01);
    c02 = mulAdd(v0, b2, c02);
    c03 = mulAdd(v0, b3, c03);
    const v1 = v128.load_splat<f32>(a, 4);
    c10 = mulAdd(v1, b0, c10);
    c11 = mulAdd(v1, b1, c11);
    c12 = mulAdd(v1, b2, c12);
    c13 = mulAdd(v1, b3, c13);
    const v2 = v128.load_splat<f32>(a, 8);
    c20 = mulAdd(v2, b0, c20);
    c21 = mulAdd(v2, b1, c21);
    c22 = mulAdd(v2, b2, c22);
    c23 = mulAdd(v2, b3, c23);
    const v3 = v128.load_splat<f32>(a, 12);
    c30 = mulAdd(v3, b0, c30);
    c31 = mulAdd(v3, b1, c31);
    c32 = mulAdd(v3, b2, c32);
    c33 = mulAdd(v3, b3, c33);
    a += STRIP_PIXEL_BYTES;
    b += STRIP_PIXEL_BYTES;
  }
  if (accumulate) {
    c00 = f32x4.add(v128.load(g0), c00);
    c01 = f32x4.add(v128.load(g0, 16), c01);
    c02 = f32x4.add(v128.load(g0, 32), c02);
    c03 = f32x4.add(v128.load(g0, 48), c03);
    c10 = f32x4.add(v128.load(g1), c10);
    c11 = f32x4.add(v128.load(g1, 16), c11);
    c12 = f32x4.add(v128.load(g1, 32), c12);
    c13 = f32x4.add(v128.load(g1, 48), c13);
    c20 = f32x4.add(v128.load(g2), c20);
    c21 = f32x4.add(v128.load(g2, 16), c21);
    c22 = f32x4.add(v128.load(g2, 32), c22);
    c23 = f32x4.add(v128.load(g2, 48), c23);
    c30 = f32x4.add(v128.load(g3), c30);
    c31 = f32x4.add(v128.load(g3, 16), c31);
    c32 = f32x4.add(v128.load(g3, 32), c32);
    c33 = f32x4.add(v128.load(g3, 48), c33);
  }
  v128.store(g0, c01, 16);
  v128.store(g0, c00);
  v128.store(g0, c03, 48);
  v128.store(g0, c02, 32);
  v128.store(g1, c11, 16);
  v128.store(g1, c10);
  v128.store(g1, c13, 48);
  v128.store(g1, c12, 32);
  v128.store(g2, c21, 16);
  v128.store(g2, c20);
  v128.store(g2, c23, 48);
  v128.store(g2, c22, 32);
  v128.store(g3, c31, 16);
  v128.store(g3, c30);
  v128.store(g3, c33, 48);
  v128.store(g3, c32, 32);
}
