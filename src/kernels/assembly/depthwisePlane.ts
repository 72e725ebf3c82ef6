// The planes that depthwise kernels read: sixteen channels of one padded sample at a time, one
// cache line per pixel. So pixels are a constant step apart, the rows that taps need stay in the L1
// cache, and pixels of many channels, powers of two apart, do not evict each other there.

export const PLANE_PIXEL_BYTES: usize = 64;

/** Copies up to 64 bytes of each pixel of a row. */
@inline
export function copyToPlane(
  from: usize,
  fromStepBytes: usize,
  bytes: usize,
  pixels: i32,
  to: usize,
  toStepBytes: usize,
): void {
  if (bytes < PLANE_PIXEL_BYTES) {
    for (; pixels > 0; pixels--, from += fromStepBytes, to += toStepBytes) {
      for (let at: usize = 0; at < bytes; at += 16) v128.store(to + at, v128.load(from + at));
    }
    return;
  }
  for (; pixels > 0; pixels--, from += fromStepBytes, to += toStepBytes) {
    const a = v128.load(from);
    const b = v128.load(from, 16);
    const c = v128.load(from, 32);
    const d = v128.load(from, 48);
    v128.store(to, b, 16);
    v128.store(to, a);
    v128.store(to, d, 48);
    v128.store(to, c, 32);
  }
}
