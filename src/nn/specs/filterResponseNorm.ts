// Filter response normalization: spec and builder, checked. What the layer declares and binds is in
// filterResponseNormKind.ts.

import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { layerForm } from './form.ts';
import { DEFAULT_WEIGHT, epsOption, weightInitOption } from './normOptions.ts';
import { checkCount, optionalFlag, size } from './options.ts';

/** A filter response normalization as plain data. */
export interface FilterResponseNormSpec {
  /** The kind of layer. */
  readonly kind: 'filterResponseNorm';
  /** The size of the last axis. */
  readonly channels: number;
  /** As {@link FilterResponseNormOptions.eps}. */
  readonly eps: number;
  /** As {@link FilterResponseNormOptions.affine}. */
  readonly affine: boolean;
  /** As {@link FilterResponseNormOptions.tlu}. */
  readonly tlu: boolean;
  /** As {@link FilterResponseNormOptions.weightInit}. */
  readonly weightInit: number;
}

/** The options of `nn.filterResponseNorm`. */
export interface FilterResponseNormOptions {
  /** Added to the mean square; default 1e-6, as in the paper. It is a constant. The paper trains it
   * if a sample has one value per channel, because the output is then little more than a sign; use
   * a larger value in that case. */
  readonly eps?: number;
  /** Whether weight and bias are trained; default true. */
  readonly affine?: boolean;
  /** Whether a thresholded linear unit follows, which replaces a ReLU: max(y, threshold), with a
   * trained threshold for each channel that starts at 0; default true. */
  readonly tlu?: boolean;
  /** The initial weight, as for batchNorm; default 1. */
  readonly weightInit?: number;
}

const DEFAULT_EPS = 1e-6;

export const filterResponseNormSchema = optionsSchema<FilterResponseNormOptions>()({
  eps: epsOption,
  affine: optionalFlag,
  tlu: optionalFlag,
  weightInit: weightInitOption,
});

/** Filter response normalization (Singh and Krishnan 2020): y = x / sqrt(mean(x^2) + eps) * weight
 * + bias, with the mean over the positions of one sample and channel; then max(y, threshold).
 * Takes any shape with the channels last and keeps it; needs no batch and no synchronization. If y
 * equals the threshold, its gradient goes to the threshold. Throws a {@link UsageError} for
 * options out of range.
 *
 * @example
 * nn.filterResponseNorm(16) // [28, 28, 16] -> [28, 28, 16] */
export function filterResponseNorm(
  channels: number,
  options: FilterResponseNormOptions = {},
): FilterResponseNormSpec {
  checkCount('filterResponseNorm channels', channels);
  const given = parseOptions('filterResponseNorm', filterResponseNormSchema, options, {
    example: 'filterResponseNorm(64, { tlu: false })',
  });
  const { eps = DEFAULT_EPS, affine = true, tlu = true, weightInit = DEFAULT_WEIGHT } = given;
  return { kind: 'filterResponseNorm', channels, eps, affine, tlu, weightInit };
}

export const filterResponseNormForm = layerForm(
  'filterResponseNorm',
  { channels: size, ...filterResponseNormSchema.shape },
  ({ channels, ...options }) => filterResponseNorm(channels, options),
);
