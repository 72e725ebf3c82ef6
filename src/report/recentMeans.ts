// Loss and accuracy of what was trained since the last look, from the means over the epoch so far
// that a progress has.

import type { Progress } from '../runtime/progress.ts';

/** A float64 has 16 digits. */
const LARGEST_MEAN = 1e10;

export class RecentMeans {
  /** Where the last look was: in which epoch, and what had summed up. */
  private epoch = 0;
  private samples = 0;
  private lossSum = 0;
  private correctSum = 0;

  /** The means since the last look, or since the epoch began; undefined where nothing was trained
   * since. NaN where they are not known. */
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
    // After a mean as large as this, what later steps add to its sum is lost in rounding.
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
