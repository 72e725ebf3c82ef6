// Questions to the step model: a table over numbers of devices, and the per-device batch from which
// synchronizing costs little, or less than not using batch statistics.

import { type Job, predictStep, type StepPrediction } from './step.ts';
import { NORMS, type NormName } from './tasks.ts';

/** Steps of all norms on a number of devices. */
export interface DevicesPrediction {
  readonly devices: number;
  readonly steps: Readonly<Record<NormName, ScaledStep>>;
  /** What SyncBN costs: its step over BN's, less 1. */
  readonly syncShare: number;
  /** Smallest per-device batch at which that is at most the given fraction; null if there is none
   * up to {@link MAX_BATCH}. */
  readonly breakEvenBatch: number | null;
  /** Smallest per-device batch at which SyncBN's step takes no longer than GroupNorm's; null if
   * there is none. */
  readonly groupNormBatch: number | null;
}

export interface ScaledStep extends StepPrediction {
  /** Images per second divided by those of as many separate devices, with the same norm. */
  readonly efficiency: number;
}

/** No device can hold larger batches of these networks. */
export const MAX_BATCH = 4096;

/** Predicts each number of devices. `share` is the fraction that SyncBN may add to a step, e.g.
 * 0.05. */
export function predictAll(
  job: Job,
  counts: readonly number[],
  share: number,
): readonly DevicesPrediction[] {
  return counts.map((devices) => {
    const steps = Object.fromEntries(
      NORMS.map((norm) => [norm, scaledStep(job, norm, devices)]),
    ) as Record<NormName, ScaledStep>;
    const withBatch = (replicaBatch: number, norm: NormName): number =>
      predictStep({ ...job, replicaBatch }, norm, devices).ms;
    return {
      devices,
      steps,
      syncShare: steps.SyncBN.ms / steps.BN.ms - 1,
      breakEvenBatch: smallestBatch(
        (batch) => withBatch(batch, 'SyncBN') <= (1 + share) * withBatch(batch, 'BN'),
      ),
      groupNormBatch: smallestBatch(
        (batch) => withBatch(batch, 'SyncBN') <= withBatch(batch, 'GroupNorm'),
      ),
    };
  });
}

/** What SyncBN and GroupNorm add to the step of BN at one per-device batch, as fractions. */
export interface BatchCost {
  readonly devices: number;
  readonly replicaBatch: number;
  readonly syncShare: number;
  readonly groupNormShare: number;
}

const MAX_CURVE_BATCH = 512;

/** The costs at per-device batches 1, 2, 4, ... on a number of devices. */
export function costsByBatch(job: Job, devices: number): readonly BatchCost[] {
  const costs: BatchCost[] = [];
  for (let replicaBatch = 1; replicaBatch <= MAX_CURVE_BATCH; replicaBatch *= 2) {
    const ms = (norm: NormName): number => predictStep({ ...job, replicaBatch }, norm, devices).ms;
    const local = ms('BN');
    costs.push({
      devices,
      replicaBatch,
      syncShare: ms('SyncBN') / local - 1,
      groupNormShare: ms('GroupNorm') / local - 1,
    });
  }
  return costs;
}

function scaledStep(job: Job, norm: NormName, devices: number): ScaledStep {
  const step = predictStep(job, norm, devices);
  const alone = predictStep({ ...job, device: { ...job.device, contention: 1 } }, norm, 1);
  return { ...step, efficiency: alone.ms / step.ms };
}

/** The smallest batch that is good enough, assuming that larger ones are, too: doubles until one
 * is, then bisects. Null if there is none up to {@link MAX_BATCH}. */
export function smallestBatch(isGood: (batch: number) => boolean): number | null {
  let good = 1;
  while (!isGood(good)) {
    if (good >= MAX_BATCH) return null;
    good *= 2;
  }
  let bad = Math.floor(good / 2);
  while (good - bad > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (isGood(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
