// Batch renormalization: spec and builder, checked. What the layer declares and binds is in
// batchRenormKind.ts.

import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { atLeastZero, realNumber, wholeNumber } from '../../base/values.ts';
import { layerForm } from './form.ts';
import {
  DEFAULT_EPS,
  DEFAULT_WEIGHT,
  epsOption,
  momentumOption,
  type SyncOption,
  type SyncScope,
  syncOption,
  weightInitOption,
} from './normOptions.ts';
import { checkCount, optionalFlag, size } from './options.ts';

/** A batch renormalization as plain data. */
export interface BatchRenormSpec {
  /** The kind of layer. */
  readonly kind: 'batchRenorm';
  /** The size of the last axis. */
  readonly channels: number;
  /** As {@link BatchRenormOptions.eps}. */
  readonly eps: number;
  /** As {@link BatchRenormOptions.momentum}. */
  readonly momentum: number | null;
  /** As {@link BatchRenormOptions.affine}. */
  readonly affine: boolean;
  /** As {@link BatchRenormOptions.sync}. */
  readonly sync: SyncScope;
  /** As {@link BatchRenormOptions.rMax}. */
  readonly rMax: number;
  /** As {@link BatchRenormOptions.dMax}. */
  readonly dMax: number;
  /** As {@link BatchRenormOptions.warmupSteps}. */
  readonly warmupSteps: number;
  /** As {@link BatchRenormOptions.weightInit}. */
  readonly weightInit: number;
}

/** The options of `nn.batchRenorm`. */
export interface BatchRenormOptions {
  /** Added to the variances; default 1e-5. */
  readonly eps?: number;
  /** Weight of the newest batch in the running statistics, `null` for a plain average over all
   * batches; default 0.01, as in the paper. */
  readonly momentum?: number | null;
  /** Whether weight and bias are trained; default true. */
  readonly affine?: boolean;
  /** Which replicas share statistics, as for batchNorm; default `local`. */
  readonly sync?: SyncOption;
  /** The maximum correction of a standard deviation, as a factor; default 3. A value of 1 with dMax
   * 0 is batch normalization. */
  readonly rMax?: number;
  /** The maximum correction of a mean, in running standard deviations; default 5. */
  readonly dMax?: number;
  /** The number of optimizer steps over which rMax and dMax grow linearly from 1 and 0 (plain batch
   * normalization); default 5000. With 0 they are constant. */
  readonly warmupSteps?: number;
  /** The initial weight, as for batchNorm; default 1. */
  readonly weightInit?: number;
}

const DEFAULTS = {
  eps: DEFAULT_EPS,
  momentum: 0.01,
  affine: true,
  sync: 'local',
  rMax: 3,
  dMax: 5,
  warmupSteps: 5000,
  weightInit: DEFAULT_WEIGHT,
} as const;

export const batchRenormSchema = optionsSchema<BatchRenormOptions>()({
  eps: epsOption,
  momentum: momentumOption,
  affine: optionalFlag,
  sync: syncOption,
  rMax: realNumber('a finite number from 1', (rMax) => rMax >= 1, { minimum: 1 }).exactOptional(),
  dMax: atLeastZero.exactOptional(),
  warmupSteps: wholeNumber(0).exactOptional(),
  weightInit: weightInitOption,
});

/** Batch renormalization (Ioffe 2017) over all axes but the last: y = ((x - mean) / std * r + d) *
 * weight + bias. r = std / runningStd within [1 / rMax, rMax] and d = (mean - runningMean) /
 * runningStd within [-dMax, dMax] correct the batch statistics of the sync group toward those that
 * evaluation uses; backward treats them as constants. Takes any shape with the channels last.
 * Running statistics are those of batchNorm: an unbiased variance, whereas the paper averages
 * standard deviations. Throws a {@link UsageError} for options out of range, and in training if a
 * sync group has one value per channel.
 *
 * @example
 * nn.batchRenorm(16, { warmupSteps: 1000 }) // [28, 28, 16] -> [28, 28, 16] */
export function batchRenorm(channels: number, options: BatchRenormOptions = {}): BatchRenormSpec {
  checkCount('batchRenorm channels', channels);
  const given = parseOptions('batchRenorm', batchRenormSchema, options, {
    example: 'batchRenorm(64, { rMax: 3 })',
  });
  return { kind: 'batchRenorm', channels, ...DEFAULTS, ...given };
}

export const batchRenormForm = layerForm(
  'batchRenorm',
  { channels: size, ...batchRenormSchema.shape },
  ({ channels, ...options }) => batchRenorm(channels, options),
);
