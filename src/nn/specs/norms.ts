// The normalization layers that PyTorch has: their specs and builders, checked. What the layers
// declare and bind is in normKinds.ts, the math in `norm`.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import type { Shape } from '../../base/shape.ts';
import { accept, jsonOf, oneOf } from '../../base/values.ts';
import { type LayerForm, layerForm, sizes } from './form.ts';
import {
  checkNormalizedShape,
  DEFAULT_EPS,
  DEFAULT_MOMENTUM,
  DEFAULT_WEIGHT,
  epsOption,
  momentumOption,
  type SyncOption,
  type SyncScope,
  syncOption,
  weightInitOption,
} from './normOptions.ts';
import { checkCount, optionalFlag, size } from './options.ts';
import { STATISTICS_SOURCES, type StatisticsSource } from './statistics.ts';

/** A batch normalization as plain data. */
export interface BatchNormSpec {
  /** The kind of layer. */
  readonly kind: 'batchNorm';
  /** The size of the last axis. */
  readonly channels: number;
  /** As {@link BatchNormOptions.eps}. */
  readonly eps: number;
  /** As {@link BatchNormOptions.momentum}. */
  readonly momentum: number | null;
  /** As {@link BatchNormOptions.affine}. */
  readonly affine: boolean;
  /** As {@link BatchNormOptions.trackRunningStats}. */
  readonly trackRunningStats: boolean;
  /** As {@link BatchNormOptions.sync}. */
  readonly sync: SyncScope;
  /** Samples that are normalized together within a replica; null takes all. */
  readonly virtualBatch: number | null;
  /** As {@link BatchNormOptions.frozen}. */
  readonly frozen: boolean;
  /** Which statistics training normalizes by. */
  readonly statistics: StatisticsSource;
  /** Whether training updates the running statistics. */
  readonly updateStatistics: boolean;
  /** As {@link BatchNormOptions.weightInit}. */
  readonly weightInit: number;
}

/** The options of `nn.batchNorm`. */
export interface BatchNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number;
  /** Weight of the newest batch in the running statistics, `null` for a plain average over all
   * batches; default 0.1. */
  readonly momentum?: number | null;
  /** Whether there are weight and bias; default true. */
  readonly affine?: boolean;
  /** Whether running statistics are kept for evaluation; default true. Without them, each shard is
   * normalized by its own statistics in evaluation, too. */
  readonly trackRunningStats?: boolean;
  /** Which replicas share statistics: `all`, groups of k, or each alone (`local`, ordinary batch
   * normalization, the default). `sync` is an alias of `all`. See `convertNorm`. */
  readonly sync?: SyncOption;
  /** Ghost batch normalization (Hoffer et al. 2017): the samples of each replica are split, in
   * order, into virtual batches of this size, each normalized separately. A remainder with fewer
   * than 2 values per channel joins the batch before it. Running statistics average the virtual
   * batches by their counts. Only with sync `local`; default null, one batch. */
  readonly virtualBatch?: number | null;
  /** Normalizes by the running statistics in training, too. The statistics, weight and bias do not
   * change (torchvision's FrozenBatchNorm2d), so weight and bias are buffers, not parameters.
   * `sync` and `momentum` have no effect but are kept for `convertNorm`. Default false. */
  readonly frozen?: boolean;
  /** Which statistics training normalizes by: those of the batch or, as in evaluation, the
   * `running` ones. Backward treats running statistics as constants; weight and bias still train.
   * Default `batch`; no effect in a frozen layer. */
  readonly statistics?: StatisticsSource;
  /** Whether training updates the running statistics from each batch; default true. No effect in a
   * frozen layer. */
  readonly updateStatistics?: boolean;
  /** The initial weight; default 1. With 0 in the last norm of a residual's body, each block starts
   * as its shortcut (Goyal et al. 2017). */
  readonly weightInit?: number;
}

export const batchNormSchema = optionsSchema<BatchNormOptions>()({
  eps: epsOption,
  momentum: momentumOption,
  affine: optionalFlag,
  trackRunningStats: optionalFlag,
  sync: syncOption,
  virtualBatch: accept<number | null>(
    'a whole number from 1, or null',
    (samples) => samples === null || size.safeParse(samples).success,
    { ...jsonOf(size), type: ['integer', 'null'] },
  ).exactOptional(),
  frozen: optionalFlag,
  statistics: oneOf(STATISTICS_SOURCES).exactOptional(),
  updateStatistics: optionalFlag,
  weightInit: weightInitOption,
});

/** Batch normalization over all axes but the last (PyTorch's BatchNorm1d, 2d and 3d; SyncBatchNorm
 * with `sync`): Takes [C], [L, C], [H, W, C] or [D, H, W, C] and keeps the shape. y = (x - mean) /
 * sqrt(var + eps) * weight + bias with the biased variance of the sync group (Ioffe and Szegedy
 * 2015); the running variance is unbiased. Throws a {@link UsageError} for options out of range,
 * and in training if a sync group has one value per channel, which has no variance.
 *
 * @example
 * nn.batchNorm(16, { sync: 'all' }) // [28, 28, 16] -> [28, 28, 16] */
