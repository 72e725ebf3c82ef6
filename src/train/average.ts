// The average of the weights, where a run keeps one: each worker takes the new parameters of its
// blocks into it.

import type { KernelExports } from '../kernels/exports.ts';
import type { RunPlan } from '../plan/plan.ts';

/** A block of parameters; the last of its state is the average. */
interface AveragedBlock {
  readonly paramPtr: number;
  readonly statePtrs: readonly number[];
  readonly length: number;
}

/** Returns what takes the new parameters of these blocks into the average, in the steps that have
 * a rate for it: the last of `rates`. */
export function bindAverage(
  { plan, kernels }: { readonly plan: RunPlan; readonly kernels: KernelExports },
  blocks: readonly AveragedBlock[],
  rates: Float64Array,
): () => void {
  if (plan.config.averaging === undefined) return () => {};
  const last = rates.length - 1;
  const ratePtr = rates.byteOffset + last * rates.BYTES_PER_ELEMENT;
  return () => {
    if (rates[last] === 0) return;
    for (const { paramPtr, statePtrs, length } of blocks) {
      kernels.averageF32(statePtrs[statePtrs.length - 1]!, paramPtr, length, ratePtr);
    }
  };
}
