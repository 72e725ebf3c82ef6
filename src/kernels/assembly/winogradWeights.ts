// Winograd's transforms of weights and of their gradients, F(4x4, 3x3); see ../abi/winograd.ts.

import { IS_WIDE } from './build';
import { PANEL_ROW_BYTES, storeTransposed } from './convTile';
import { mulAdd, negMulAdd } from './math';
import { constant, loadSecond, storeTurn, TURN_BYTES } from './turn';
import { POINTS } from './winogradPlaces';

/** The bytes of a gradient line that are transformed at once; scratch holds 18 such lines. */
const PART_BYTES: usize = 512;
const PANEL_CHANNELS: i32 = 8;
/** The bytes of an input channel that are read at once: in the wide build one cache line, which is
 * two panels. */
const READ_BYTES: usize = IS_WIDE ? 64 : PANEL_ROW_BYTES;

const THIRD: f32 = 0.3333333333333333;
const TWO_THIRDS: f32 = 0.6666666666666666;
const SIXTH: f32 = 0.16666666666666666;
const ROOT_THIRD: f32 = 0.47140452079103168;
const ROOT_SIXTH: f32 = 0.23570226039551584;

/** c0 g0 + c2 g2: the common part of the points p and -p. */
@inline
function evenPart(c0: v128, c2: v128, g0: v128, g2: v128): v128 {
  return mulAdd(c0, g0, f32x4.mul(c2, g2));
}

/** Computes one row of (G g) G' for both vectors of a turn, from (r0, r1, r2) and (q0, q1, q2) of G
 * g, and stores it in 6 planes. */
@inline
function storeWeightRow(
  dst: usize,
  planeBytes: usize,
  third: v128,
  minusThird: v128,
  minusTwoThirds: v128,
  sixth: v128,
  rootA: v128,
  rootB: v128,
  r0: v128,
  r1: v128,
  r2: v128,
  q0: v128,
  q1: v128,
  q2: v128,
): void {
  storeTurn(dst, r0, q0);
  dst += planeBytes;
  const rA = evenPart(minusTwoThirds, minusThird, r0, r2);
  const qA = evenPart(minusTwoThirds, minusThird, q0, q2);
  storeTurn(dst, negMulAdd(rootA, r1, rA), negMulAdd(rootA, q1, qA));
  dst += planeBytes;
  storeTurn(dst, mulAdd(rootA, r1, rA), mulAdd(rootA, q1, qA));
  dst += planeBytes;
  storeTurn(dst, r2, q2);
  dst += planeBytes;
  const rB = evenPart(sixth, third, r0, r2);
  const qB = evenPart(sixth, third, q0, q2);
  storeTurn(dst, mulAdd(rootB, r1, rB), mulAdd(rootB, q1, qB));
  dst += planeBytes;
  storeTurn(dst, negMulAdd(rootB, r1, rB), negMulAdd(rootB, q1, qB));
}

