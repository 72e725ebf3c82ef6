// The products of the weight gradient in the places of Winograd tiles: the sum over tiles of each
// input channel times each output channel, also as ONE chain per element; see winogradProducts.ts.

import { IS_WIDE } from './build';
import { PANEL_ROW_BYTES, splat } from './convTile';
import { sixGradTile, wideGradTile } from './convWeightGradWide';
import { rowsInSixes, WIDE_ROWS } from './convWide';
import { mulAdd } from './math';
import { countTiles, firstTile, POINTS } from './winogradPlaces';

export function winogradGradProductsF32(
  srcPtr: usize,
  srcPlaneBytes: usize,
  tailColumnTiles: i32,
  fullTiles: i32,
  tailRowTiles: i32,
  cornerTiles: i32,
  srcBytes: usize,
  inChannels: i32,
  dyPtr: usize,
  dyPlaneBytes: usize,
  outChannels: i32,
  gradPtr: usize,
  gradPlaneBytes: usize,
  accumulate: i32,
): void {
  const rowsBytes = (<usize>inChannels) << 2;
  const dyBytes = (<usize>outChannels) << 2;
  for (let i = 0; i < POINTS; i++) {
    for (let j = 0; j < POINTS; j++) {
      const first = <usize>firstTile(j, tailColumnTiles);
      const tiles = countTiles(i, j, tailColumnTiles, fullTiles, tailRowTiles, cornerTiles);
      const src = srcPtr + first * srcBytes;
      const dy = dyPtr + first * dyBytes;
      let channel: usize = 0;
      if (IS_WIDE) {
        for (; channel + 64 <= dyBytes; channel += 64) {
          pairSums(
            src,
            srcBytes,
            inChannels,
            dy + channel,
            dyBytes,
            tiles,
            gradPtr + channel,
            accumulate,
          );
        }
      }
      for (; channel < dyBytes; channel += PANEL_ROW_BYTES) {
        let grad = gradPtr + channel;
        for (let k: usize = 0; k < rowsBytes; k += 16) {
          panelSums(src + k, srcBytes, dy + channel, dyBytes, tiles, grad, accumulate);
          grad += dyBytes << 2;
        }
      }
      srcPtr += srcPlaneBytes;
      dyPtr += dyPlaneBytes;
      gradPtr += gradPlaneBytes;
    }
  }
}

/** Sums 4 input channels by 8 output channels. */
function panelSums(
  a: usize,
  srcBytes: usize,
  b: usize,
  dyBytes: usize,
  tiles: i32,
  g0: usize,
  accumulate: i32,
): void {
  const pairsEnd = b + <usize>(tiles >> 1) * 2 * dyBytes;
  let c00 = f32x4.splat(0),
    c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0),
    c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0),
    c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0),
    c31 = f32x4.splat(0);
  while (b != pairsEnd) {
    let b0 = v128.load(b);
    let b1 = v128.load(b, 16);
    let v0 = splat(a);
    c00 = mulAdd(v0, b0, c00);
    c01 = mulAdd(v0, b1, c01);
    let v1 = v128.load_splat<f32>(a, 4);
    c10 = mulAdd(v1, b0, c10);
    c11 = mulAdd(v1, b1, c11);
    let v2 = v128.load_splat<f32>(a, 8);
    c20 = mulAdd(v2, b0, c20);
    c21 = mulAdd(v2, b1, c21);
    let v3 = v128.load_splat<f32>(a, 12);
    c30 = mulAdd(v3, b0, c30);
    c31 = mulAdd(v3, b1, c31);
    a += srcBytes;
    b += dyBytes;
    if (a == 0) break;
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    v0 = splat(a);
    c00 = mulAdd(v0, b0, c00);
    c01 = mulAdd(v0, b1, c01);
    v1 = v128.load_splat<f32>(a, 4);
    c10 = mulAdd(v1, b0, c10);
    c11 = mulAdd(v1, b1, c11);
    v2 = v128.load_splat<f32>(a, 8);
    c20 = mulAdd(v2, b0, c20);
    c21 = mulAdd(v2, b1, c21);
    v3 = v128.load_splat<f32>(a, 12);
    c30 = mulAdd(v3, b0, c30);
    c31 = mulAdd(v3, b1, c31);
    a += srcBytes;
    b += dyBytes;
  }
  if (tiles & 1) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const v0 = splat(a);
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
    a += srcBytes;
    b += dyBytes;
  }
  const g1 = g0 + dyBytes;
  const g2 = g1 + dyBytes;
  const g3 = g2 + dyBytes;
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

/** Sums all input channels by 16 output channels, six or four at a time. */
function pairSums(
  src: usize,
  srcBytes: usize,
  inChannels: i32,
  b: usize,
  dyBytes: usize,
  tiles: i32,
  grad: usize,
  accumulate: i32,
): void {
  const sixes = rowsInSixes(inChannels);
  let k = 0;
  for (; k < sixes; k += WIDE_ROWS) {
    const a = src + ((<usize>k) << 2);
    const g = grad + <usize>k * dyBytes;
    sixGradTile(a, srcBytes, 0, b, dyBytes, 0, 1, tiles, g, dyBytes, accumulate);
  }
  for (; k < inChannels; k += 4) {
    const a = src + ((<usize>k) << 2);
    const g0 = grad + <usize>k * dyBytes;
    const g1 = g0 + dyBytes;
    const g2 = g1 + dyBytes;
    const g3 = g2 + dyBytes;
    wideGradTile(
      a,
      a,
      a,
      a,
      true,
      srcBytes,
      0,
      b,
      dyBytes,
      0,
      1,
      tiles,
      g0,
      g1,
      g2,
      g3,
      accumulate,
    );
  }
}
