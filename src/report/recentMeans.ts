// Loss and accuracy since the last call, from a progress, which has means over the epoch so far.

import type { Progress } from '../runtime/progress.ts';

/** A float64 has 16 digits. */
const LARGEST_MEAN = 1e10;

export class RecentMeans {
  /** The last call: its epoch, and the sums at that time. */
  private epoch = 0;
  private samples = 0;
  private lossSum = 0;
  private correctSum = 0;

  /** The means since the last call, or since the epoch began; undefined if nothing was trained
   * since. NaN if they are unknown. */
  take({
    epoch,
    samples,
    loss,
    accuracy,
  }: Progress): { readonly loss: number; readonly accuracy: number } | undefined {
    if (epoch !== this.epoch) {
      this.epoch = epoch;
      this.samples = 0;
      this.lossSum = 0;
      this.correctSum = 0;
    }
    const fresh = samples - this.samples;
    if (fresh <= 0) return undefined;
    // After a mean this large, rounding hides what later steps add to its sum.
    const isLost = this.lossSum > LARGEST_MEAN * samples;
    const means = {
      loss: isLost ? Number.NaN : (loss * samples - this.lossSum) / fresh,
      accuracy: (accuracy * samples - this.correctSum) / fresh,
    };
    this.samples = samples;
    this.lossSum = loss * samples;
    this.correctSum = accuracy * samples;
    return means;
  }
}
