// The schedule that lowers the learning rate when validation stops improving, PyTorch's
// ReduceLROnPlateau: its plain data, and its decision at the end of an epoch. Pure functions.

import { optionsSchema, parseOptions } from '../base/parse.ts';
import { atLeastZero, oneOf, realNumber, wholeNumber } from '../base/values.ts';
import { isBetter, MONITORS, type MonitorName } from './monitor.ts';
import { type Warmup, type WarmupOptions, warmupFields, warmupOf } from './warmup.ts';

/** The rate is multiplied by `factor` once the monitored value has not improved for more than
 * `patience` epochs. */
export interface PlateauSchedule extends Warmup {
  /** The kind of schedule. */
  readonly kind: 'plateau';
  /** As {@link PlateauOptions.monitor}. */
  readonly monitor: MonitorName;
  /** As {@link PlateauOptions.factor}. */
  readonly factor: number;
  /** As {@link PlateauOptions.patience}. */
  readonly patience: number;
  /** As {@link PlateauOptions.threshold}. */
  readonly threshold: number;
  /** As {@link PlateauOptions.minLr}. */
  readonly minLr: number;
}

/** Defaults as in PyTorch. */
export interface PlateauOptions extends WarmupOptions {
  /** The validation result that should improve; `fit` needs `validate`. Default `loss`. */
  readonly monitor?: MonitorName;
  /** Factor of the rate, above 0 and below 1; default 0.1. */
  readonly factor?: number;
  /** Epochs without improvement to tolerate; the next one lowers the rate. Default 10. */
  readonly patience?: number;
  /** The minimum improvement, as a share of the best value; default 1e-4. */
  readonly threshold?: number;
  /** Lower bound of the rate; default 0. */
  readonly minLr?: number;
}

/** The state of a plateau schedule, which is part of checkpoints. */
export interface PlateauState {
  /** The best value so far; null before the first finite one. */
  readonly value: number | null;
  /** Epochs since then, or since the rate was lowered. */
  readonly badEpochs: number;
  /** The rate from the next step on, apart from the warmup. */
  readonly learningRate: number;
}

export const plateauSchema = optionsSchema<PlateauOptions>()({
  monitor: oneOf(MONITORS).exactOptional(),
  factor: realNumber(
    'a number above 0 and below 1',
    (factor) => factor > 0 && factor < 1,
  ).exactOptional(),
  patience: wholeNumber(0).exactOptional(),
  threshold: atLeastZero.exactOptional(),
  minLr: atLeastZero.exactOptional(),
  ...warmupFields,
});

/** Multiplies the rate by `factor` when validation stops improving; `fit` needs `validate`. Throws
 * a {@link UsageError}.
 *
 * @example
 * optim.schedules.plateau({ patience: 3, factor: 0.5 }) */
export function plateau(options: PlateauOptions = {}): PlateauSchedule {
  const defaults = { monitor: 'loss', factor: 0.1, patience: 10, threshold: 1e-4 } as const;
  const given = parseOptions('plateau', plateauSchema, options);
  const { warmupSteps: _steps, warmupEpochs: _epochs, ...rest } = given;
  return { kind: 'plateau', ...defaults, minLr: 0, ...rest, ...warmupOf('plateau', given) };
}

/** The state of the schedule after another epoch with validation result `value`. */
export function afterEpoch(
  schedule: PlateauSchedule,
  { value: best, badEpochs, learningRate }: PlateauState,
  value: number,
): PlateauState {
  const { monitor, factor, patience, threshold, minLr } = schedule;
  const minDelta = threshold * Math.abs(best ?? 0);
  if (isBetter(monitor, value, best, minDelta)) return { value, badEpochs: 0, learningRate };
  if (badEpochs < patience) return { value: best, badEpochs: badEpochs + 1, learningRate };
  const lowered = Math.max(minLr, learningRate * factor);
  return { value: best, badEpochs: 0, learningRate: Math.min(learningRate, lowered) };
}
