// The update of batch normalization's running statistics, as in PyTorch: running = (1 - momentum)
// running + momentum observed, with the unbiased variance.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { RunningPtrs } from './setup.ts';

export interface RunningUpdateSetup {
  /** The whole memory. */
  readonly numbers: Float64Array;
  readonly channels: number;
  /** Weight of the newest observation; `null` averages all observations equally. */
  readonly momentum: number | null;
  /** The moments of all sync groups. */
  readonly groupPtrs: readonly number[];
  readonly running: RunningPtrs;
}

/** Binds the update. The observed values are the sync groups' means and unbiased variances,
 * averaged with their counts as weights; with one group they are those of the global batch. A step
 * without values changes nothing. */
export function bindRunningUpdate(setup: RunningUpdateSetup): () => void {
  const { numbers, channels, momentum, groupPtrs } = setup;
  const { meanPtr, varPtr, countPtr } = setup.running;

  const countObserved = (): number => {
    let total = 0;
    for (let g = 0; g < groupPtrs.length; g++) total += numbers[groupPtrs[g]! / DOUBLE_BYTES]!;
    return total;
  };

  return () => {
    const total = countObserved();
    if (total === 0) return;
    const updates = numbers[countPtr / DOUBLE_BYTES]! + 1;
    numbers[countPtr / DOUBLE_BYTES] = updates;
    const factor = momentum ?? 1 / updates;
    for (let channel = 0; channel < channels; channel++) {
      let mean = 0;
      let variance = 0;
      for (let g = 0; g < groupPtrs.length; g++) {
        const at = groupPtrs[g]! / DOUBLE_BYTES;
        const count = numbers[at]!;
        if (count === 0) continue;
        mean += numbers[at + 1 + channel]! * (count / total);
        variance += (numbers[at + 1 + channels + channel]! / (count - 1)) * (count / total);
      }
      const meanAt = meanPtr / DOUBLE_BYTES + channel;
      const varAt = varPtr / DOUBLE_BYTES + channel;
      numbers[meanAt] = (1 - factor) * numbers[meanAt]! + factor * mean;
      numbers[varAt] = (1 - factor) * numbers[varAt]! + factor * variance;
    }
  };
}
