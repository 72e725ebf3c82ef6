// What the convolution's kernels share: a register tile of 4 pixels x 8 output channels over
// weights in panels of 8 channels.

import { storePart } from './lanes';

export const TILE_PIXELS: i32 = 4;
export const TILE_CHANNELS: i32 = 8;
export const PANEL_ROW_BYTES: usize = 32;

@inline
export function splat(ptr: usize): v128 {
  return v128.load_splat<f32>(ptr);
}

/** Stores the first `count` floats of the pair (low, high); all when count >= 8. */
@inline
export function storeChannels(ptr: usize, low: v128, high: v128, count: i32): void {
  if (count >= 4) {
    v128.store(ptr, low);
    if (count >= 8) v128.store(ptr, high, 16);
    else storePart(ptr + 16, high, count - 4);
  } else storePart(ptr, low, count);
}
