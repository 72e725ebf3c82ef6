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
  /** Default `local`; as batchNorm's. */
  readonly sync?: SyncOption;
  /** The most that a standard deviation is corrected by, as a factor; default 3. 1 with dMax 0 is
   * batch normalization. */
  readonly rMax?: number;
  /** The most that a mean is corrected by, in running standard deviations; default 5. */
  readonly dMax?: number;
  /** Over so many optimizer steps the two grow linearly from 1 and 0, where the layer is batch
   * normalization; default 5000. With 0 they are constants. */
  readonly warmupSteps?: number;
  /** What the weight starts at; default 1. As batchNorm's. */
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
 * runningStd within [-dMax, dMax] correct the batch statistics of the sync group towards what
 * evaluation uses; they count as constants in backward. Any shape with the channels last. Running
 * statistics are batchNorm's: an unbiased variance, where the paper averages standard deviations.
 * Throws a {@link UsageError} for options out of range, and in training where a sync group has one
 * value per channel.
 *
 * @example
 * nn.batchRenorm(16, { warmupSteps: 1000 }) // [28, 28, 16] -> [28, 28, 16]
 */
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
