// The products of Winograd places in the wide build (winogradProducts.ts): register tiles of 6 rows
// x 16 columns, and of 4 rows for the rest; see convWide.ts.

import { PANEL_ROW_BYTES, storeSixteen, TILE_PIXELS } from './convTile';
import { rowsInSixes, WIDE_ROWS } from './convWide';
import { mulAdd } from './math';

/** Multiplies all tiles by two panels. */
export function pairProducts(
  srcPtr: usize,
  srcBytes: usize,
  tiles: i32,
  panel: usize,
  panelBytes: usize,
  outPtr: usize,
  dstBytes: usize,
): void {
  const sixes = rowsInSixes(tiles);
  if (sixes > 0) productsOfSix(srcPtr, srcBytes, sixes, panel, panelBytes, outPtr, dstBytes);
  if (sixes < tiles) {
    const src = srcPtr + <usize>sixes * srcBytes;
    const out = outPtr + <usize>sixes * dstBytes;
    productsOfFour(src, srcBytes, tiles - sixes, panel, panelBytes, out, dstBytes);
  }
}

/** Multiplies tiles by two panels, six at a time; the last register tile ends with the last row. */
function productsOfSix(
  srcPtr: usize,
  srcBytes: usize,
  tiles: i32,
  panel: usize,
  panelBytes: usize,
  outPtr: usize,
  dstBytes: usize,
): void {
  const end = panel + panelBytes;
  for (let next = 0; next < tiles; next += WIDE_ROWS) {
    const row = min(next, tiles - WIDE_ROWS);
    let a0 = srcPtr + <usize>row * srcBytes;
    let a1 = a0 + srcBytes;
    let a2 = a1 + srcBytes;
    let a3 = a2 + srcBytes;
    let a4 = a3 + srcBytes;
    let a5 = a4 + srcBytes;
    let b = panel;
    let d = end;
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
    let c40 = f32x4.splat(0),
      c41 = f32x4.splat(0),
      c42 = f32x4.splat(0),
      c43 = f32x4.splat(0);
    let c50 = f32x4.splat(0),
      c51 = f32x4.splat(0),
      c52 = f32x4.splat(0),
      c53 = f32x4.splat(0);
    do {
      let b0 = v128.load(b);
      let b1 = v128.load(b, 16);
      let b2 = v128.load(d);
      let b3 = v128.load(d, 16);
      let v0 = v128.load_splat<f32>(a0);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      c02 = mulAdd(v0, b2, c02);
      c03 = mulAdd(v0, b3, c03);
      let v1 = v128.load_splat<f32>(a1);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      c12 = mulAdd(v1, b2, c12);
      c13 = mulAdd(v1, b3, c13);
      let v2 = v128.load_splat<f32>(a2);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      c22 = mulAdd(v2, b2, c22);
      c23 = mulAdd(v2, b3, c23);
      let v3 = v128.load_splat<f32>(a3);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      c32 = mulAdd(v3, b2, c32);
      c33 = mulAdd(v3, b3, c33);
      let v4 = v128.load_splat<f32>(a4);
      c40 = mulAdd(v4, b0, c40);
      c41 = mulAdd(v4, b1, c41);
      c42 = mulAdd(v4, b2, c42);
      c43 = mulAdd(v4, b3, c43);
      let v5 = v128.load_splat<f32>(a5);
      c50 = mulAdd(v5, b0, c50);
      c51 = mulAdd(v5, b1, c51);
      c52 = mulAdd(v5, b2, c52);
      c53 = mulAdd(v5, b3, c53);
      // See SCHEDULING in convPanel.ts.
      if (a0 == 0) break;
      b0 = v128.load(b, 32);
      b1 = v128.load(b, 48);
      b2 = v128.load(d, 32);
      b3 = v128.load(d, 48);
      v0 = v128.load_splat<f32>(a0, 4);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      c02 = mulAdd(v0, b2, c02);
      c03 = mulAdd(v0, b3, c03);
      v1 = v128.load_splat<f32>(a1, 4);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      c12 = mulAdd(v1, b2, c12);
      c13 = mulAdd(v1, b3, c13);
      v2 = v128.load_splat<f32>(a2, 4);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      c22 = mulAdd(v2, b2, c22);
      c23 = mulAdd(v2, b3, c23);
      v3 = v128.load_splat<f32>(a3, 4);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      c32 = mulAdd(v3, b2, c32);
      c33 = mulAdd(v3, b3, c33);
      v4 = v128.load_splat<f32>(a4, 4);
      c40 = mulAdd(v4, b0, c40);
      c41 = mulAdd(v4, b1, c41);
      c42 = mulAdd(v4, b2, c42);
      c43 = mulAdd(v4, b3, c43);
      v5 = v128.load_splat<f32>(a5, 4);
      c50 = mulAdd(v5, b0, c50);
      c51 = mulAdd(v5, b1, c51);
      c52 = mulAdd(v5, b2, c52);
      c53 = mulAdd(v5, b3, c53);
      if (a1 == 0) break;
      b0 = v128.load(b, 64);
      b1 = v128.load(b, 80);
      b2 = v128.load(d, 64);
      b3 = v128.load(d, 80);
      v0 = v128.load_splat<f32>(a0, 8);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      c02 = mulAdd(v0, b2, c02);
      c03 = mulAdd(v0, b3, c03);
      v1 = v128.load_splat<f32>(a1, 8);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      c12 = mulAdd(v1, b2, c12);
      c13 = mulAdd(v1, b3, c13);
      v2 = v128.load_splat<f32>(a2, 8);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      c22 = mulAdd(v2, b2, c22);
      c23 = mulAdd(v2, b3, c23);
      v3 = v128.load_splat<f32>(a3, 8);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      c32 = mulAdd(v3, b2, c32);
      c33 = mulAdd(v3, b3, c33);
      v4 = v128.load_splat<f32>(a4, 8);
      c40 = mulAdd(v4, b0, c40);
      c41 = mulAdd(v4, b1, c41);
      c42 = mulAdd(v4, b2, c42);
      c43 = mulAdd(v4, b3, c43);
      v5 = v128.load_splat<f32>(a5, 8);
      c50 = mulAdd(v5, b0, c50);
      c51 = mulAdd(v5, b1, c51);
      c52 = mulAdd(v5, b2, c52);
      c53 = mulAdd(v5, b3, c53);
      if (a2 == 0) break;
      b0 = v128.load(b, 96);
      b1 = v128.load(b, 112);
      b2 = v128.load(d, 96);
      b3 = v128.load(d, 112);
      v0 = v128.load_splat<f32>(a0, 12);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      c02 = mulAdd(v0, b2, c02);
      c03 = mulAdd(v0, b3, c03);
      v1 = v128.load_splat<f32>(a1, 12);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      c12 = mulAdd(v1, b2, c12);
      c13 = mulAdd(v1, b3, c13);
      v2 = v128.load_splat<f32>(a2, 12);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      c22 = mulAdd(v2, b2, c22);
      c23 = mulAdd(v2, b3, c23);
      v3 = v128.load_splat<f32>(a3, 12);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      c32 = mulAdd(v3, b2, c32);
      c33 = mulAdd(v3, b3, c33);
      v4 = v128.load_splat<f32>(a4, 12);
      c40 = mulAdd(v4, b0, c40);
      c41 = mulAdd(v4, b1, c41);
      c42 = mulAdd(v4, b2, c42);
      c43 = mulAdd(v4, b3, c43);
      v5 = v128.load_splat<f32>(a5, 12);
      c50 = mulAdd(v5, b0, c50);
      c51 = mulAdd(v5, b1, c51);
      c52 = mulAdd(v5, b2, c52);
      c53 = mulAdd(v5, b3, c53);
      a0 += 16;
      a1 += 16;
      a2 += 16;
      a3 += 16;
      a4 += 16;
      a5 += 16;
      b += 4 * PANEL_ROW_BYTES;
      d += 4 * PANEL_ROW_BYTES;
    } while (b != end);
    let o = outPtr + <usize>row * dstBytes;
    storeSixteen(o, c00, c01, c02, c03);
    o += dstBytes;
    storeSixteen(o, c10, c11, c12, c13);
    o += dstBytes;
    storeSixteen(o, c20, c21, c22, c23);
    o += dstBytes;
    storeSixteen(o, c30, c31, c32, c33);
    o += dstBytes;
    storeSixteen(o, c40, c41, c42, c43);
    o += dstBytes;
    storeSixteen(o, c50, c51, c52, c53);
  }
}

