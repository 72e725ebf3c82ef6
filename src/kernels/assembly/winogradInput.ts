// Winograd's transforms F(4, 3) and F(2, 3) along one axis, each on lines of many values at once;
// see ../abi/winograd.ts for the matrices. `spare` is a few bytes of scratch.

import { mulAdd, negMulAdd } from './math';
import { constant, loadSecond, storeTurn, TURN_BYTES } from './turn';

const A: f32 = <f32>Math.SQRT1_2;
const B: f32 = <f32>Math.SQRT2;

/** (x2 c + x4) + p (x1 c + x3): an inner point p of B' of F(4, 3). */
@inline
function inputPlus(p: v128, c: v128, x1: v128, x2: v128, x3: v128, x4: v128): v128 {
  return mulAdd(p, mulAdd(c, x1, x3), mulAdd(c, x2, x4));
}

/** The same at -p. */
@inline
function inputMinus(p: v128, c: v128, x1: v128, x2: v128, x3: v128, x4: v128): v128 {
  return negMulAdd(p, mulAdd(c, x1, x3), mulAdd(c, x2, x4));
}

/** x0 + c x2 + x4: the points 0 and infinity. */
@inline
function inputOuter(c: v128, x0: v128, x2: v128, x4: v128): v128 {
  return mulAdd(c, x2, f32x4.add(x0, x4));
}

/** B' of F(4, 3) on 6 lines; the last 5 may be anywhere. */
@inline
function inputTurn6(
  s0: usize,
  s1: usize,
  s2: usize,
  s3: usize,
  s4: usize,
  s5: usize,
  d0: usize,
  step: usize,
  step3: usize,
  a: v128,
  b: v128,
  minusHalf: v128,
  minusTwo: v128,
  middle: v128,
): void {
  const x0 = v128.load(s0);
  const w0 = loadSecond(s0, x0);
  const x1 = v128.load(s1);
  const w1 = loadSecond(s1, x1);
  const x2 = v128.load(s2);
  const w2 = loadSecond(s2, x2);
  const x3 = v128.load(s3);
  const w3 = loadSecond(s3, x3);
  const x4 = v128.load(s4);
  const w4 = loadSecond(s4, x4);
  const x5 = v128.load(s5);
  const w5 = loadSecond(s5, x5);
  const d3 = d0 + step3;
  storeTurn(d0, inputOuter(middle, x0, x2, x4), inputOuter(middle, w0, w2, w4));
  storeTurn(
    d0 + step,
    inputPlus(a, minusTwo, x1, x2, x3, x4),
    inputPlus(a, minusTwo, w1, w2, w3, w4),
  );
  storeTurn(
    d0 + (step << 1),
    inputMinus(a, minusTwo, x1, x2, x3, x4),
    inputMinus(a, minusTwo, w1, w2, w3, w4),
  );
  storeTurn(d3, inputOuter(middle, x1, x3, x5), inputOuter(middle, w1, w3, w5));
  storeTurn(
    d3 + step,
    inputPlus(b, minusHalf, x1, x2, x3, x4),
    inputPlus(b, minusHalf, w1, w2, w3, w4),
  );
  storeTurn(
    d3 + (step << 1),
    inputMinus(b, minusHalf, x1, x2, x3, x4),
    inputMinus(b, minusHalf, w1, w2, w3, w4),
  );
}

/** B' of F(4, 3) down the columns: 6 rows, some of which may be zeros elsewhere. */
@inline
export function inputColumns6(
  s0: usize,
  s1: usize,
  s2: usize,
  s3: usize,
  s4: usize,
  s5: usize,
  bytes: usize,
  d0: usize,
  step: usize,
  spare: usize,
): void {
  const a = constant(A, spare);
  const b = constant(B, spare);
  const minusHalf = constant(-0.5, spare);
  const minusTwo = constant(-2, spare);
  const middle = constant(-2.5, spare);
  const step3 = 3 * step;
  for (const end = s0 + bytes; s0 != end; ) {
    inputTurn6(s0, s1, s2, s3, s4, s5, d0, step, step3, a, b, minusHalf, minusTwo, middle);
    s0 += TURN_BYTES;
    s1 += TURN_BYTES;
    s2 += TURN_BYTES;
    s3 += TURN_BYTES;
    s4 += TURN_BYTES;
    s5 += TURN_BYTES;
    d0 += TURN_BYTES;
  }
}

