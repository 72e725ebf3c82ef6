// Packs the inputs of the convolution kernels: weights into panels of 8 channels, samples into
// their zero borders.

import { PANEL_ROW_BYTES, storeSixteen, TILE_CHANNELS, transposeFour } from './convTile';

export function packPanelsF32(
  srcPtr: usize,
  srcRowBytes: usize,
  rows: i32,
  columns: i32,
  dstPtr: usize,
): void {
  const panelBytes = <usize>rows * PANEL_ROW_BYTES;
  // Two panels at a time, since their columns share a cache line.
  for (; columns >= 2 * TILE_CHANNELS; columns -= 2 * TILE_CHANNELS) {
    let src = srcPtr;
    for (const end = dstPtr + panelBytes; dstPtr != end; dstPtr += PANEL_ROW_BYTES) {
      v128.store(dstPtr, v128.load(src));
      v128.store(dstPtr, v128.load(src, 16), 16);
      v128.store(dstPtr + panelBytes, v128.load(src, 32));
      v128.store(dstPtr + panelBytes, v128.load(src, 48), 16);
      src += srcRowBytes;
    }
    dstPtr += panelBytes;
    srcPtr += 2 * PANEL_ROW_BYTES;
  }
  for (; columns > 0; columns -= TILE_CHANNELS) {
    let src = srcPtr;
    for (let row = 0; row < rows; row++) {
      if (columns >= TILE_CHANNELS) {
        v128.store(dstPtr, v128.load(src));
        v128.store(dstPtr, v128.load(src, 16), 16);
      } else {
        for (let i = 0; i < TILE_CHANNELS; i++) {
          const at = (<usize>i) << 2;
          f32.store(dstPtr + at, i < columns ? f32.load(src + at) : 0);
        }
      }
      src += srcRowBytes;
      dstPtr += PANEL_ROW_BYTES;
    }
    srcPtr += PANEL_ROW_BYTES;
  }
}

export function packTransposedPanelsF32(
  srcPtr: usize,
  srcRowBytes: usize,
  rows: i32,
  columns: i32,
  dstPtr: usize,
  panelBytes: usize,
): void {
  const blocks = rows & ~3;
  for (let column = 0; column < columns; column += TILE_CHANNELS) {
    const isWhole = column + TILE_CHANNELS <= columns;
    const first = srcPtr + <usize>column * srcRowBytes;
    if (isWhole) packBlocks(first, srcRowBytes, blocks, dstPtr);
    const done = isWhole ? blocks : 0;
    for (let i = 0; i < TILE_CHANNELS; i++) {
      const src = first + <usize>i * srcRowBytes;
      let dst = dstPtr + <usize>done * PANEL_ROW_BYTES + ((<usize>i) << 2);
      const inside = column + i < columns;
      for (let row = done; row < rows; row++) {
        f32.store(dst, inside ? f32.load(src + ((<usize>row) << 2)) : 0);
        dst += PANEL_ROW_BYTES;
      }
    }
    dstPtr += panelBytes;
  }
}

/** Packs four rows of a panel: 8 columns of 4 values become 4 rows of 8. */
@inline
function packBlocks(src: usize, srcRowBytes: usize, rows: i32, dst: usize): void {
  const half = srcRowBytes << 2;
  for (const end = src + ((<usize>rows) << 2); src != end; src += 16) {
    transposeFour(src, srcRowBytes, dst);
    transposeFour(src + half, srcRowBytes, dst + 16);
    dst += 4 * PANEL_ROW_BYTES;
  }
}

export function copyRowsF32(
  srcPtr: usize,
  srcRowBytes: usize,
  dstPtr: usize,
  dstRowBytes: usize,
  rows: i32,
  length: i32,
): void {
  for (; rows > 0; rows--) {
    let src = srcPtr;
    let dst = dstPtr;
    const end = src + ((<usize>length) << 2);
    const fourEnd = src + ((<usize>(length & ~15)) << 2);
    const vectorEnd = src + ((<usize>(length & ~3)) << 2);
    for (; src < fourEnd; src += 64, dst += 64) {
      const v0 = v128.load(src);
      const v1 = v128.load(src, 16);
      const v2 = v128.load(src, 32);
      const v3 = v128.load(src, 48);
      storeSixteen(dst, v0, v1, v2, v3);
    }
    for (; src < vectorEnd; src += 16, dst += 16) v128.store(dst, v128.load(src));
    for (; src < end; src += 4, dst += 4) f32.store(dst, f32.load(src));
    srcPtr += srcRowBytes;
    dstPtr += dstRowBytes;
  }
}
