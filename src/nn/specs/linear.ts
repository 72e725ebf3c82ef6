// Fully connected layer: spec and builder, checked. The implementation is in linearKind.ts.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { oneOf } from '../../base/values.ts';
import { layerForm } from './form.ts';
import { WEIGHT_INITS, type WeightInit } from './init.ts';
import { checkCount, optionalFlag, size } from './options.ts';

/** A fully connected layer as plain data. */
export interface LinearSpec {
  /** The kind of layer. */
  readonly kind: 'linear';
  /** Size of the input's last axis. */
  readonly inFeatures: number;
  /** Size of the output's last axis. */
  readonly outFeatures: number;
  /** As {@link LinearOptions.bias}. */
  readonly bias: boolean;
  /** As {@link LinearOptions.init}. */
  readonly init: WeightInit;
  /** As {@link LinearOptions.weightStandardization}. */
  readonly weightStandardization: boolean;
}

/** The options of `nn.linear`. */
export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Default `torch`. */
  readonly init?: WeightInit;
  /** Multiplies by standardized weights (Qiao et al. 2019): those of each output minus their mean,
   * divided by sqrt(biased var + 1e-5). Default false. */
  readonly weightStandardization?: boolean;
}

export const linearSchema = optionsSchema<LinearOptions>()({
  bias: optionalFlag,
  init: oneOf(WEIGHT_INITS).exactOptional(),
  weightStandardization: optionalFlag,
});

/** A fully connected layer. Throws a {@link UsageError} for sizes below 1, and for options that are
 * unknown or have the wrong type.
 *
 * @example
 * nn.linear(64, 10) // [64] -> [10] */
export function linear(
  inFeatures: number,
  outFeatures: number,
  options: LinearOptions = {},
): LinearSpec {
  checkCount('linear inFeatures', inFeatures);
  checkCount('linear outFeatures', outFeatures);
  const given = parseOptions('linear', linearSchema, options, {
    example: 'linear(64, 10, { bias: false })',
  });
  const { bias = true, init = 'torch', weightStandardization = false } = given;
  return { kind: 'linear', inFeatures, outFeatures, bias, init, weightStandardization };
}

export const linearForm = layerForm(
  'linear',
  { inFeatures: size, outFeatures: size, ...linearSchema.shape },
  ({ inFeatures, outFeatures, ...options }) => linear(inFeatures, outFeatures, options),
);
