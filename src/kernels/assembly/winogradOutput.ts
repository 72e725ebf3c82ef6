// Winograd's transforms F(4, 3) and F(2, 3) of products to outputs, along one axis, on lines of
// many values at once; see ../abi/winograd.ts for the matrices. `spare` is a pixel of scratch for
// constants and for excess outputs of a last tile.

import { positive } from './coefficients';
import { mulAdd } from './math';
import { constant, loadSecond, storeTurn, TURN_BYTES } from './turn';

const A: f32 = <f32>Math.SQRT1_2;

/** How outputs end, known at compile time: with a bias (`isShifted`), another tensor added, a
 * relu. */
@inline
function ended(
  value: v128,
  isShifted: bool,
  shift: v128,
  isAdded: bool,
  addend: v128,
  isRelu: bool,
): v128 {
  if (isShifted) value = f32x4.add(value, shift);
  if (isAdded) value = f32x4.add(value, addend);
  return isRelu ? positive(value) : value;
}

/** The first of 4 outputs: the sum over all points except infinity. */
@inline
function output0(m0: v128, plusA: v128, minusA: v128, plusB: v128, minusB: v128): v128 {
  return f32x4.add(f32x4.add(m0, f32x4.add(plusA, minusA)), f32x4.add(plusB, minusB));
}

/** The second: each point times itself, a (plusA - minusA) + 2 a (plusB - minusB). */
@inline
function output1(a: v128, two: v128, plusA: v128, minusA: v128, plusB: v128, minusB: v128): v128 {
  return f32x4.mul(a, mulAdd(two, f32x4.sub(plusB, minusB), f32x4.sub(plusA, minusA)));
}

/** The third: times its square. */
@inline
function output2(
  half: v128,
  four: v128,
  plusA: v128,
  minusA: v128,
  plusB: v128,
  minusB: v128,
): v128 {
  return f32x4.mul(half, mulAdd(four, f32x4.add(plusB, minusB), f32x4.add(plusA, minusA)));
}

/** The last: times its cube, and infinity. */
@inline
function output3(
  a: v128,
  half: v128,
  four: v128,
  plusA: v128,
  minusA: v128,
  infinity: v128,
  plusB: v128,
  minusB: v128,
): v128 {
  const halved = f32x4.mul(half, f32x4.sub(plusA, minusA));
  return mulAdd(a, mulAdd(four, f32x4.sub(plusB, minusB), halved), infinity);
}

/** A' of F(4, 3): from 6 lines, `step` apart, to 4. `e0` to `e3`: the distance from an output to
 * its addend. */
