// Traverses the arrays of several ranks: 64 bytes for each pass over the address table, then 16,
// then single elements, always with the same vector instructions, so an element has the same bits
// at any position. collectiveLanes.ts has the operations on vectors.

import {
  combine,
  divisorOf,
  finish,
  identity,
  isMean,
  isWide,
  loadPart,
  Mean,
  MeanOfPower,
  storePart,
} from './collectiveLanes';
import { high, low, narrow } from './lanes';

export const ADDRESS_BYTES: usize = 4;
const VECTOR_BYTES: usize = 16;
const BLOCK_BYTES: usize = 64;

/** Two float32 values as float64. */
@inline
function pairOf(ptr: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load_zero<u64>(ptr));
}

/** Folds one vector, or one element of it, of all sources to all destinations. */
@inline
function foldPart<T, Op>(
  sources: usize,
  sourcesEnd: usize,
  targets: usize,
  targetsEnd: usize,
  at: usize,
  divisor: v128,
  whole: bool,
): void {
  const first = loadPart<T>(<usize>load<u32>(sources) + at, whole);
  let a = isWide<T, Op>() ? low(first) : first;
  let b = isWide<T, Op>() ? high(first) : first;
  for (let entry = sources + ADDRESS_BYTES; entry < sourcesEnd; entry += ADDRESS_BYTES) {
    const next = loadPart<T>(<usize>load<u32>(entry) + at, whole);
    if (isWide<T, Op>()) {
      a = combine<f64, Op>(a, low(next));
      b = combine<f64, Op>(b, high(next));
    } else {
      a = combine<T, Op>(a, next);
    }
  }
  a = finish<Op>(a, divisor);
  if (isWide<T, Op>()) a = narrow(a, finish<Op>(b, divisor));
  for (let entry = targets; entry < targetsEnd; entry += ADDRESS_BYTES) {
    storePart<T>(<usize>load<u32>(entry) + at, a, whole);
  }
}

/** Folds what is left after the blocks. */
function foldRest<T, Op>(
  sources: usize,
  sourcesEnd: usize,
  targets: usize,
  targetsEnd: usize,
  at: usize,
  end: usize,
): void {
  const divisor = divisorOf<Op>((sourcesEnd - sources) / ADDRESS_BYTES);
  for (; end - at >= VECTOR_BYTES; at += VECTOR_BYTES) {
    foldPart<T, Op>(sources, sourcesEnd, targets, targetsEnd, at, divisor, true);
  }
  for (; at < end; at += sizeof<T>()) {
    foldPart<T, Op>(sources, sourcesEnd, targets, targetsEnd, at, divisor, false);
  }
}

/** Any number of sources, computed in the type itself. */
function foldBlocks<T, Op>(
  sources: usize,
  sourcesEnd: usize,
  targets: usize,
  targetsEnd: usize,
  at: usize,
  end: usize,
): void {
  const divisor = divisorOf<Op>((sourcesEnd - sources) / ADDRESS_BYTES);
  const second = sources + ADDRESS_BYTES;
  for (; end - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
    let ptr = <usize>load<u32>(sources) + at;
    let a = v128.load(ptr);
    let b = v128.load(ptr, 16);
    let c = v128.load(ptr, 32);
    let d = v128.load(ptr, 48);
    for (let entry = second; entry < sourcesEnd; entry += ADDRESS_BYTES) {
      ptr = <usize>load<u32>(entry) + at;
      a = combine<T, Op>(a, v128.load(ptr));
      b = combine<T, Op>(b, v128.load(ptr, 16));
      c = combine<T, Op>(c, v128.load(ptr, 32));
      d = combine<T, Op>(d, v128.load(ptr, 48));
    }
    a = finish<Op>(a, divisor);
    b = finish<Op>(b, divisor);
    c = finish<Op>(c, divisor);
    d = finish<Op>(d, divisor);
    for (let entry = targets; entry < targetsEnd; entry += ADDRESS_BYTES) {
      ptr = <usize>load<u32>(entry) + at;
      v128.store(ptr, a);
      v128.store(ptr, b, 16);
      v128.store(ptr, c, 32);
      v128.store(ptr, d, 48);
    }
  }
  foldRest<T, Op>(sources, sourcesEnd, targets, targetsEnd, at, end);
}

