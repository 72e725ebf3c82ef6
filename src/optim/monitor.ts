// The validation result that a run's decisions at the end of an epoch depend on: which epoch is
// best, whether to stop early, whether a plateau is reached. Pure functions.

export const MONITORS = ['loss', 'accuracy', 'meanIou'] as const;
/** `loss`: lower is better. `accuracy`: higher is better, for classes only. `meanIou`: higher is
 * better, for masks only. */
export type MonitorName = (typeof MONITORS)[number];

/** Whether a value is better than the best so far by more than `minDelta`. The first finite value
 * is better than none (null). A value that is not finite is never better. */
export function isBetter(
  monitor: MonitorName,
  value: number,
  best: number | null,
  minDelta: number,
): boolean {
  if (!Number.isFinite(value)) return false;
  if (best === null) return true;
  return monitor === 'loss' ? value < best - minDelta : value > best + minDelta;
}

/** The best epoch of a run so far. */
export interface BestEpoch {
  /** The quantity that it is best by. */
  readonly monitor: MonitorName;
  /** The samples of the validation. */
  readonly split: ValidationSplit;
  /** The value of that epoch; null if no value was finite. */
  readonly value: number | null;
  /** The number of that epoch, counted from 1; 0 if no value was finite. */
  readonly epoch: number;
  /** Total steps at its end. */
  readonly step: number;
  /** Epochs since then. */
  readonly badEpochs: number;
}

export const VALIDATION_SPLITS = ['test', 'validation'] as const;
/** The samples that a run can be validated on: the test samples, or those held out by
 * `validationSplit`. */
export type ValidationSplit = (typeof VALIDATION_SPLITS)[number];