/** Multiplies tiles by two panels, four at a time; fewer tiles are repeated. */
function productsOfFour(
  srcPtr: usize,
  srcBytes: usize,
  tiles: i32,
  panel: usize,
  panelBytes: usize,
  outPtr: usize,
  dstBytes: usize,
): void {
  const src1 = tiles > 1 ? srcBytes : 0;
  const src2 = tiles > 2 ? srcBytes : 0;
  const src3 = tiles > 3 ? srcBytes : 0;
  const out1 = tiles > 1 ? dstBytes : 0;
  const out2 = tiles > 2 ? dstBytes : 0;
  const out3 = tiles > 3 ? dstBytes : 0;
  const end = panel + panelBytes;
  for (let next = 0; next < tiles; next += TILE_PIXELS) {
    const row = max(min(next, tiles - TILE_PIXELS), 0);
    let a0 = srcPtr + <usize>row * srcBytes;
    let a1 = a0 + src1;
    let a2 = a1 + src2;
    let a3 = a2 + src3;
    let b = panel;
    let d = end;
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
    do {
      let b0 = v128.load(b);
      let b1 = v128.load(b, 16);
      let b2 = v128.load(d);
      let b3 = v128.load(d, 16);
      let v0 = v128.load_splat<f32>(a0);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      c02 = mulAdd(v0, b2, c02);
      c03 = mulAdd(v0, b3, c03);
      let v1 = v128.load_splat<f32>(a1);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      c12 = mulAdd(v1, b2, c12);
      c13 = mulAdd(v1, b3, c13);
      let v2 = v128.load_splat<f32>(a2);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      c22 = mulAdd(v2, b2, c22);
      c23 = mulAdd(v2, b3, c23);
      let v3 = v128.load_splat<f32>(a3);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      c32 = mulAdd(v3, b2, c32);
      c33 = mulAdd(v3, b3, c33);
      // See SCHEDULING in convPanel.ts.
      if (a0 == 0) break;
      b0 = v128.load(b, 32);
      b1 = v128.load(b, 48);
      b2 = v128.load(d, 32);
      b3 = v128.load(d, 48);
      v0 = v128.load_splat<f32>(a0, 4);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      c02 = mulAdd(v0, b2, c02);
      c03 = mulAdd(v0, b3, c03);
      v1 = v128.load_splat<f32>(a1, 4);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      c12 = mulAdd(v1, b2, c12);
      c13 = mulAdd(v1, b3, c13);
      v2 = v128.load_splat<f32>(a2, 4);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      c22 = mulAdd(v2, b2, c22);
      c23 = mulAdd(v2, b3, c23);
      v3 = v128.load_splat<f32>(a3, 4);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      c32 = mulAdd(v3, b2, c32);
      c33 = mulAdd(v3, b3, c33);
      if (a1 == 0) break;
      b0 = v128.load(b, 64);
      b1 = v128.load(b, 80);
      b2 = v128.load(d, 64);
      b3 = v128.load(d, 80);
      v0 = v128.load_splat<f32>(a0, 8);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      c02 = mulAdd(v0, b2, c02);
      c03 = mulAdd(v0, b3, c03);
      v1 = v128.load_splat<f32>(a1, 8);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      c12 = mulAdd(v1, b2, c12);
      c13 = mulAdd(v1, b3, c13);
      v2 = v128.load_splat<f32>(a2, 8);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      c22 = mulAdd(v2, b2, c22);
      c23 = mulAdd(v2, b3, c23);
      v3 = v128.load_splat<f32>(a3, 8);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      c32 = mulAdd(v3, b2, c32);
      c33 = mulAdd(v3, b3, c33);
      if (a2 == 0) break;
      b0 = v128.load(b, 96);
      b1 = v128.load(b, 112);
      b2 = v128.load(d, 96);
      b3 = v128.load(d, 112);
      v0 = v128.load_splat<f32>(a0, 12);
      c00 = mulAdd(v0, b0, c00);
      c01 = mulAdd(v0, b1, c01);
      c02 = mulAdd(v0, b2, c02);
      c03 = mulAdd(v0, b3, c03);
      v1 = v128.load_splat<f32>(a1, 12);
      c10 = mulAdd(v1, b0, c10);
      c11 = mulAdd(v1, b1, c11);
      c12 = mulAdd(v1, b2, c12);
      c13 = mulAdd(v1, b3, c13);
      v2 = v128.load_splat<f32>(a2, 12);
      c20 = mulAdd(v2, b0, c20);
      c21 = mulAdd(v2, b1, c21);
      c22 = mulAdd(v2, b2, c22);
      c23 = mulAdd(v2, b3, c23);
      v3 = v128.load_splat<f32>(a3, 12);
      c30 = mulAdd(v3, b0, c30);
      c31 = mulAdd(v3, b1, c31);
      c32 = mulAdd(v3, b2, c32);
      c33 = mulAdd(v3, b3, c33);
      a0 += 16;
      a1 += 16;
      a2 += 16;
      a3 += 16;
      b += 4 * PANEL_ROW_BYTES;
      d += 4 * PANEL_ROW_BYTES;
    } while (b != end);
    let o = outPtr + <usize>row * dstBytes;
    storeSixteen(o, c00, c01, c02, c03);
    o += out1;
    storeSixteen(o, c10, c11, c12, c13);
    o += out2;
    storeSixteen(o, c20, c21, c22, c23);
    o += out3;
    storeSixteen(o, c30, c31, c32, c33);
  }
}