/** Any number of sources of float32, computed in float64 and rounded once. */
function foldBlocksWide<Op>(
  sources: usize,
  sourcesEnd: usize,
  targets: usize,
  targetsEnd: usize,
  at: usize,
  end: usize,
): void {
  const divisor = divisorOf<Op>((sourcesEnd - sources) / ADDRESS_BYTES);
  const second = sources + ADDRESS_BYTES;
  for (; end - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
    let ptr = <usize>load<u32>(sources) + at;
    let a = pairOf(ptr);
    let b = pairOf(ptr + 8);
    let c = pairOf(ptr + 16);
    let d = pairOf(ptr + 24);
    let e = pairOf(ptr + 32);
    let f = pairOf(ptr + 40);
    let g = pairOf(ptr + 48);
    let h = pairOf(ptr + 56);
    for (let entry = second; entry < sourcesEnd; entry += ADDRESS_BYTES) {
      ptr = <usize>load<u32>(entry) + at;
      a = combine<f64, Op>(a, pairOf(ptr));
      b = combine<f64, Op>(b, pairOf(ptr + 8));
      c = combine<f64, Op>(c, pairOf(ptr + 16));
      d = combine<f64, Op>(d, pairOf(ptr + 24));
      e = combine<f64, Op>(e, pairOf(ptr + 32));
      f = combine<f64, Op>(f, pairOf(ptr + 40));
      g = combine<f64, Op>(g, pairOf(ptr + 48));
      h = combine<f64, Op>(h, pairOf(ptr + 56));
    }
    a = narrow(finish<Op>(a, divisor), finish<Op>(b, divisor));
    c = narrow(finish<Op>(c, divisor), finish<Op>(d, divisor));
    e = narrow(finish<Op>(e, divisor), finish<Op>(f, divisor));
    g = narrow(finish<Op>(g, divisor), finish<Op>(h, divisor));
    for (let entry = targets; entry < targetsEnd; entry += ADDRESS_BYTES) {
      ptr = <usize>load<u32>(entry) + at;
      v128.store(ptr, a);
      v128.store(ptr, c, 16);
      v128.store(ptr, e, 32);
      v128.store(ptr, g, 48);
    }
  }
  foldRest<f32, Op>(sources, sourcesEnd, targets, targetsEnd, at, end);
}

/** Two sources and one or two destinations: all addresses stay in registers. A float32 sum or
 * product of two has the bits of one that is rounded from float64 (Figueroa 1995: 53 bits are at
 * least 2 * 24 + 2). */
@inline
function foldPair<T, Op>(sources: usize, targets: usize, two: bool, at: usize, end: usize): void {
  const bytes = (end - at) & ~(BLOCK_BYTES - 1);
  const divisor = divisorOf<Op>(2);
  let x = <usize>load<u32>(sources) + at;
  let y = <usize>load<u32>(sources, 4) + at;
  let p = <usize>load<u32>(targets) + at;
  let q: usize = two ? <usize>load<u32>(targets, 4) + at : 0;
  for (let left = bytes; left != 0; left -= BLOCK_BYTES) {
    const a = finish<Op>(combine<T, Op>(v128.load(x), v128.load(y)), divisor);
    const b = finish<Op>(combine<T, Op>(v128.load(x, 16), v128.load(y, 16)), divisor);
    const c = finish<Op>(combine<T, Op>(v128.load(x, 32), v128.load(y, 32)), divisor);
    const d = finish<Op>(combine<T, Op>(v128.load(x, 48), v128.load(y, 48)), divisor);
    v128.store(p, a);
    v128.store(p, b, 16);
    v128.store(p, c, 32);
    v128.store(p, d, 48);
    if (two) {
      v128.store(q, a);
      v128.store(q, b, 16);
      v128.store(q, c, 32);
      v128.store(q, d, 48);
      q += BLOCK_BYTES;
    }
    x += BLOCK_BYTES;
    y += BLOCK_BYTES;
    p += BLOCK_BYTES;
  }
  const sourcesEnd = sources + 2 * ADDRESS_BYTES;
  const targetsEnd = targets + (two ? 2 : 1) * ADDRESS_BYTES;
  foldRest<T, Op>(sources, sourcesEnd, targets, targetsEnd, at + bytes, end);
}

