// The matrix products of Winograd convolution: for each of the 36 places of a transformed tile,
// [tiles, in] by [in, out], and for the weight gradient [in, tiles] by [tiles, out]. A register
// tile covers 4 rows x 8 columns, in the wide build 16; each element is ONE chain of multiply-adds.
// Tiles of F(2, 3) along an axis only have the first 4 of its places; tiles are ordered so that
// those with the same place are contiguous.

import { IS_WIDE } from './build';
import { PANEL_ROW_BYTES, splat, TILE_PIXELS } from './convTile';
import { mulAdd } from './math';
import { pairProducts } from './winogradPairProducts';
import { countTiles, firstTile, POINTS } from './winogradPlaces';

export function winogradProductsF32(
  srcPtr: usize,
  srcPlaneBytes: usize,
  tailColumnTiles: i32,
  fullTiles: i32,
  tailRowTiles: i32,
  cornerTiles: i32,
  inChannels: i32,
  panelsPtr: usize,
  panelsPlaneBytes: usize,
  dstPtr: usize,
  dstPlaneBytes: usize,
  dstBytes: usize,
  outChannels: i32,
): void {
  const srcBytes = (<usize>inChannels) << 2;
  const panelBytes = <usize>inChannels * PANEL_ROW_BYTES;
  for (let i = 0; i < POINTS; i++) {
    for (let j = 0; j < POINTS; j++) {
      const first = firstTile(j, tailColumnTiles);
      const count = countTiles(i, j, tailColumnTiles, fullTiles, tailRowTiles, cornerTiles);
      const src = srcPtr + <usize>first * srcBytes;
      let out = dstPtr + <usize>first * dstBytes;
      if (count > 0) {
        let panel = panelsPtr;
        let left = outChannels;
        if (IS_WIDE) {
          for (; left >= 16; left -= 16) {
            pairProducts(src, srcBytes, count, panel, panelBytes, out, dstBytes);
            panel += panelBytes << 1;
            out += PANEL_ROW_BYTES << 1;
          }
        }
        for (; left > 0; left -= 8) {
          panelProducts(src, srcBytes, count, panel, panel + panelBytes, out, dstBytes);
          panel += panelBytes;
          out += PANEL_ROW_BYTES;
        }
      }
      srcPtr += srcPlaneBytes;
      panelsPtr += panelsPlaneBytes;
      dstPtr += dstPlaneBytes;
    }
  }
}

/** Multiplies all tiles by one panel. */
function panelProducts(
  srcPtr: usize,
  srcBytes: usize,
  tiles: i32,
  panel: usize,
  end: usize,
  outPtr: usize,
  dstBytes: usize,
): void {
  // If there are fewer tiles than in a register tile, they are repeated, with the same bits.
  const src1 = tiles > 1 ? srcBytes : 0;
  const src2 = tiles > 2 ? srcBytes : 0;
  const src3 = tiles > 3 ? srcBytes : 0;
  const out1 = tiles > 1 ? dstBytes : 0;
  const out2 = tiles > 2 ? dstBytes : 0;
  const out3 = tiles > 3 ? dstBytes : 0;
  for (let next = 0; next < tiles; next += TILE_PIXELS) {
    // The last register tile ends with the last row.
    const row = max(min(next, tiles - TILE_PIXELS), 0);
    let a0 = srcPtr + <usize>row * srcBytes;
    let a1 = a0 + src1;
    let a2 = a1 + src2;
    let a3 = a2 + src3;
    let b = panel;
    let c00 = f32x4.splat(0),
      c01 = f32x4.splat(0);
    let c10 = f32x4.splat(0),
      c11 = f32x4.splat(0);
    let c20 = f32x4.splat(0),
      c21 = f32x4.splat(0);
    let c30 = f32x4.splat(0),
      c31 = f32x4.splat(0);
    do {
      // See SCHEDULING in convPanel.ts.
      let b0 = v128.load(b);
      let b1 = v128.load(b, 16);
      let v0 = splat(a0);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      let v1 = splat(a1);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      let v2 = splat(a2);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      let v3 = splat(a3);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      if (a0 == 0) break;
      b0 = v128.load(b, 32);
      b1 = v128.load(b, 48);
      v0 = v128.load_splat<f32>(a0, 4);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      v1 = v128.load_splat<f32>(a1, 4);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      v2 = v128.load_splat<f32>(a2, 4);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      v3 = v128.load_splat<f32>(a3, 4);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      if (a1 == 0) break;
      b0 = v128.load(b, 64);
      b1 = v128.load(b, 80);
      v0 = v128.load_splat<f32>(a0, 8);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      v1 = v128.load_splat<f32>(a1, 8);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      v2 = v128.load_splat<f32>(a2, 8);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      v3 = v128.load_splat<f32>(a3, 8);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      if (a2 == 0) break;
      b0 = v128.load(b, 96);
      b1 = v128.load(b, 112);
      v0 = v128.load_splat<f32>(a0, 12);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      v1 = v128.load_splat<f32>(a1, 12);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      v2 = v128.load_splat<f32>(a2, 12);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      v3 = v128.load_splat<f32>(a3, 12);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      a0 += 16;
      a1 += 16;
      a2 += 16;
      a3 += 16;
      b += 4 * PANEL_ROW_BYTES;
    } while (b != end);
    let o = outPtr + <usize>row * dstBytes;
    v128.store(o, c01, 16);
    v128.store(o, c00);
    o += out1;
    v128.store(o, c11, 16);
    v128.store(o, c10);
    o += out2;
    v128.store(o, c21, 16);
    v128.store(o, c20);
    o += out3;
    v128.store(o, c31, 16);
    v128.store(o, c30);
  }
}