export function winogradWeightsF32(
  weightPtr: usize,
  tapBytes: usize,
  rowBytes: usize,
  inChannels: i32,
  outChannels: i32,
  dstPtr: usize,
  planeBytes: usize,
): void {
  const channelBytes = (<usize>outChannels) << 2;
  const rowPlanes = <usize>POINTS * planeBytes;
  const third = constant(THIRD, dstPtr);
  const minusThird = constant(-THIRD, dstPtr);
  const minusTwoThirds = constant(-TWO_THIRDS, dstPtr);
  const sixth = constant(SIXTH, dstPtr);
  const rootA = constant(ROOT_THIRD, dstPtr);
  const rootB = constant(ROOT_SIXTH, dstPtr);
  const panelBytes = <usize>inChannels * PANEL_ROW_BYTES;
  for (let channel: usize = 0; channel < channelBytes; channel += READ_BYTES) {
    const bytes = min(channelBytes - channel, READ_BYTES);
    let w = weightPtr + channel;
    for (let input = inChannels; input > 0; input--) {
      let to = dstPtr;
      for (let part: usize = 0; part < bytes; part += TURN_BYTES) {
        if (part == PANEL_ROW_BYTES) to = dstPtr + panelBytes;
        const g0 = w + part;
        const g1 = g0 + 3 * tapBytes;
        const g2 = g1 + 3 * tapBytes;
        const x0 = v128.load(g0);
        const x0w = loadSecond(g0, x0);
        const x1 = v128.load(g0 + tapBytes);
        const x1w = loadSecond(g0 + tapBytes, x1);
        const x2 = v128.load(g0 + 2 * tapBytes);
        const x2w = loadSecond(g0 + 2 * tapBytes, x2);
        const y0 = v128.load(g1);
        const y0w = loadSecond(g1, y0);
        const y1 = v128.load(g1 + tapBytes);
        const y1w = loadSecond(g1 + tapBytes, y1);
        const y2 = v128.load(g1 + 2 * tapBytes);
        const y2w = loadSecond(g1 + 2 * tapBytes, y2);
        const z0 = v128.load(g2);
        const z0w = loadSecond(g2, z0);
        const z1 = v128.load(g2 + tapBytes);
        const z1w = loadSecond(g2 + tapBytes, z1);
        const z2 = v128.load(g2 + 2 * tapBytes);
        const z2w = loadSecond(g2 + 2 * tapBytes, z2);
        let dst = to;
        storeWeightRow(
          dst,
          planeBytes,
          third,
          minusThird,
          minusTwoThirds,
          sixth,
          rootA,
          rootB,
          x0,
          x1,
          x2,
          x0w,
          x1w,
          x2w,
        );
        dst += rowPlanes;
        const a0 = evenPart(minusTwoThirds, minusThird, x0, z0);
        const a0w = evenPart(minusTwoThirds, minusThird, x0w, z0w);
        const a1 = evenPart(minusTwoThirds, minusThird, x1, z1);
        const a1w = evenPart(minusTwoThirds, minusThird, x1w, z1w);
        const a2 = evenPart(minusTwoThirds, minusThird, x2, z2);
        const a2w = evenPart(minusTwoThirds, minusThird, x2w, z2w);
        storeWeightRow(
          dst,
          planeBytes,
          third,
          minusThird,
          minusTwoThirds,
          sixth,
          rootA,
          rootB,
          negMulAdd(rootA, y0, a0),
          negMulAdd(rootA, y1, a1),
          negMulAdd(rootA, y2, a2),
          negMulAdd(rootA, y0w, a0w),
          negMulAdd(rootA, y1w, a1w),
          negMulAdd(rootA, y2w, a2w),
        );
        dst += rowPlanes;
        storeWeightRow(
          dst,
          planeBytes,
          third,
          minusThird,
          minusTwoThirds,
          sixth,
          rootA,
          rootB,
          mulAdd(rootA, y0, a0),
          mulAdd(rootA, y1, a1),
          mulAdd(rootA, y2, a2),
          mulAdd(rootA, y0w, a0w),
          mulAdd(rootA, y1w, a1w),
          mulAdd(rootA, y2w, a2w),
        );
        dst += rowPlanes;
        storeWeightRow(
          dst,
          planeBytes,
          third,
          minusThird,
          minusTwoThirds,
          sixth,
          rootA,
          rootB,
          z0,
          z1,
          z2,
          z0w,
          z1w,
          z2w,
        );
        dst += rowPlanes;
        const b0 = evenPart(sixth, third, x0, z0);
        const b0w = evenPart(sixth, third, x0w, z0w);
        const b1 = evenPart(sixth, third, x1, z1);
        const b1w = evenPart(sixth, third, x1w, z1w);
        const b2 = evenPart(sixth, third, x2, z2);
        const b2w = evenPart(sixth, third, x2w, z2w);
        storeWeightRow(
          dst,
          planeBytes,
          third,
          minusThird,
          minusTwoThirds,
          sixth,
          rootA,
          rootB,
          mulAdd(rootB, y0, b0),
          mulAdd(rootB, y1, b1),
          mulAdd(rootB, y2, b2),
          mulAdd(rootB, y0w, b0w),
          mulAdd(rootB, y1w, b1w),
          mulAdd(rootB, y2w, b2w),
        );
        dst += rowPlanes;
        storeWeightRow(
          dst,
          planeBytes,
          third,
          minusThird,
          minusTwoThirds,
          sixth,
          rootA,
          rootB,
          negMulAdd(rootB, y0, b0),
          negMulAdd(rootB, y1, b1),
          negMulAdd(rootB, y2, b2),
          negMulAdd(rootB, y0w, b0w),
          negMulAdd(rootB, y1w, b1w),
          negMulAdd(rootB, y2w, b2w),
        );
        to += TURN_BYTES;
      }
      dstPtr += PANEL_ROW_BYTES;
      w += rowBytes;
    }
    if (IS_WIDE) dstPtr += panelBytes;
  }
}

/** The place of a point's reciprocal. A kernel rotated by 180 degrees has the value there that the
 * kernel has at the point, times {@link turnedScale}. */
@inline
function reciprocal(point: i32): i32 {
  return (point + 3) % POINTS;
}

/** p^2 N(1 / p) / N(p) of point p, where N is the divisor of the row of G. */
@inline
function turnedScale(point: i32): f32 {
  const within = point % 3;
  if (within == 0) return 1;
  return point < 3 ? -2 : -0.5;
}

export function winogradTurnPanelsF32(
  panelsPtr: usize,
  inChannels: i32,
  outChannels: i32,
  planeBytes: usize,
  dstPtr: usize,
): void {
  const dstPanelBytes = <usize>outChannels * PANEL_ROW_BYTES;
  for (let i = 0; i < POINTS; i++) {
    for (let j = 0; j < POINTS; j++) {
      const scale = f32x4.splat(turnedScale(i) * turnedScale(j));
      const place = reciprocal(i) * POINTS + reciprocal(j);
      let src = panelsPtr + <usize>place * planeBytes;
      let dst = dstPtr;
      for (let output = 0; output < outChannels; output += PANEL_CHANNELS) {
        let to = dst;
        for (let input = 0; input < inChannels; input += PANEL_CHANNELS) {
          turnBlock(src, to, scale);
          turnBlock(src + 4 * PANEL_ROW_BYTES, to + 16, scale);
          turnBlock(src + 16, to + 4 * PANEL_ROW_BYTES, scale);
          turnBlock(src + 4 * PANEL_ROW_BYTES + 16, to + 4 * PANEL_ROW_BYTES + 16, scale);
          src += PANEL_CHANNELS * PANEL_ROW_BYTES;
          to += dstPanelBytes;
        }
        dst += PANEL_CHANNELS * PANEL_ROW_BYTES;
      }
      dstPtr += planeBytes;
    }
  }
}

