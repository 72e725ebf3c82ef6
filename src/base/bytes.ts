// Sizes in memory.

export const FLOAT_BYTES = 4;
export const DOUBLE_BYTES = 8;

/** Two cache lines, because the adjacent-line prefetcher fetches them in pairs: regions of
 * different writers never share one. This also leaves space for vector loads that read past the
 * end of a region. */
export const ALIGN_BYTES = 128;

/** The page size of WebAssembly memory. */
export const PAGE_BYTES = 65_536;

/** The smallest multiple of `step` (a power of two) that is not below `value`. */
export function alignUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
