// The matrix products of Winograd's convolution: in each of the 16 places of a transformed tile one
// of [tiles, in] by [in, out], and for the weight gradient one of [in, tiles] by [tiles, out]. A
// register tile covers 4 rows x 8 columns; each element is ONE chain of multiply-adds.

import { PANEL_ROW_BYTES, splat, TILE_PIXELS } from './convTile';
import { mulAdd } from './math';

const PLACES: i32 = 16;

export function winogradProductsF32(
  srcPtr: usize,
  srcPlaneBytes: usize,
  tiles: i32,
  inChannels: i32,
  panelsPtr: usize,
  panelsPlaneBytes: usize,
  dstPtr: usize,
  dstPlaneBytes: usize,
  outChannels: i32,
): void {
  const srcBytes = (<usize>inChannels) << 2;
  const dstBytes = (<usize>outChannels) << 2;
  const panelBytes = <usize>inChannels * PANEL_ROW_BYTES;
  for (let place = PLACES; place > 0; place--) {
    let panel = panelsPtr;
    for (let out = dstPtr; out != dstPtr + dstBytes; out += PANEL_ROW_BYTES) {
      const panelEnd = panel + panelBytes;
      for (let next = 0; next < tiles; next += TILE_PIXELS) {
        // The last register tile ends with the last row; what it does again has the same bits.
        const row = min(next, tiles - TILE_PIXELS);
        let a0 = srcPtr + <usize>row * srcBytes;
        let a1 = a0 + srcBytes;
        let a2 = a1 + srcBytes;
        let a3 = a2 + srcBytes;
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
          // See SCHEDULING in conv.ts.
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
        } while (b != panelEnd);
        let o = out + <usize>row * dstBytes;
        v128.store(o, c00);
        v128.store(o, c01, 16);
        o += dstBytes;
        v128.store(o, c10);
        v128.store(o, c11, 16);
        o += dstBytes;
        v128.store(o, c20);
        v128.store(o, c21, 16);
        o += dstBytes;
        v128.store(o, c30);
        v128.store(o, c31, 16);
      }
      panel = panelEnd;
    }
    srcPtr += srcPlaneBytes;
    panelsPtr += panelsPlaneBytes;
    dstPtr += dstPlaneBytes;
  }
}

export function winogradGradProductsF32(
  srcPtr: usize,
  srcPlaneBytes: usize,
  tiles: i32,
  inChannels: i32,
  dyPtr: usize,
  dyPlaneBytes: usize,
  outChannels: i32,
  gradPtr: usize,
  gradPlaneBytes: usize,
  accumulate: i32,
): void {
  const srcBytes = (<usize>inChannels) << 2;
  const dyBytes = (<usize>outChannels) << 2;
  const pairsBytes = <usize>(tiles >> 1) * 2 * dyBytes;
  for (let place = PLACES; place > 0; place--) {
    for (let k: usize = 0; k < srcBytes; k += 16) {
      for (let channel: usize = 0; channel < dyBytes; channel += PANEL_ROW_BYTES) {
        let a = srcPtr + k;
        let b = dyPtr + channel;
        const pairsEnd = b + pairsBytes;
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
        const g0 = gradPtr + (k >> 2) * dyBytes + channel;
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
        v128.store(g0, c00);
        v128.store(g0, c01, 16);
        v128.store(g1, c10);
        v128.store(g1, c11, 16);
        v128.store(g2, c20);
        v128.store(g2, c21, 16);
        v128.store(g3, c30);
        v128.store(g3, c31, 16);
      }
    }
    srcPtr += srcPlaneBytes;
    dyPtr += dyPlaneBytes;
    gradPtr += gradPlaneBytes;
  }
}