/** B' of F(4, 3) along a row of tiles. */
@inline
export function inputRow6(
  s0: usize,
  pixelBytes: usize,
  tiles: i32,
  d0: usize,
  step: usize,
  spare: usize,
): void {
  const a = constant(A, spare);
  const b = constant(B, spare);
  const minusHalf = constant(-0.5, spare);
  const minusTwo = constant(-2, spare);
  const middle = constant(-2.5, spare);
  const step3 = 3 * step;
  const pixels3 = 3 * pixelBytes;
  for (; tiles > 0; tiles--) {
    for (const end = s0 + pixelBytes; s0 != end; ) {
      const s3 = s0 + pixels3;
      inputTurn6(
        s0,
        s0 + pixelBytes,
        s0 + (pixelBytes << 1),
        s3,
        s3 + pixelBytes,
        s3 + (pixelBytes << 1),
        d0,
        step,
        step3,
        a,
        b,
        minusHalf,
        minusTwo,
        middle,
      );
      s0 += TURN_BYTES;
      d0 += TURN_BYTES;
    }
    s0 += pixels3;
  }
}

/** B' of F(2, 3). */
@inline
function inputTurn4(
  s0: usize,
  s1: usize,
  s2: usize,
  s3: usize,
  d0: usize,
  step: usize,
  even: v128,
  odd: v128,
  minusHalf: v128,
  minusTwo: v128,
): void {
  const x0 = v128.load(s0);
  const w0 = loadSecond(s0, x0);
  const x1 = v128.load(s1);
  const w1 = loadSecond(s1, x1);
  const x2 = v128.load(s2);
  const w2 = loadSecond(s2, x2);
  const x3 = v128.load(s3);
  const w3 = loadSecond(s3, x3);
  const evenX = f32x4.mul(even, x2);
  const evenW = f32x4.mul(even, w2);
  const d1 = d0 + step;
  storeTurn(d0, mulAdd(minusTwo, x2, x0), mulAdd(minusTwo, w2, w0));
  storeTurn(d1, mulAdd(odd, x1, evenX), mulAdd(odd, w1, evenW));
  storeTurn(d0 + (step << 1), negMulAdd(odd, x1, evenX), negMulAdd(odd, w1, evenW));
  storeTurn(d1 + (step << 1), mulAdd(minusHalf, x1, x3), mulAdd(minusHalf, w1, w3));
}

@inline
export function inputColumns4(
  s0: usize,
  s1: usize,
  s2: usize,
  s3: usize,
  bytes: usize,
  d0: usize,
  step: usize,
  spare: usize,
): void {
  const even = constant(-1.5, spare);
  const odd = constant(-1.5 * A, spare);
  const minusHalf = constant(-0.5, spare);
  const minusTwo = constant(-2, spare);
  for (const end = s0 + bytes; s0 != end; ) {
    inputTurn4(s0, s1, s2, s3, d0, step, even, odd, minusHalf, minusTwo);
    s0 += TURN_BYTES;
    s1 += TURN_BYTES;
    s2 += TURN_BYTES;
    s3 += TURN_BYTES;
    d0 += TURN_BYTES;
  }
}

@inline
export function inputRow4(
  s0: usize,
  pixelBytes: usize,
  tiles: i32,
  d0: usize,
  step: usize,
  spare: usize,
): void {
  const even = constant(-1.5, spare);
  const odd = constant(-1.5 * A, spare);
  const minusHalf = constant(-0.5, spare);
  const minusTwo = constant(-2, spare);
  for (; tiles > 0; tiles--) {
    for (const end = s0 + pixelBytes; s0 != end; ) {
      const s1 = s0 + pixelBytes;
      const s2 = s0 + (pixelBytes << 1);
      const s3 = s1 + (pixelBytes << 1);
      inputTurn4(s0, s1, s2, s3, d0, step, even, odd, minusHalf, minusTwo);
      s0 += TURN_BYTES;
      d0 += TURN_BYTES;
    }
    s0 += pixelBytes;
  }
}

/** (y0 + c y2) + p (y1 + c y3): an inner point p of A of F(4, 3), c = p^2. */
@inline
function gradPlus(p: v128, c: v128, y0: v128, y1: v128, y2: v128, y3: v128): v128 {
  return mulAdd(p, mulAdd(c, y3, y1), mulAdd(c, y2, y0));
}

/** The same at -p. */
@inline
function gradMinus(p: v128, c: v128, y0: v128, y1: v128, y2: v128, y3: v128): v128 {
  return negMulAdd(p, mulAdd(c, y3, y1), mulAdd(c, y2, y0));
}

