// Reductions over the arrays of several ranks, elementwise and always in rank order. A separate
// module, not part of KernelExports. `code` = 8 * type + op: float32 0, float64 1, int32 2, uint8
// 3; sum 0, min 1, max 2, prod 3, mean 4. Any other code traps. Tables hold one unsigned 32-bit
// address per rank; `offsetBytes` is added to every address of both tables. Addresses only need to
// be multiples of the element size.

/** Float32 sums, products and means are computed in float64 and rounded once, float64 directly;
 * int32 and uint8 wrap around and have no mean. NaN wins a minimum or maximum; -0 is less than
 * 0. */
export interface CollectiveKernels {
  /** dst[k][i] = src[0][i] op src[1][i] op ..., for every k; a mean divides that sum by `sources`.
   * With one source it copies. There is at least one source. A destination may be one of the
   * sources; otherwise no two arrays overlap. */
  foldRanks(
    code: number,
    srcTablePtr: number,
    sources: number,
    dstTablePtr: number,
    destinations: number,
    offsetBytes: number,
    length: number,
  ): void;
  /** dst[k][i] = src[0][i] op ... op src[k - 1][i], and dst[0] the identity: 0, 1, the largest or
   * the smallest value of the type, which is infinite for floats. Not for mean. There are as many
   * destinations as sources, at least one; dst[k] may be src[k], otherwise no two arrays overlap.
   * Stored float32 values are rounded, but the running value is not. */
  scanRanks(
    code: number,
    srcTablePtr: number,
    sources: number,
    dstTablePtr: number,
    offsetBytes: number,
    length: number,
  ): void;
  /** Copies bytes; the ranges may overlap. */
  copyBytes(dstPtr: number, srcPtr: number, sizeBytes: number): void;
}