export function batchNorm(channels: number, options: BatchNormOptions = {}): BatchNormSpec {
  checkCount('batchNorm channels', channels);
  const given = parseOptions('batchNorm', batchNormSchema, options, {
    example: "batchNorm(64, { sync: 'all' })",
  });
  const spec: BatchNormSpec = {
    kind: 'batchNorm',
    channels,
    eps: DEFAULT_EPS,
    momentum: DEFAULT_MOMENTUM,
    affine: true,
    trackRunningStats: true,
    sync: 'local',
    virtualBatch: null,
    frozen: false,
    statistics: 'batch',
    updateStatistics: true,
    weightInit: DEFAULT_WEIGHT,
    ...given,
  };
  if (spec.virtualBatch !== null) checkVirtualBatch(spec, spec.virtualBatch);
  checkStatistics(spec);
  if (spec.frozen && !spec.trackRunningStats) {
    throw new UsageError({
      what: 'batchNorm frozen without running statistics',
      given: 'trackRunningStats false',
      allowed: 'trackRunningStats true, since there is nothing else to normalize by',
    });
  }
  return spec;
}

/** Throws if training would normalize by statistics that do not exist. */
function checkStatistics({ statistics, trackRunningStats, virtualBatch }: BatchNormSpec): void {
  if (statistics !== 'running') return;
  if (!trackRunningStats) {
    throw new UsageError({
      what: "batchNorm statistics 'running'",
      given: 'trackRunningStats false',
      allowed: 'trackRunningStats true, since there is nothing else to normalize by',
    });
  }
  if (virtualBatch === null) return;
  throw new UsageError({
    what: "batchNorm virtualBatch with statistics 'running'",
    given: virtualBatch,
    allowed: 'null: the layer does not normalize by a batch',
  });
}

function checkVirtualBatch(spec: BatchNormSpec, virtualBatch: number): void {
  if (spec.sync !== 'local') {
    throw new UsageError({
      what: `batchNorm sync with virtualBatch ${virtualBatch}`,
      given: spec.sync,
      allowed: "'local': virtual batches are smaller than a replica's",
      hint: 'virtualBatch without sync, or sync without virtualBatch',
    });
  }
  if (!spec.frozen) return;
  throw new UsageError({
    what: 'batchNorm virtualBatch with frozen',
    given: virtualBatch,
    allowed: 'null: a frozen layer takes no statistics',
  });
}

/** A group normalization as plain data. */
export interface GroupNormSpec {
  /** The kind of layer. */
  readonly kind: 'groupNorm';
  /** A divisor of the channels. */
  readonly numGroups: number;
  /** The size of the last axis. */
  readonly channels: number;
  /** As {@link SampleNormOptions.eps}. */
  readonly eps: number;
  /** As {@link SampleNormOptions.affine}. */
  readonly affine: boolean;
  /** As {@link SampleNormOptions.weightInit}. */
  readonly weightInit: number;
}

/** The options of norms with statistics over one sample. */
export interface SampleNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number;
  /** Whether weight and bias are trained; default true, but false for instanceNorm, as in
   * PyTorch. */
  readonly affine?: boolean;
  /** The initial weight, as {@link BatchNormOptions.weightInit}; default 1. */
  readonly weightInit?: number;
}

export const sampleNormSchema = optionsSchema<SampleNormOptions>()({
  eps: epsOption,
  affine: optionalFlag,
  weightInit: weightInitOption,
});

/** Group normalization (Wu and He 2018; PyTorch's GroupNorm): normalizes each group of adjacent
 * channels of each sample by its own mean and biased variance. Takes any shape with the channels
 * last; weight and bias are per channel. Throws a {@link UsageError} if numGroups does not divide
 * the channels.
 *
 * @example
 * nn.groupNorm(4, 16) // [28, 28, 16] -> [28, 28, 16] */
export function groupNorm(
  numGroups: number,
  channels: number,
  options: SampleNormOptions = {},
): GroupNormSpec {
  checkCount('groupNorm channels', channels);
  if (!Number.isInteger(numGroups) || numGroups < 1 || channels % numGroups !== 0) {
    throw new UsageError({
      what: `groupNorm numGroups for ${channels} channels`,
      given: numGroups,
      allowed: `a divisor of ${channels}`,
      hint: `numGroups ${divisorBelow(channels, numGroups)}`,
    });
  }
  const given = parseOptions('groupNorm', sampleNormSchema, options, {
    example: 'groupNorm(8, 64, { affine: false })',
  });
  const { eps = DEFAULT_EPS, affine = true, weightInit = DEFAULT_WEIGHT } = given;
  return { kind: 'groupNorm', numGroups, channels, eps, affine, weightInit };
}

/** The largest divisor of `channels` that is at most `wanted`; 1 if `wanted` is not usable. */
function divisorBelow(channels: number, wanted: number): number {
  let divisor = Math.min(
    channels,
    typeof wanted === 'number' ? Math.max(1, Math.floor(wanted) || 1) : 1,
  );
  while (channels % divisor !== 0) divisor--;
  return divisor;
}

