// Winograd's minimal filtering F(2x2, 3x3) for convolutions with stride 1 (Lavin and Gray 2016):
// tiles of 2x2 outputs need 16 products a channel instead of 36. The transforms are sums of
// vectors over channels; the 16 matrix products between them, one for each place (i, j) of a
// transformed tile, are in winogradProducts.ts. Data of a place lies together, in a plane.

import { PANEL_ROW_BYTES } from './convTile';

const VECTOR_BYTES: usize = 16;

@inline
function half(sum: v128): v128 {
  return f32x4.mul(sum, f32x4.splat(0.5));
}

/** Row i of B' d for the columns at p, p + pixelBytes, ..., times B; stored in 4 planes. */
@inline
function storeInputRow(
  dst: usize,
  planeBytes: usize,
  t0: v128,
  t1: v128,
  t2: v128,
  t3: v128,
): void {
  v128.store(dst, f32x4.sub(t0, t2));
  dst += planeBytes;
  v128.store(dst, f32x4.add(t1, t2));
  dst += planeBytes;
  v128.store(dst, f32x4.sub(t2, t1));
  dst += planeBytes;
  v128.store(dst, f32x4.sub(t1, t3));
}

export function winogradInputF32(
  xPtr: usize,
  rowBytes: usize,
  tileRows: i32,
  tileColumns: i32,
  channels: i32,
  dstPtr: usize,
  planeBytes: usize,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const planes4 = planeBytes << 2;
  for (; tileRows > 0; tileRows--) {
    let x = xPtr;
    for (let column = tileColumns; column > 0; column--) {
      for (const end = x + pixelBytes; x != end; x += VECTOR_BYTES) {
        const x0 = x;
        const x1 = x0 + rowBytes;
        const x2 = x1 + rowBytes;
        const x3 = x2 + rowBytes;
        const at1 = pixelBytes;
        const at2 = pixelBytes << 1;
        const at3 = at1 + at2;
        let dst = dstPtr;
        storeInputRow(
          dst,
          planeBytes,
          f32x4.sub(v128.load(x0), v128.load(x2)),
          f32x4.sub(v128.load(x0 + at1), v128.load(x2 + at1)),
          f32x4.sub(v128.load(x0 + at2), v128.load(x2 + at2)),
          f32x4.sub(v128.load(x0 + at3), v128.load(x2 + at3)),
        );
        dst += planes4;
        storeInputRow(
          dst,
          planeBytes,
          f32x4.add(v128.load(x1), v128.load(x2)),
          f32x4.add(v128.load(x1 + at1), v128.load(x2 + at1)),
          f32x4.add(v128.load(x1 + at2), v128.load(x2 + at2)),
          f32x4.add(v128.load(x1 + at3), v128.load(x2 + at3)),
        );
        dst += planes4;
        storeInputRow(
          dst,
          planeBytes,
          f32x4.sub(v128.load(x2), v128.load(x1)),
          f32x4.sub(v128.load(x2 + at1), v128.load(x1 + at1)),
          f32x4.sub(v128.load(x2 + at2), v128.load(x1 + at2)),
          f32x4.sub(v128.load(x2 + at3), v128.load(x1 + at3)),
        );
        dst += planes4;
        storeInputRow(
          dst,
          planeBytes,
          f32x4.sub(v128.load(x1), v128.load(x3)),
          f32x4.sub(v128.load(x1 + at1), v128.load(x3 + at1)),
          f32x4.sub(v128.load(x1 + at2), v128.load(x3 + at2)),
          f32x4.sub(v128.load(x1 + at3), v128.load(x3 + at3)),
        );
        dstPtr += VECTOR_BYTES;
      }
      x += pixelBytes;
    }
    xPtr += rowBytes << 1;
  }
}

/** One row of A dy A', from the two values (left, right) of A dy. */
@inline
function storeGradRow(dst: usize, planeBytes: usize, left: v128, right: v128): void {
  v128.store(dst, left);
  dst += planeBytes;
  v128.store(dst, f32x4.add(left, right));
  dst += planeBytes;
  v128.store(dst, f32x4.sub(left, right));
  dst += planeBytes;
  v128.store(dst, f32x4.neg(right));
}

