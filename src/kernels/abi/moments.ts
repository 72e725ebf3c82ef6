// Moments of each channel of [rows, channels] float32, channels last, in float64. A vector of them
// is count, mean[C], M2[C]; M2 is the sum of squared deviations from the mean.

export interface MomentsKernels {
  /** Moments of a shard; zeros if it has no rows. pivotsPtr has space for C float32. The order of
   * operations only depends on the numbers of rows and channels. */
  momentsF32(
    xPtr: number,
    rows: number,
    channels: number,
    pivotsPtr: number,
    vectorPtr: number,
  ): void;
  /** Moments of the union of two shards (Chan, Golub, LeVeque 1979); dst may be a or b. */
  mergeMoments(dstPtr: number, aPtr: number, bPtr: number, channels: number): void;
}