/** A of F(4, 3) on 4 lines of gradients. */
@inline
function gradTurn6(
  s0: usize,
  s1: usize,
  s2: usize,
  s3: usize,
  d0: usize,
  step: usize,
  step3: usize,
  a: v128,
  b: v128,
  half: v128,
  two: v128,
): void {
  const y0 = v128.load(s0);
  const w0 = loadSecond(s0, y0);
  const y1 = v128.load(s1);
  const w1 = loadSecond(s1, y1);
  const y2 = v128.load(s2);
  const w2 = loadSecond(s2, y2);
  const y3 = v128.load(s3);
  const w3 = loadSecond(s3, y3);
  const d3 = d0 + step3;
  storeTurn(d0, y0, w0);
  storeTurn(d0 + step, gradPlus(a, half, y0, y1, y2, y3), gradPlus(a, half, w0, w1, w2, w3));
  storeTurn(
    d0 + (step << 1),
    gradMinus(a, half, y0, y1, y2, y3),
    gradMinus(a, half, w0, w1, w2, w3),
  );
  storeTurn(d3, y3, w3);
  storeTurn(d3 + step, gradPlus(b, two, y0, y1, y2, y3), gradPlus(b, two, w0, w1, w2, w3));
  storeTurn(d3 + (step << 1), gradMinus(b, two, y0, y1, y2, y3), gradMinus(b, two, w0, w1, w2, w3));
}

@inline
export function gradColumns6(
  s0: usize,
  s1: usize,
  s2: usize,
  s3: usize,
  bytes: usize,
  d0: usize,
  step: usize,
  spare: usize,
): void {
  const a = constant(A, spare);
  const b = constant(B, spare);
  const half = constant(0.5, spare);
  const two = constant(2, spare);
  const step3 = 3 * step;
  for (const end = s0 + bytes; s0 != end; ) {
    gradTurn6(s0, s1, s2, s3, d0, step, step3, a, b, half, two);
    s0 += TURN_BYTES;
    s1 += TURN_BYTES;
    s2 += TURN_BYTES;
    s3 += TURN_BYTES;
    d0 += TURN_BYTES;
  }
}

@inline
export function gradRow6(
  s0: usize,
  pixelBytes: usize,
  tiles: i32,
  d0: usize,
  step: usize,
  spare: usize,
): void {
  const a = constant(A, spare);
  const b = constant(B, spare);
  const half = constant(0.5, spare);
  const two = constant(2, spare);
  const step3 = 3 * step;
  const pixels3 = 3 * pixelBytes;
  for (; tiles > 0; tiles--) {
    for (const end = s0 + pixelBytes; s0 != end; ) {
      const s1 = s0 + pixelBytes;
      const s2 = s0 + (pixelBytes << 1);
      gradTurn6(s0, s1, s2, s0 + pixels3, d0, step, step3, a, b, half, two);
      s0 += TURN_BYTES;
      d0 += TURN_BYTES;
    }
    s0 += pixels3;
  }
}

/** A of F(2, 3) on 2 lines of gradients. */
@inline
function gradTurn4(s0: usize, s1: usize, d0: usize, step: usize, a: v128): void {
  const y0 = v128.load(s0);
  const w0 = loadSecond(s0, y0);
  const y1 = v128.load(s1);
  const w1 = loadSecond(s1, y1);
  const d1 = d0 + step;
  storeTurn(d0, y0, w0);
  storeTurn(d1, mulAdd(a, y1, y0), mulAdd(a, w1, w0));
  storeTurn(d0 + (step << 1), negMulAdd(a, y1, y0), negMulAdd(a, w1, w0));
  storeTurn(d1 + (step << 1), y1, w1);
}

@inline
export function gradColumns4(
  s0: usize,
  s1: usize,
  bytes: usize,
  d0: usize,
  step: usize,
  spare: usize,
): void {
  const a = constant(A, spare);
  for (const end = s0 + bytes; s0 != end; ) {
    gradTurn4(s0, s1, d0, step, a);
    s0 += TURN_BYTES;
    s1 += TURN_BYTES;
    d0 += TURN_BYTES;
  }
}

@inline
export function gradRow4(
  s0: usize,
  pixelBytes: usize,
  tiles: i32,
  d0: usize,
  step: usize,
  spare: usize,
): void {
  const a = constant(A, spare);
  for (; tiles > 0; tiles--) {
    for (const end = s0 + pixelBytes; s0 != end; ) {
      gradTurn4(s0, s0 + pixelBytes, d0, step, a);
      s0 += TURN_BYTES;
      d0 += TURN_BYTES;
    }
    s0 += pixelBytes;
  }
}