export function winogradOutputGradF32(
  dyPtr: usize,
  rowBytes: usize,
  tileRows: i32,
  tileColumns: i32,
  channels: i32,
  dstPtr: usize,
  planeBytes: usize,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const planes4 = planeBytes << 2;
  for (; tileRows > 0; tileRows--) {
    let dy = dyPtr;
    for (let column = tileColumns; column > 0; column--) {
      for (const end = dy + pixelBytes; dy != end; dy += VECTOR_BYTES) {
        const y00 = v128.load(dy);
        const y01 = v128.load(dy + pixelBytes);
        const y10 = v128.load(dy + rowBytes);
        const y11 = v128.load(dy + rowBytes + pixelBytes);
        let dst = dstPtr;
        storeGradRow(dst, planeBytes, y00, y01);
        dst += planes4;
        storeGradRow(dst, planeBytes, f32x4.add(y00, y10), f32x4.add(y01, y11));
        dst += planes4;
        storeGradRow(dst, planeBytes, f32x4.sub(y00, y10), f32x4.sub(y01, y11));
        dst += planes4;
        storeGradRow(dst, planeBytes, f32x4.neg(y10), f32x4.neg(y11));
        dstPtr += VECTOR_BYTES;
      }
      dy += pixelBytes;
    }
    dyPtr += rowBytes << 1;
  }
}

/** m0 + m1 + m2 of the places `step` apart. */
@inline
function upper(m0: v128, m1: v128, m2: v128): v128 {
  return f32x4.add(f32x4.add(m0, m1), m2);
}

/** m1 - m2 - m3. */
@inline
function lower(m1: v128, m2: v128, m3: v128): v128 {
  return f32x4.sub(f32x4.sub(m1, m2), m3);
}

export function winogradOutputF32(
  srcPtr: usize,
  planeBytes: usize,
  tileRows: i32,
  tileColumns: i32,
  channels: i32,
  biasPtr: usize,
  outPtr: usize,
  outHeight: i32,
  outWidth: i32,
): void {
  const pixelBytes = (<usize>channels) << 2;
  const rowBytes = <usize>outWidth * pixelBytes;
  const planes4 = planeBytes << 2;
  for (let tileRow = 0; tileRow < tileRows; tileRow++) {
    const hasLower = 2 * tileRow + 1 < outHeight;
    for (let tileColumn = 0; tileColumn < tileColumns; tileColumn++) {
      const hasRight = 2 * tileColumn + 1 < outWidth;
      let out = outPtr + <usize>(2 * tileRow) * rowBytes + <usize>(2 * tileColumn) * pixelBytes;
      let bias = biasPtr;
      for (const end = out + pixelBytes; out != end; out += VECTOR_BYTES) {
        let m0 = srcPtr;
        let m1 = m0 + planes4;
        let m2 = m1 + planes4;
        let m3 = m2 + planes4;
        let above = v128.load(m1);
        let below = v128.load(m2);
        const u0 = upper(v128.load(m0), above, below);
        const l0 = lower(above, below, v128.load(m3));
        m0 += planeBytes;
        m1 += planeBytes;
        m2 += planeBytes;
        m3 += planeBytes;
        above = v128.load(m1);
        below = v128.load(m2);
        const u1 = upper(v128.load(m0), above, below);
        const l1 = lower(above, below, v128.load(m3));
        m0 += planeBytes;
        m1 += planeBytes;
        m2 += planeBytes;
        m3 += planeBytes;
        above = v128.load(m1);
        below = v128.load(m2);
        const u2 = upper(v128.load(m0), above, below);
        const l2 = lower(above, below, v128.load(m3));
        m0 += planeBytes;
        m1 += planeBytes;
        m2 += planeBytes;
        m3 += planeBytes;
        above = v128.load(m1);
        below = v128.load(m2);
        const u3 = upper(v128.load(m0), above, below);
        const l3 = lower(above, below, v128.load(m3));
        const shift = biasPtr ? v128.load(bias) : f32x4.splat(0);
        v128.store(out, f32x4.add(upper(u0, u1, u2), shift));
        if (hasRight) v128.store(out + pixelBytes, f32x4.add(lower(u1, u2, u3), shift));
        if (hasLower) {
          v128.store(out + rowBytes, f32x4.add(upper(l0, l1, l2), shift));
          if (hasRight) {
            v128.store(out + rowBytes + pixelBytes, f32x4.add(lower(l1, l2, l3), shift));
          }
        }
        srcPtr += VECTOR_BYTES;
        if (biasPtr) bias += VECTOR_BYTES;
      }
    }
  }
}

/** One row of G g G', from a row (r0, r1, r2) of G g. */
@inline
function storeWeightRow(dst: usize, planeBytes: usize, r0: v128, r1: v128, r2: v128): void {
  const outer = f32x4.add(r0, r2);
  v128.store(dst, r0);
  dst += planeBytes;
  v128.store(dst, half(f32x4.add(outer, r1)));
  dst += planeBytes;
  v128.store(dst, half(f32x4.sub(outer, r1)));
  dst += planeBytes;
  v128.store(dst, r2);
}