/** An instance normalization as plain data. */
export interface InstanceNormSpec {
  /** The kind of layer. */
  readonly kind: 'instanceNorm';
  /** The size of the last axis. */
  readonly channels: number;
  /** As {@link SampleNormOptions.eps}. */
  readonly eps: number;
  /** As {@link SampleNormOptions.affine}. */
  readonly affine: boolean;
  /** As {@link InstanceNormOptions.momentum}. */
  readonly momentum: number | null;
  /** As {@link InstanceNormOptions.trackRunningStats}. */
  readonly trackRunningStats: boolean;
  /** As {@link SampleNormOptions.weightInit}. */
  readonly weightInit: number;
}

/** The options of `nn.instanceNorm`. */
export interface InstanceNormOptions extends SampleNormOptions {
  /** Weight of the newest batch in the running statistics, `null` for a plain average over all
   * batches; default 0.1. No effect unless they are tracked. */
  readonly momentum?: number | null;
  /** Whether evaluation normalizes by running statistics, averages of the samples' means and
   * unbiased variances; default false, as in PyTorch. They need no synchronization. */
  readonly trackRunningStats?: boolean;
}

export const instanceNormSchema = optionsSchema<InstanceNormOptions>()({
  eps: epsOption,
  affine: optionalFlag,
  momentum: momentumOption,
  trackRunningStats: optionalFlag,
  weightInit: weightInitOption,
});

/** Instance normalization (Ulyanov, Vedaldi, Lempitsky 2016; PyTorch's InstanceNorm1d, 2d and 3d):
 * normalizes each channel of each sample by its own mean and biased variance. Takes any shape with
 * the channels last. With running statistics a sample needs at least 2 values per channel;
 * training throws a {@link UsageError} otherwise.
 *
 * @example
 * nn.instanceNorm(16) // [28, 28, 16] -> [28, 28, 16] */
export function instanceNorm(
  channels: number,
  options: InstanceNormOptions = {},
): InstanceNormSpec {
  checkCount('instanceNorm channels', channels);
  const given = parseOptions('instanceNorm', instanceNormSchema, options, {
    example: 'instanceNorm(64, { affine: true })',
  });
  const { eps = DEFAULT_EPS, affine = false, momentum = DEFAULT_MOMENTUM } = given;
  const { trackRunningStats = false, weightInit = DEFAULT_WEIGHT } = given;
  return { kind: 'instanceNorm', channels, eps, affine, momentum, trackRunningStats, weightInit };
}

/** A layer normalization as plain data. */
export interface LayerNormSpec {
  /** The kind of layer. */
  readonly kind: 'layerNorm';
  /** The sizes of the last axes of a sample, or of all axes. */
  readonly normalizedShape: Shape;
  /** As {@link SampleNormOptions.eps}. */
  readonly eps: number;
  /** As {@link SampleNormOptions.affine}. */
  readonly affine: boolean;
  /** As {@link SampleNormOptions.weightInit}. */
  readonly weightInit: number;
}

/** Layer normalization (Ba, Kiros, Hinton 2016) over the last axes of a sample (PyTorch's
 * LayerNorm; here the channels are the last axis), with weight and bias per element.
 *
 * @example
 * nn.layerNorm([64]) // [10, 64] -> [10, 64] */
export function layerNorm(
  normalizedShape: number | Shape,
  options: SampleNormOptions = {},
): LayerNormSpec {
  const shape = checkNormalizedShape('layerNorm', normalizedShape);
  const given = parseOptions('layerNorm', sampleNormSchema, options, {
    example: 'layerNorm([28, 64], { affine: false })',
  });
  const { eps = DEFAULT_EPS, affine = true, weightInit = DEFAULT_WEIGHT } = given;
  return { kind: 'layerNorm', normalizedShape: shape, eps, affine, weightInit };
}

const normalized = { normalizedShape: sizes };

type FormedSpec = BatchNormSpec | GroupNormSpec | InstanceNormSpec | LayerNormSpec;

/** The JSON forms of these layers. */
export const normForms: readonly LayerForm<FormedSpec>[] = [
  layerForm('batchNorm', { channels: size, ...batchNormSchema.shape }, (fields) => {
    const { channels, ...options } = fields;
    return batchNorm(channels, options);
  }),
  layerForm(
    'groupNorm',
    { numGroups: size, channels: size, ...sampleNormSchema.shape },
    (fields) => {
      const { numGroups, channels, ...options } = fields;
      return groupNorm(numGroups, channels, options);
    },
  ),
  layerForm('instanceNorm', { channels: size, ...instanceNormSchema.shape }, (fields) => {
    const { channels, ...options } = fields;
    return instanceNorm(channels, options);
  }),
  layerForm('layerNorm', { ...normalized, ...sampleNormSchema.shape }, (fields) => {
    const { normalizedShape, ...options } = fields;
    return layerNorm(normalizedShape, options);
  }),
];