function foldPairToOne<T, Op>(sources: usize, targets: usize, at: usize, end: usize): void {
  foldPair<T, Op>(sources, targets, false, at, end);
}

function foldPairToTwo<T, Op>(sources: usize, targets: usize, at: usize, end: usize): void {
  foldPair<T, Op>(sources, targets, true, at, end);
}

/** Folds at least two sources with the loop that fits. */
export function fold<T, Op>(
  sources: usize,
  sourcesEnd: usize,
  targets: usize,
  targetsEnd: usize,
  at: usize,
  length: usize,
): void {
  const end = at + length * sizeof<T>();
  // The float32 sum of two may overflow where their mean does not.
  const isPair = sourcesEnd - sources == 2 * ADDRESS_BYTES && !(isWide<T, Op>() && isMean<Op>());
  const countTargets = (targetsEnd - targets) / ADDRESS_BYTES;
  if (isPair && countTargets == 2) foldPairToTwo<T, Op>(sources, targets, at, end);
  else if (isPair && countTargets == 1) foldPairToOne<T, Op>(sources, targets, at, end);
  else if (isWide<T, Op>()) foldBlocksWide<Op>(sources, sourcesEnd, targets, targetsEnd, at, end);
  else foldBlocks<T, Op>(sources, sourcesEnd, targets, targetsEnd, at, end);
}

/** A fold that divides. */
export function mean<T>(
  sources: usize,
  sourcesEnd: usize,
  targets: usize,
  targetsEnd: usize,
  at: usize,
  length: usize,
): void {
  if (popcnt(sourcesEnd - sources) == 1) {
    fold<T, MeanOfPower>(sources, sourcesEnd, targets, targetsEnd, at, length);
  } else {
    fold<T, Mean>(sources, sourcesEnd, targets, targetsEnd, at, length);
  }
}

/** Scans one vector, or one element of it, over all ranks. */
@inline
function scanPart<T, Op>(
  sources: usize,
  sourcesEnd: usize,
  targets: usize,
  at: usize,
  whole: bool,
): void {
  const first = loadPart<T>(<usize>load<u32>(sources) + at, whole);
  storePart<T>(<usize>load<u32>(targets) + at, identity<T, Op>(), whole);
  let a = isWide<T, Op>() ? low(first) : first;
  let b = isWide<T, Op>() ? high(first) : first;
  for (let entry = sources + ADDRESS_BYTES; entry < sourcesEnd; entry += ADDRESS_BYTES) {
    targets += ADDRESS_BYTES;
    // Read before the store, since the target may be this source.
    const next = loadPart<T>(<usize>load<u32>(entry) + at, whole);
    const ptr = <usize>load<u32>(targets) + at;
    if (isWide<T, Op>()) {
      storePart<T>(ptr, narrow(a, b), whole);
      a = combine<f64, Op>(a, low(next));
      b = combine<f64, Op>(b, high(next));
    } else {
      storePart<T>(ptr, a, whole);
      a = combine<T, Op>(a, next);
    }
  }
}

export function scan<T, Op>(
  sources: usize,
  sourcesEnd: usize,
  targets: usize,
  at: usize,
  length: usize,
): void {
  const end = at + length * sizeof<T>();
  for (; end - at >= VECTOR_BYTES; at += VECTOR_BYTES) {
    scanPart<T, Op>(sources, sourcesEnd, targets, at, true);
  }
  for (; at < end; at += sizeof<T>()) {
    scanPart<T, Op>(sources, sourcesEnd, targets, at, false);
  }
}