export function winogradWeightsF32(
  weightPtr: usize,
  inChannels: i32,
  outChannels: i32,
  dstPtr: usize,
  planeBytes: usize,
): void {
  const tapBytes = (<usize>(inChannels * outChannels)) << 2;
  const rowBytes = (<usize>outChannels) << 2;
  for (let channel: usize = 0; channel < rowBytes; channel += PANEL_ROW_BYTES) {
    let w = weightPtr + channel;
    for (let input = inChannels; input > 0; input--) {
      for (let part: usize = 0; part < PANEL_ROW_BYTES; part += VECTOR_BYTES) {
        const g0 = w + part;
        const g1 = g0 + 3 * tapBytes;
        const g2 = g1 + 3 * tapBytes;
        const a0 = v128.load(g0),
          a1 = v128.load(g0 + tapBytes),
          a2 = v128.load(g0 + 2 * tapBytes);
        const c0 = v128.load(g2),
          c1 = v128.load(g2 + tapBytes),
          c2 = v128.load(g2 + 2 * tapBytes);
        const b0 = v128.load(g1),
          b1 = v128.load(g1 + tapBytes),
          b2 = v128.load(g1 + 2 * tapBytes);
        const s0 = f32x4.add(a0, c0),
          s1 = f32x4.add(a1, c1),
          s2 = f32x4.add(a2, c2);
        let dst = dstPtr + part;
        storeWeightRow(dst, planeBytes, a0, a1, a2);
        dst += planeBytes << 2;
        storeWeightRow(
          dst,
          planeBytes,
          half(f32x4.add(s0, b0)),
          half(f32x4.add(s1, b1)),
          half(f32x4.add(s2, b2)),
        );
        dst += planeBytes << 2;
        storeWeightRow(
          dst,
          planeBytes,
          half(f32x4.sub(s0, b0)),
          half(f32x4.sub(s1, b1)),
          half(f32x4.sub(s2, b2)),
        );
        dst += planeBytes << 2;
        storeWeightRow(dst, planeBytes, c0, c1, c2);
      }
      dstPtr += PANEL_ROW_BYTES;
      w += rowBytes;
    }
  }
}

/** The 3 sums of G' u for 4 values u. */
@inline
function storeWeightGradRow(
  dst: usize,
  tapBytes: usize,
  u0: v128,
  u1: v128,
  u2: v128,
  u3: v128,
): void {
  const sum = half(f32x4.add(u1, u2));
  v128.store(dst, f32x4.add(u0, sum));
  v128.store(dst + tapBytes, half(f32x4.sub(u1, u2)));
  v128.store(dst + 2 * tapBytes, f32x4.add(sum, u3));
}

export function winogradWeightGradF32(
  srcPtr: usize,
  planeBytes: usize,
  length: i32,
  gradPtr: usize,
): void {
  const tapBytes = (<usize>length) << 2;
  const planes4 = planeBytes << 2;
  const at2 = planeBytes << 1;
  const at3 = at2 + planeBytes;
  for (const end = srcPtr + tapBytes; srcPtr != end; srcPtr += VECTOR_BYTES) {
    const m0 = srcPtr;
    const m1 = m0 + planes4;
    const m2 = m1 + planes4;
    const m3 = m2 + planes4;
    storeWeightGradRow(
      gradPtr,
      tapBytes,
      f32x4.add(v128.load(m0), half(f32x4.add(v128.load(m1), v128.load(m2)))),
      f32x4.add(
        v128.load(m0 + planeBytes),
        half(f32x4.add(v128.load(m1 + planeBytes), v128.load(m2 + planeBytes))),
      ),
      f32x4.add(v128.load(m0 + at2), half(f32x4.add(v128.load(m1 + at2), v128.load(m2 + at2)))),
      f32x4.add(v128.load(m0 + at3), half(f32x4.add(v128.load(m1 + at3), v128.load(m2 + at3)))),
    );
    storeWeightGradRow(
      gradPtr + 3 * tapBytes,
      tapBytes,
      half(f32x4.sub(v128.load(m1), v128.load(m2))),
      half(f32x4.sub(v128.load(m1 + planeBytes), v128.load(m2 + planeBytes))),
      half(f32x4.sub(v128.load(m1 + at2), v128.load(m2 + at2))),
      half(f32x4.sub(v128.load(m1 + at3), v128.load(m2 + at3))),
    );
    storeWeightGradRow(
      gradPtr + 6 * tapBytes,
      tapBytes,
      f32x4.add(half(f32x4.add(v128.load(m1), v128.load(m2))), v128.load(m3)),
      f32x4.add(
        half(f32x4.add(v128.load(m1 + planeBytes), v128.load(m2 + planeBytes))),
        v128.load(m3 + planeBytes),
      ),
      f32x4.add(half(f32x4.add(v128.load(m1 + at2), v128.load(m2 + at2))), v128.load(m3 + at2)),
      f32x4.add(half(f32x4.add(v128.load(m1 + at3), v128.load(m2 + at3))), v128.load(m3 + at3)),
    );
    gradPtr += VECTOR_BYTES;
  }
}
