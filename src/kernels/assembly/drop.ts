// Drops whole columns or rows of [rows, columns] and scales the others. See abi/drop.ts.

import { storeLanes } from './lanes';

/** x * scale, or 0 where the scale is 0. */
@inline
function kept(x: v128, scale: v128): v128 {
  return v128.and(f32x4.mul(x, scale), f32x4.ne(scale, f32x4.splat(0)));
}

export function dropColumnsF32(
  xPtr: usize,
  yPtr: usize,
  rows: i32,
  columns: i32,
  scalesPtr: usize,
): void {
  const rowBytes = (<usize>columns) << 2;
  for (; rows > 0; rows--, xPtr += rowBytes, yPtr += rowBytes) {
    let x = xPtr;
    let y = yPtr;
    let scales = scalesPtr;
    let n = columns;
    for (; n >= 8; n -= 8, x += 32, y += 32, scales += 32) {
      const y0 = kept(v128.load(x), v128.load(scales));
      const y1 = kept(v128.load(x, 16), v128.load(scales, 16));
      v128.store(y, y0);
      v128.store(y, y1, 16);
    }
    for (; n > 0; n -= 4, x += 16, y += 16, scales += 16) {
      storeLanes(y, kept(v128.load(x), v128.load(scales)), n);
    }
  }
}

export function dropRowsF32(
  xPtr: usize,
  yPtr: usize,
  rows: i32,
  columns: i32,
  scalesPtr: usize,
): void {
  const rowBytes = (<usize>columns) << 2;
  for (; rows > 0; rows--, xPtr += rowBytes, yPtr += rowBytes, scalesPtr += 4) {
    const scale = v128.load32_splat(scalesPtr);
    let x = xPtr;
    let y = yPtr;
    let n = columns;
    for (; n >= 8; n -= 8, x += 32, y += 32) {
      const y0 = kept(v128.load(x), scale);
      const y1 = kept(v128.load(x, 16), scale);
      v128.store(y, y0);
      v128.store(y, y1, 16);
    }
    for (; n > 0; n -= 4, x += 16, y += 16) {
      storeLanes(y, kept(v128.load(x), scale), n);
    }
  }
}
