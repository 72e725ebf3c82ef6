// Shared by the convolution kernels: a register tile of 4 pixels x 8 output channels over weights
// in panels of 8 channels.

import { storePart } from './lanes';

export const TILE_PIXELS: i32 = 4;
export const TILE_CHANNELS: i32 = 8;
export const PANEL_ROW_BYTES: usize = 32;

@inline
export function splat(ptr: usize): v128 {
  return v128.load_splat<f32>(ptr);
}

/** Stores the first `count` floats of the pair (low, high); all if count >= 8. */
@inline
export function storeChannels(ptr: usize, low: v128, high: v128, count: i32): void {
  if (count >= 4) {
    v128.store(ptr, low);
    if (count >= 8) v128.store(ptr, high, 16);
    else storePart(ptr + 16, high, count - 4);
  } else storePart(ptr, low, count);
}

/** Stores 16 channels, in the order in which V8 packs stores. */
@inline
export function storeSixteen(ptr: usize, c0: v128, c1: v128, c2: v128, c3: v128): void {
  v128.store(ptr, c1, 16);
  v128.store(ptr, c0);
  v128.store(ptr, c3, 48);
  v128.store(ptr, c2, 32);
}

/** Transposes 4 rows of 4 values into rows of a panel. */
@inline
export function transposeFour(src: usize, srcRowBytes: usize, dst: usize): void {
  const src2 = src + (srcRowBytes << 1);
  const r0 = v128.load(src);
  const r1 = v128.load(src + srcRowBytes);
  const r2 = v128.load(src2);
  const r3 = v128.load(src2 + srcRowBytes);
  storeTransposed(r0, r1, r2, r3, dst);
}

/** Stores the columns of 4x4 values in rows of a panel. */
@inline
export function storeTransposed(r0: v128, r1: v128, r2: v128, r3: v128, dst: usize): void {
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
  v128.store(dst, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7), 32);
  v128.store(dst, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), 64);
  v128.store(dst, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7), 96);
}
