// Root mean square normalization as a layer. The maths is in norm/rmsNorm.ts.

import { optionsSchema, parseOptions } from '../base/parse.ts';
import { type Shape, showShape, sizeOf } from '../base/shape.ts';
import { bindRmsNorm } from '../norm/rmsNorm.ts';
import type { LayerKind } from './layer.ts';
import {
  checkLastAxes,
  checkNormalizedShape,
  DEFAULT_EPS,
  epsOption,
  meanSquareStatistics,
  normSetup,
  normWeight,
} from './normShared.ts';
import { optionalFlag } from './options.ts';

export interface RmsNormSpec {
  readonly kind: 'rmsNorm';
  /** The last axes of a sample, or all. */
  readonly normalizedShape: Shape;
  readonly eps: number;
  readonly affine: boolean;
}

export interface RmsNormOptions {
  /** Added to the mean square; default 1e-5. (PyTorch's RMSNorm takes 1.19e-7 unless told.) */
  readonly eps?: number;
  /** Whether a weight by element is trained; default true. There is no bias. */
  readonly affine?: boolean;
}

export const rmsNormSchema = optionsSchema<RmsNormOptions>()({
  eps: epsOption,
  affine: optionalFlag,
});

/** Root mean square normalization (Zhang and Sennrich 2019; PyTorch's RMSNorm) over the last axes
 * of a sample: y = x / sqrt(mean(x^2) + eps) * weight, without a mean and without a bias. Takes any
 * shape that ends in `normalizedShape` and gives the same one back. Throws a {@link UsageError} for
 * sizes below 1 and an eps of 0 or less. */
export function rmsNorm(
  normalizedShape: number | Shape,
  options: RmsNormOptions = {},
): RmsNormSpec {
  const shape = checkNormalizedShape('rmsNorm', normalizedShape);
  const given = parseOptions('rmsNorm', rmsNormSchema, options, {
    example: 'rmsNorm(64, { affine: false })',
  });
  const { eps = DEFAULT_EPS, affine = true } = given;
  return { kind: 'rmsNorm', normalizedShape: shape, eps, affine };
}

export const rmsNormKind: LayerKind<RmsNormSpec> = {
  kind: 'rmsNorm',
  keeps: { input: true, output: false },
  outputShape: (spec, input, path) => checkLastAxes(path, input, spec.normalizedShape),
  parameters: (spec) => (spec.affine ? [normWeight(spec.normalizedShape)] : []),
  buffers: () => [],
  workspace: (spec, input, { capacity }) => [
    { name: 'invRms', type: 'f64', shape: [capacity, rowsOf(spec, input)] },
  ],
  statistics: ({ normalizedShape, eps }) =>
    meanSquareStatistics(`sample over ${showShape(normalizedShape)}`, sizeOf(normalizedShape), eps),
  bind: (spec, binding) =>
    bindRmsNorm({
      ...normSetup(spec, binding, { weight: spec.affine, bias: false }),
      length: sizeOf(spec.normalizedShape),
      rowsPerSample: rowsOf(spec, binding.input.shape),
      invRmsPtr: binding.workspacePtr('invRms'),
    }),
};

function rowsOf(spec: RmsNormSpec, input: Shape): number {
  return sizeOf(input) / sizeOf(spec.normalizedShape);
}
