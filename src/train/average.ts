// The average of the weights, if a run keeps one: each worker adds the new parameters of its blocks
// to it.

import type { KernelExports } from '../kernels/exports.ts';
import type { RunPlan } from '../plan/plan.ts';

/** A block of parameters; the last tensor of its state is the average. */
interface AveragedBlock {
  readonly paramPtr: number;
  readonly statePtrs: readonly number[];
  readonly length: number;
}

/** Returns a function that adds the new parameters of these blocks to the average, in the steps
 * that have a rate for it, which is the last of `rates`. */
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
