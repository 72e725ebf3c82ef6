// Root mean square normalization: spec and builder, checked. What the layer declares and binds is
// in rmsNormKind.ts.

import { optionsSchema, parseOptions } from '../../base/parse.ts';
import type { Shape } from '../../base/shape.ts';
import { layerForm, sizes } from './form.ts';
import {
  checkNormalizedShape,
  DEFAULT_EPS,
  DEFAULT_WEIGHT,
  epsOption,
  weightInitOption,
} from './normOptions.ts';
import { optionalFlag } from './options.ts';

/** A root mean square normalization as plain data. */
export interface RmsNormSpec {
  /** The kind of layer. */
  readonly kind: 'rmsNorm';
  /** The sizes of the last axes of a sample, or of all axes. */
  readonly normalizedShape: Shape;
  /** As {@link RmsNormOptions.eps}. */
  readonly eps: number;
  /** As {@link RmsNormOptions.affine}. */
  readonly affine: boolean;
  /** As {@link RmsNormOptions.weightInit}. */
  readonly weightInit: number;
}

/** The options of `nn.rmsNorm`. */
export interface RmsNormOptions {
  /** Added to the mean square; default 1e-5. (PyTorch's RMSNorm defaults to 1.19e-7.) */
  readonly eps?: number;
  /** Whether a weight per element is trained; default true. There is no bias. */
  readonly affine?: boolean;
  /** The initial weight, as for batchNorm; default 1. */
  readonly weightInit?: number;
}

export const rmsNormSchema = optionsSchema<RmsNormOptions>()({
  eps: epsOption,
  affine: optionalFlag,
  weightInit: weightInitOption,
});

/** Root mean square normalization (Zhang and Sennrich 2019; PyTorch's RMSNorm) over the last axes
 * of a sample: y = x / sqrt(mean(x^2) + eps) * weight, without a mean and without a bias. Takes
 * any shape that ends in `normalizedShape` and keeps it. Throws a {@link UsageError} for sizes
 * below 1 and an eps of 0 or less.
 *
 * @example
 * nn.rmsNorm([64]) // [10, 64] -> [10, 64] */
export function rmsNorm(
  normalizedShape: number | Shape,
  options: RmsNormOptions = {},
): RmsNormSpec {
  const shape = checkNormalizedShape('rmsNorm', normalizedShape);
  const given = parseOptions('rmsNorm', rmsNormSchema, options, {
    example: 'rmsNorm(64, { affine: false })',
  });
  const { eps = DEFAULT_EPS, affine = true, weightInit = DEFAULT_WEIGHT } = given;
  return { kind: 'rmsNorm', normalizedShape: shape, eps, affine, weightInit };
}

export const rmsNormForm = layerForm(
  'rmsNorm',
  { normalizedShape: sizes, ...rmsNormSchema.shape },
  ({ normalizedShape, ...options }) => rmsNorm(normalizedShape, options),
);
