// 2-d convolution over [H, W, C] (cross-correlation, as PyTorch's Conv2d). Weight [KH, KW,
// IC/groups, OC]. Implicit matrix products on one padded sample at a time (kernels/abi/conv.ts);
// weights are packed into panels once a step. The weight gradient is summed by sample within a
// replica, then over replicas.

import { UsageError } from '../base/errors.ts';
import { optionsSchema, parseOptions } from '../base/parse.ts';
import { channelsOf, type Shape, showShape, sizesDiffer } from '../base/shape.ts';
import { oneOf } from '../base/values.ts';
import { bindConv2d, convWorkspace } from './conv2dPasses.ts';
import { type ConvAxis, convOutputSize } from './convGeometry.ts';
import type { ConvAxes } from './convSteps.ts';
import { WEIGHT_INITS, type WeightInit } from './init.ts';
import type { LayerKind, ParameterDeclaration, WorkspaceDeclaration } from './layer.ts';
import {
  checkCount,
  optionalFlag,
  type Pair,
  type PairOption,
  pairOf,
  size,
  toPair,
} from './options.ts';
import {
  bindStandardized,
  standardizedStatistics,
  standardizedWorkspace,
  type WeightMatrix,
} from './weightStandardization.ts';

export interface Conv2dSpec {
  readonly kind: 'conv2d';
  readonly inChannels: number;
  readonly outChannels: number;
  /** [height, width], as are the three below. */
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly groups: number;
  readonly bias: boolean;
  readonly init: WeightInit;
  readonly weightStandardization: boolean;
}

export interface Conv2dOptions {
  /** Kernel size; a number stands for both axes. */
  readonly kernel: PairOption;
  /** Default 1. */
  readonly stride?: PairOption;
  /** Zeros on each side; default 0. */
  readonly padding?: PairOption;
  /** Distance of kernel taps; default 1. */
  readonly dilation?: PairOption;
  /** Groups of channels that are convolved apart; default 1; `inChannels` gives depthwise. */
  readonly groups?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Default `torch`. */
  readonly init?: WeightInit;
  /** Convolves with standardized weights (Qiao et al. 2019): each output channel's less their mean,
   * over sqrt(biased var + 1e-5). Default false. */
  readonly weightStandardization?: boolean;
}

export const conv2dSchema = optionsSchema<Conv2dOptions>()({
  kernel: pairOf(1),
  stride: pairOf(1).exactOptional(),
  padding: pairOf(0).exactOptional(),
  dilation: pairOf(1).exactOptional(),
  groups: size.exactOptional(),
  bias: optionalFlag,
  init: oneOf(WEIGHT_INITS).exactOptional(),
  weightStandardization: optionalFlag,
});

/** A 2-d convolution over images [H, W, inChannels]. Throws a {@link UsageError} for sizes and
 * options out of range or unknown, and where groups do not divide the channels. */
export function conv2d(
  inChannels: number,
  outChannels: number,
  options: Conv2dOptions,
): Conv2dSpec {
  const given = parseOptions('conv2d', conv2dSchema, options, {
    example: 'conv2d(3, 16, { kernel: 3, padding: 1 })',
  });
  const { groups = 1, bias = true, init = 'torch', weightStandardization = false } = given;
  for (const [what, channels] of [
    ['inChannels', checkCount('conv2d inChannels', inChannels)],
    ['outChannels', checkCount('conv2d outChannels', outChannels)],
  ] as const) {
    if (channels % groups !== 0) {
      throw new UsageError({
        what: `conv2d groups with ${what} ${channels}`,
        given: groups,
        allowed: `a divisor of ${channels}`,
      });
    }
  }
  return {
    kind: 'conv2d',
    inChannels,
    outChannels,
    kernel: toPair(given.kernel),
    stride: toPair(given.stride ?? 1),
    padding: toPair(given.padding ?? 0),
    dilation: toPair(given.dilation ?? 1),
    groups,
    bias,
    init,
    weightStandardization,
  };
}

/** Both axes of a convolution over an input of the given shape. */
export function convAxes(spec: Conv2dSpec, input: Shape): ConvAxes {
  const axis = (i: 0 | 1): ConvAxis => {
    const size = {
      input: input[i]!,
      kernel: spec.kernel[i],
      stride: spec.stride[i],
      padding: spec.padding[i],
      dilation: spec.dilation[i],
    };
    return { ...size, output: convOutputSize(size) };
  };
  return { y: axis(0), x: axis(1) };
}

export const conv2dKind: LayerKind<Conv2dSpec> = {
  kind: 'conv2d',
  keeps: { input: true, output: false },

  outputShape(spec, input, path) {
    if (input.length !== 3 || sizesDiffer(channelsOf(input), spec.inChannels)) {
      throw new UsageError({
        what: `input of ${path}`,
        given: showShape(input),
        allowed: `HxWx${spec.inChannels}`,
        hint: `inChannels ${channelsOf(input)}, or another layer before it`,
      });
    }
    const { y, x } = convAxes(spec, input);
    if (y.output < 1 || x.output < 1) {
      throw new UsageError({
        what: `input of ${path}`,
        given: showShape(input),
        allowed: `at least the reach of its kernel, ${showShape([
          spec.dilation[0] * (spec.kernel[0] - 1) + 1 - 2 * spec.padding[0],
          spec.dilation[1] * (spec.kernel[1] - 1) + 1 - 2 * spec.padding[1],
        ])}`,
        hint: 'a smaller kernel or more padding',
      });
    }
    return [y.output, x.output, spec.outChannels];
  },

  parameters(spec): readonly ParameterDeclaration[] {
    const { kernel, inChannels, outChannels, groups, init } = spec;
    const area = kernel[0] * kernel[1];
    const fanIn = (area * inChannels) / groups;
    const fanOut = (area * outChannels) / groups;
    const weight: ParameterDeclaration = {
      name: 'weight',
      shape: [kernel[0], kernel[1], inChannels / groups, outChannels],
      role: 'weight',
      init: { kind: init, fanIn, fanOut },
    };
    if (!spec.bias) return [weight];
    return [
      weight,
      { name: 'bias', shape: [outChannels], role: 'bias', init: { kind: 'torch', fanIn, fanOut } },
    ];
  },

  buffers: () => [],
  workspace: (spec, input): readonly WorkspaceDeclaration[] => [
    ...convWorkspace(spec, convAxes(spec, input)),
    ...(spec.weightStandardization ? standardizedWorkspace(weightMatrix(spec)) : []),
  ],
  statistics: (spec) =>
    spec.weightStandardization ? standardizedStatistics(weightMatrix(spec)) : [],
  bind(spec, binding) {
    const axes = convAxes(spec, binding.input.shape);
    if (!spec.weightStandardization) return bindConv2d(spec, axes, binding);
    return bindStandardized(binding, weightMatrix(spec), (own) => bindConv2d(spec, axes, own));
  },
};

function weightMatrix({ kernel, inChannels, outChannels, groups }: Conv2dSpec): WeightMatrix {
  return { fanIn: (kernel[0] * kernel[1] * inChannels) / groups, outputs: outChannels };
}