/** Transposes 4x4 values of panels, times `scale`. */
@inline
function turnBlock(src: usize, dst: usize, scale: v128): void {
  const r0 = f32x4.mul(v128.load(src), scale);
  const r1 = f32x4.mul(v128.load(src, 32), scale);
  const r2 = f32x4.mul(v128.load(src, 64), scale);
  const r3 = f32x4.mul(v128.load(src, 96), scale);
  storeTransposed(r0, r1, r2, r3, dst);
}

/** The first of the 3 values of G' u. */
@inline
function tap0(
  minusTwoThirds: v128,
  sixth: v128,
  u0: v128,
  plusA: v128,
  minusA: v128,
  plusB: v128,
  minusB: v128,
): v128 {
  const b = mulAdd(sixth, f32x4.add(plusB, minusB), u0);
  return mulAdd(minusTwoThirds, f32x4.add(plusA, minusA), b);
}

/** The second. */
@inline
function tap1(
  minusRootA: v128,
  rootB: v128,
  plusA: v128,
  minusA: v128,
  plusB: v128,
  minusB: v128,
): v128 {
  const b = f32x4.mul(rootB, f32x4.sub(plusB, minusB));
  return mulAdd(minusRootA, f32x4.sub(plusA, minusA), b);
}

/** The third. */
@inline
function tap2(third: v128, plusA: v128, minusA: v128, u3: v128, plusB: v128, minusB: v128): v128 {
  const sums = f32x4.sub(f32x4.add(plusB, minusB), f32x4.add(plusA, minusA));
  return mulAdd(third, sums, u3);
}

/** G' down the columns, from 6 lines of planes to 3 of scratch. */
function gradColumns(src: usize, step: usize, bytes: usize, d0: usize, dstStep: usize): void {
  const minusTwoThirds = constant(-TWO_THIRDS, d0);
  const sixth = constant(SIXTH, d0);
  const minusRootA = constant(-ROOT_THIRD, d0);
  const rootB = constant(ROOT_SIXTH, d0);
  const third = constant(THIRD, d0);
  for (const end = src + bytes; src != end; src += TURN_BYTES) {
    const s1 = src + step;
    const s2 = s1 + step;
    const s3 = s2 + step;
    const s4 = s3 + step;
    const s5 = s4 + step;
    const u0 = v128.load(src);
    const w0 = loadSecond(src, u0);
    const u1 = v128.load(s1);
    const w1 = loadSecond(s1, u1);
    const u2 = v128.load(s2);
    const w2 = loadSecond(s2, u2);
    const u3 = v128.load(s3);
    const w3 = loadSecond(s3, u3);
    const u4 = v128.load(s4);
    const w4 = loadSecond(s4, u4);
    const u5 = v128.load(s5);
    const w5 = loadSecond(s5, u5);
    const d1 = d0 + dstStep;
    const d2 = d1 + dstStep;
    storeTurn(
      d0,
      tap0(minusTwoThirds, sixth, u0, u1, u2, u4, u5),
      tap0(minusTwoThirds, sixth, w0, w1, w2, w4, w5),
    );
    storeTurn(d1, tap1(minusRootA, rootB, u1, u2, u4, u5), tap1(minusRootA, rootB, w1, w2, w4, w5));
    storeTurn(d2, tap2(third, u1, u2, u3, u4, u5), tap2(third, w1, w2, w3, w4, w5));
    d0 += TURN_BYTES;
  }
}

export function winogradWeightGradF32(
  srcPtr: usize,
  planeBytes: usize,
  length: i32,
  scratchPtr: usize,
  gradPtr: usize,
  tapBytes: usize,
): void {
  const lengthBytes = (<usize>length) << 2;
  const rowPlanes = <usize>POINTS * planeBytes;
  // Parts with lines that stay in the L1 cache between the two directions.
  for (let at: usize = 0; at < lengthBytes; at += PART_BYTES) {
    const bytes = min(PART_BYTES, lengthBytes - at);
    const rowBytes = <usize>POINTS * PART_BYTES;
    for (let j: usize = 0; j < <usize>POINTS; j++) {
      const src = srcPtr + j * planeBytes + at;
      gradColumns(src, rowPlanes, bytes, scratchPtr + j * PART_BYTES, rowBytes);
    }
    let grad = gradPtr + at;
    for (let tap: usize = 0; tap < 3; tap++) {
      gradColumns(scratchPtr + tap * rowBytes, PART_BYTES, bytes, grad, tapBytes);
      grad += 3 * tapBytes;
    }
  }
}
