// The folds of the tree over replicas, dst = a + b elementwise (dst may be a or b), and what goes
// with them: copies, zeros, and the sums over rows that bias gradients are.

import { storeLanes } from './lanes';

export function addF32(dstPtr: usize, aPtr: usize, bPtr: usize, length: i32): void {
  for (; length > 0; length -= 4, dstPtr += 16, aPtr += 16, bPtr += 16) {
    storeLanes(dstPtr, f32x4.add(v128.load(aPtr), v128.load(bPtr)), length);
  }
}

export function addF64(dstPtr: usize, aPtr: usize, bPtr: usize, length: i32): void {
  const body = length & ~1;
  for (let i = 0; i < body; i += 2) {
    const at = (<usize>i) << 3;
    v128.store(dstPtr + at, f64x2.add(v128.load(aPtr + at), v128.load(bPtr + at)));
  }
  if (body < length) {
    const at = (<usize>body) << 3;
    f64.store(dstPtr + at, f64.load(aPtr + at) + f64.load(bPtr + at));
  }
}

export function narrowF64(dstPtr: usize, srcPtr: usize, length: i32): void {
  for (let i = 0; i < length; i++) {
    f32.store(dstPtr + ((<usize>i) << 2), <f32>f64.load(srcPtr + ((<usize>i) << 3)));
  }
}

export function columnSumsF32(dyPtr: usize, rows: i32, channels: i32, sumsPtr: usize): void {
  memory.fill(sumsPtr, 0, (<usize>channels) << 3);
  for (let row = 0; row < rows; row++) {
    for (let channel = 0; channel < channels; channel++) {
      const at = sumsPtr + ((<usize>channel) << 3);
      f64.store(at, f64.load(at) + <f64>f32.load(dyPtr + ((<usize>channel) << 2)));
    }
    dyPtr += (<usize>channels) << 2;
  }
}

export function copyF32(dstPtr: usize, srcPtr: usize, length: i32): void {
  memory.copy(dstPtr, srcPtr, (<usize>length) << 2);
}

export function zeroBytes(ptr: usize, countBytes: usize): void {
  memory.fill(ptr, 0, countBytes);
}