@inline
function outputTurn6(
  s0: usize,
  step: usize,
  step3: usize,
  isShifted: bool,
  bias: usize,
  isAdded: bool,
  e0: usize,
  e1: usize,
  e2: usize,
  e3: usize,
  isRelu: bool,
  d0: usize,
  d1: usize,
  d2: usize,
  d3: usize,
  a: v128,
  half: v128,
  two: v128,
  four: v128,
): void {
  const s3 = s0 + step3;
  const x0 = v128.load(s0);
  const w0 = loadSecond(s0, x0);
  const x1 = v128.load(s0 + step);
  const w1 = loadSecond(s0 + step, x1);
  const x2 = v128.load(s0 + (step << 1));
  const w2 = loadSecond(s0 + (step << 1), x2);
  const x3 = v128.load(s3);
  const w3 = loadSecond(s3, x3);
  const x4 = v128.load(s3 + step);
  const w4 = loadSecond(s3 + step, x4);
  const x5 = v128.load(s3 + (step << 1));
  const w5 = loadSecond(s3 + (step << 1), x5);
  const xShift = isShifted ? v128.load(bias) : x0;
  const wShift = isShifted ? loadSecond(bias, xShift) : w0;
  const xAdd0 = isAdded ? v128.load(d0 + e0) : x0;
  const wAdd0 = isAdded ? loadSecond(d0 + e0, xAdd0) : w0;
  const xAdd1 = isAdded ? v128.load(d1 + e1) : x0;
  const wAdd1 = isAdded ? loadSecond(d1 + e1, xAdd1) : w0;
  const xAdd2 = isAdded ? v128.load(d2 + e2) : x0;
  const wAdd2 = isAdded ? loadSecond(d2 + e2, xAdd2) : w0;
  const xAdd3 = isAdded ? v128.load(d3 + e3) : x0;
  const wAdd3 = isAdded ? loadSecond(d3 + e3, xAdd3) : w0;
  const x0Out = output0(x0, x1, x2, x4, x5);
  const w0Out = output0(w0, w1, w2, w4, w5);
  const x1Out = output1(a, two, x1, x2, x4, x5);
  const w1Out = output1(a, two, w1, w2, w4, w5);
  const x2Out = output2(half, four, x1, x2, x4, x5);
  const w2Out = output2(half, four, w1, w2, w4, w5);
  const x3Out = output3(a, half, four, x1, x2, x3, x4, x5);
  const w3Out = output3(a, half, four, w1, w2, w3, w4, w5);
  storeTurn(
    d0,
    ended(x0Out, isShifted, xShift, isAdded, xAdd0, isRelu),
    ended(w0Out, isShifted, wShift, isAdded, wAdd0, isRelu),
  );
  storeTurn(
    d1,
    ended(x1Out, isShifted, xShift, isAdded, xAdd1, isRelu),
    ended(w1Out, isShifted, wShift, isAdded, wAdd1, isRelu),
  );
  storeTurn(
    d2,
    ended(x2Out, isShifted, xShift, isAdded, xAdd2, isRelu),
    ended(w2Out, isShifted, wShift, isAdded, wAdd2, isRelu),
  );
  storeTurn(
    d3,
    ended(x3Out, isShifted, xShift, isAdded, xAdd3, isRelu),
    ended(w3Out, isShifted, wShift, isAdded, wAdd3, isRelu),
  );
}

/** A' of F(4, 3) down the columns. */
@inline
export function outputColumns6(
  s0: usize,
  step: usize,
  bytes: usize,
  d0: usize,
  dstStep: usize,
  spare: usize,
): void {
  const a = constant(A, spare);
  const half = constant(0.5, spare);
  const two = constant(2, spare);
  const four = constant(4, spare);
  const step3 = 3 * step;
  for (const end = s0 + bytes; s0 != end; ) {
    const d1 = d0 + dstStep;
    const d2 = d0 + (dstStep << 1);
    const d3 = d1 + (dstStep << 1);
    outputTurn6(
      s0,
      step,
      step3,
      false,
      0,
      false,
      0,
      0,
      0,
      0,
      false,
      d0,
      d1,
      d2,
      d3,
      a,
      half,
      two,
      four,
    );
    s0 += TURN_BYTES;
    d0 += TURN_BYTES;
  }
}

/** A' of F(4, 3) along a row of tiles; the last one has `lastColumns` of its 4 outputs. */
@inline
export function outputRow6(
  s0: usize,
  step: usize,
  pixelBytes: usize,
  tiles: i32,
  lastColumns: i32,
  isShifted: bool,
  biasPtr: usize,
  isAdded: bool,
  addendBytes: usize,
  isRelu: bool,
  out: usize,
  spare: usize,
): void {
  const a = constant(A, spare);
  const half = constant(0.5, spare);
  const two = constant(2, spare);
  const four = constant(4, spare);
  const step3 = 3 * step;
  for (; tiles > 0; tiles--) {
    const columns = tiles == 1 ? lastColumns : 4;
    let d1 = columns > 1 ? out + pixelBytes : spare;
    let d2 = columns > 2 ? out + (pixelBytes << 1) : spare;
    let d3 = columns > 3 ? out + 3 * pixelBytes : spare;
    // Spare outputs have no addend: they read themselves.
    const e1 = columns > 1 ? addendBytes : 0;
    const e2 = columns > 2 ? addendBytes : 0;
    const e3 = columns > 3 ? addendBytes : 0;
    let bias = biasPtr;
    for (const end = s0 + pixelBytes; s0 != end; ) {
      outputTurn6(
        s0,
        step,
        step3,
        isShifted,
        bias,
        isAdded,
        addendBytes,
        e1,
        e2,
        e3,
        isRelu,
        out,
        d1,
        d2,
        d3,
        a,
        half,
        two,
        four,
      );
      s0 += TURN_BYTES;
      out += TURN_BYTES;
      d1 += TURN_BYTES;
      d2 += TURN_BYTES;
      d3 += TURN_BYTES;
      if (isShifted) bias += TURN_BYTES;
    }
    out += 3 * pixelBytes;
  }
}

