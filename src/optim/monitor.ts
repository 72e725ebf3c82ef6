// The quantity of a validation by which a run decides at the ends of epochs: which epoch is best,
// whether to stop early, whether a plateau is reached. Pure.

export const MONITORS = ['loss', 'accuracy', 'meanIou'] as const;
/** `loss`: lower is better; `accuracy`: higher is, for classes alone; `meanIou`: higher is, for
 * masks alone. */
export type MonitorName = (typeof MONITORS)[number];

/** Whether a value is better than the best so far by more than `minDelta`. A first finite value is
 * better than none (null), one that is not finite never is. */
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
  /** What it is the best by. */
  readonly monitor: MonitorName;
  /** The samples of the validation. */
  readonly split: ValidationSplit;
  /** Of that epoch; null while no value was finite. */
  readonly value: number | null;
  /** From 1; 0 while no value was finite. */
  readonly epoch: number;
  /** Total steps at its end. */
  readonly step: number;
  /** Epochs since then. */
  readonly badEpochs: number;
}

export const VALIDATION_SPLITS = ['test', 'validation'] as const;
/** What a run can be validated on: the test samples, or those that `validationSplit` holds out. */
export type ValidationSplit = (typeof VALIDATION_SPLITS)[number];
