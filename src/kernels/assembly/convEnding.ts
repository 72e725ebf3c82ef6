// The optional end of a convolution in a model that does not train: before an output is stored,
// another tensor is added, and negative values become 0. The bits are those of separate passes
// (pointwise.ts). `addendBytes`: the distance from an output to its addend; 0 for none.

import { positive } from './coefficients';
import { storeChannels, storeSixteen } from './convTile';

/** Stores the first `count` of 8 channels. The addend is read in whole vectors. */
@inline
export function endChannels(
  ptr: usize,
  addendBytes: usize,
  isRelu: bool,
  low: v128,
  high: v128,
  count: i32,
): void {
  if (addendBytes) {
    low = f32x4.add(low, v128.load(ptr + addendBytes));
    high = f32x4.add(high, v128.load(ptr + addendBytes, 16));
  }
  if (isRelu) {
    low = positive(low);
    high = positive(high);
  }
  if (count >= 8) {
    v128.store(ptr, high, 16);
    v128.store(ptr, low);
  } else storeChannels(ptr, low, high, count);
}

/** Stores 16 channels. */
@inline
export function endSixteen(
  ptr: usize,
  addendBytes: usize,
  isRelu: bool,
  c0: v128,
  c1: v128,
  c2: v128,
  c3: v128,
): void {
  if (addendBytes) {
    const addend = ptr + addendBytes;
    c0 = f32x4.add(c0, v128.load(addend));
    c1 = f32x4.add(c1, v128.load(addend, 16));
    c2 = f32x4.add(c2, v128.load(addend, 32));
    c3 = f32x4.add(c3, v128.load(addend, 48));
  }
  if (isRelu) {
    c0 = positive(c0);
    c1 = positive(c1);
    c2 = positive(c2);
    c3 = positive(c3);
  }
  storeSixteen(ptr, c0, c1, c2, c3);
}