/** A' of F(2, 3): from 4 lines to 2. */
@inline
function outputTurn4(
  s0: usize,
  step: usize,
  isShifted: bool,
  bias: usize,
  isAdded: bool,
  e0: usize,
  e1: usize,
  isRelu: bool,
  d0: usize,
  d1: usize,
  a: v128,
): void {
  const s1 = s0 + step;
  const s2 = s0 + (step << 1);
  const s3 = s1 + (step << 1);
  const x0 = v128.load(s0);
  const w0 = loadSecond(s0, x0);
  const x1 = v128.load(s1);
  const w1 = loadSecond(s1, x1);
  const x2 = v128.load(s2);
  const w2 = loadSecond(s2, x2);
  const x3 = v128.load(s3);
  const w3 = loadSecond(s3, x3);
  const xShift = isShifted ? v128.load(bias) : x0;
  const wShift = isShifted ? loadSecond(bias, xShift) : w0;
  const xAdd0 = isAdded ? v128.load(d0 + e0) : x0;
  const wAdd0 = isAdded ? loadSecond(d0 + e0, xAdd0) : w0;
  const xAdd1 = isAdded ? v128.load(d1 + e1) : x0;
  const wAdd1 = isAdded ? loadSecond(d1 + e1, xAdd1) : w0;
  const x0Out = f32x4.add(x0, f32x4.add(x1, x2));
  const w0Out = f32x4.add(w0, f32x4.add(w1, w2));
  const x1Out = mulAdd(a, f32x4.sub(x1, x2), x3);
  const w1Out = mulAdd(a, f32x4.sub(w1, w2), w3);
  storeTurn(
    d0,
    ended(x0Out, isShifted, xShift, isAdded, xAdd0, isRelu),
    ended(w0Out, isShifted, wShift, isAdded, wAdd0, isRelu),
  );
  storeTurn(
    d1,
    ended(x1Out, isShifted, xShift, isAdded, xAdd1, isRelu),
    ended(w1Out, isShifted, wShift, isAdded, wAdd1, isRelu),
  );
}

@inline
export function outputColumns4(
  s0: usize,
  step: usize,
  bytes: usize,
  d0: usize,
  dstStep: usize,
  spare: usize,
): void {
  const a = constant(A, spare);
  for (const end = s0 + bytes; s0 != end; ) {
    outputTurn4(s0, step, false, 0, false, 0, 0, false, d0, d0 + dstStep, a);
    s0 += TURN_BYTES;
    d0 += TURN_BYTES;
  }
}

/** A' of F(2, 3) along a row of tiles; the last one has `lastColumns` of its 2 outputs. */
@inline
export function outputRow4(
  s0: usize,
  step: usize,
  pixelBytes: usize,
  tiles: i32,
  lastColumns: i32,
  isShifted: bool,
  biasPtr: usize,
  isAdded: bool,
  addendBytes: usize,
  isRelu: bool,
  out: usize,
  spare: usize,
): void {
  const a = constant(A, spare);
  for (; tiles > 0; tiles--) {
    const isWhole = tiles > 1 || lastColumns > 1;
    let d1 = isWhole ? out + pixelBytes : spare;
    const e1 = isWhole ? addendBytes : 0;
    let bias = biasPtr;
    for (const end = s0 + pixelBytes; s0 != end; ) {
      outputTurn4(s0, step, isShifted, bias, isAdded, addendBytes, e1, isRelu, out, d1, a);
      s0 += TURN_BYTES;
      out += TURN_BYTES;
      d1 += TURN_BYTES;
      if (isShifted) bias += TURN_BYTES;
    }
    out += pixelBytes;
  }
}
