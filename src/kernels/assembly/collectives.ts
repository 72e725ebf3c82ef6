// Reductions over the arrays of several ranks, in rank order: decodes element type and operation
// and calls the loop for them (collectiveFold.ts). Contract: abi/collectives.ts.

import { ADDRESS_BYTES, fold, mean, scan } from './collectiveFold';
import { Max, Min, Prod, Sum } from './collectiveLanes';

/** A code is the sum of the element type's and the operation's. */
const F32: i32 = 0;
const F64: i32 = 8;
const I32: i32 = 16;
const U8: i32 = 24;
const SUM: i32 = 0;
const MIN: i32 = 1;
const MAX: i32 = 2;
const PROD: i32 = 3;
const MEAN: i32 = 4;

/** Base 2 logarithm of the bytes of an element. */
@inline
function elementShift(code: i32): usize {
  if (code >= U8) return 0;
  return code >= F64 && code < I32 ? 3 : 2;
}

/** Copies the only source to all targets except itself. */
function copyToAll(
  source: usize,
  targets: usize,
  targetsEnd: usize,
  at: usize,
  bytes: usize,
): void {
  for (let entry = targets; entry < targetsEnd; entry += ADDRESS_BYTES) {
    const target = <usize>load<u32>(entry);
    if (target != source) memory.copy(target + at, source + at, bytes);
  }
}

export function foldRanks(
  code: i32,
  srcTablePtr: usize,
  sources: i32,
  dstTablePtr: usize,
  destinations: i32,
  offsetBytes: usize,
  length: usize,
): void {
  const s = srcTablePtr;
  const sEnd = s + <usize>sources * ADDRESS_BYTES;
  const d = dstTablePtr;
  const dEnd = d + <usize>destinations * ADDRESS_BYTES;
  if (sources == 1) {
    copyToAll(<usize>load<u32>(s), d, dEnd, offsetBytes, length << elementShift(code));
    return;
  }
  switch (code) {
    case F32 + SUM:
      fold<f32, Sum>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case F32 + MIN:
      fold<f32, Min>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case F32 + MAX:
      fold<f32, Max>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case F32 + PROD:
      fold<f32, Prod>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case F32 + MEAN:
      mean<f32>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case F64 + SUM:
      fold<f64, Sum>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case F64 + MIN:
      fold<f64, Min>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case F64 + MAX:
      fold<f64, Max>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case F64 + PROD:
      fold<f64, Prod>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case F64 + MEAN:
      mean<f64>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case I32 + SUM:
      fold<i32, Sum>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case I32 + MIN:
      fold<i32, Min>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case I32 + MAX:
      fold<i32, Max>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case I32 + PROD:
      fold<i32, Prod>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case U8 + SUM:
      fold<u8, Sum>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case U8 + MIN:
      fold<u8, Min>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case U8 + MAX:
      fold<u8, Max>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    case U8 + PROD:
      fold<u8, Prod>(s, sEnd, d, dEnd, offsetBytes, length);
      break;
    default:
      unreachable();
  }
}

export function scanRanks(
  code: i32,
  srcTablePtr: usize,
  sources: i32,
  dstTablePtr: usize,
  offsetBytes: usize,
  length: usize,
): void {
  const s = srcTablePtr;
  const sEnd = s + <usize>sources * ADDRESS_BYTES;
  switch (code) {
    case F32 + SUM:
      scan<f32, Sum>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case F32 + MIN:
      scan<f32, Min>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case F32 + MAX:
      scan<f32, Max>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case F32 + PROD:
      scan<f32, Prod>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case F64 + SUM:
      scan<f64, Sum>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case F64 + MIN:
      scan<f64, Min>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case F64 + MAX:
      scan<f64, Max>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case F64 + PROD:
      scan<f64, Prod>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case I32 + SUM:
      scan<i32, Sum>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case I32 + MIN:
      scan<i32, Min>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case I32 + MAX:
      scan<i32, Max>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case I32 + PROD:
      scan<i32, Prod>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case U8 + SUM:
      scan<u8, Sum>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case U8 + MIN:
      scan<u8, Min>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case U8 + MAX:
      scan<u8, Max>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    case U8 + PROD:
      scan<u8, Prod>(s, sEnd, dstTablePtr, offsetBytes, length);
      break;
    default:
      unreachable();
  }
}

export function copyBytes(dstPtr: usize, srcPtr: usize, sizeBytes: usize): void {
  memory.copy(dstPtr, srcPtr, sizeBytes);
}
