// 2-d convolution over [H, W, C]: spec and builder, checked. The implementation is in
// conv2dKind.ts.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { oneOf } from '../../base/values.ts';
import { layerForm } from './form.ts';
import { WEIGHT_INITS, type WeightInit } from './init.ts';
import {
  checkCount,
  optionalFlag,
  type Padding,
  type PaddingOption,
  type Pair,
  type PairOption,
  paddingOption,
  pairOf,
  size,
  toPadding,
  toPair,
} from './options.ts';

export const CONV_ALGORITHMS = ['auto', 'direct'] as const;
/** How a convolution is computed: `auto` decides by the shape, `direct` never uses Winograd. */
export type ConvAlgorithm = (typeof CONV_ALGORITHMS)[number];

/** A 2-d convolution as plain data. */
export interface Conv2dSpec {
  /** The kind of layer. */
  readonly kind: 'conv2d';
  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** [height, width], like stride and dilation. */
  readonly kernel: Pair;
  /** As {@link Conv2dOptions.stride}. */
  readonly stride: Pair;
  /** As {@link Conv2dOptions.padding}. */
  readonly padding: Padding;
  /** As {@link Conv2dOptions.dilation}. */
  readonly dilation: Pair;
  /** As {@link Conv2dOptions.groups}. */
  readonly groups: number;
  /** As {@link Conv2dOptions.bias}. */
  readonly bias: boolean;
  /** As {@link Conv2dOptions.init}. */
  readonly init: WeightInit;
  /** As {@link Conv2dOptions.weightStandardization}. */
  readonly weightStandardization: boolean;
  /** As {@link Conv2dOptions.algorithm}. */
  readonly algorithm: ConvAlgorithm;
}

/** The options of `nn.conv2d`. */
export interface Conv2dOptions {
  /** Kernel size; a number stands for both axes. */
  readonly kernel: PairOption;
  /** Default 1. */
  readonly stride?: PairOption;
  /** Zeros on each side: a number, [height, width], or one number for each of the four sides.
   * `same` adds as many as ceil(size / stride) outputs need, the larger half at the bottom and on
   * the right. Default 0. */
  readonly padding?: PaddingOption;
  /** Distance between kernel taps; default 1. */
  readonly dilation?: PairOption;
  /** Number of channel groups that are convolved separately; default 1. `inChannels` makes it
   * depthwise, with a channel multiplier if there are several outputs for each input channel. */
  readonly groups?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Default `torch`. */
  readonly init?: WeightInit;
  /** Convolves with standardized weights (Qiao et al. 2019): those of each output channel minus
   * their mean, divided by sqrt(biased var + 1e-5). Default false. */
  readonly weightStandardization?: boolean;
  /** How the products are computed. `auto` decides by the shape: a 3x3 kernel with stride 1, no
   * dilation and no groups, on channels that are multiples of 8 and at least 16, and at least 3x3
   * pixels, uses Winograd's F(4x4, 3x3). `direct` never does. For these shapes its rms rounding
   * errors are half as large in outputs and input gradients and a third as large in weight
   * gradients, and it takes 2.4 to 3.3 times as long. For all other shapes both are the same.
   * Default `auto`. See docs/kernels.md. */
  readonly algorithm?: ConvAlgorithm;
}

export const conv2dSchema = optionsSchema<Conv2dOptions>()({
  kernel: pairOf(1),
  stride: pairOf(1).exactOptional(),
  padding: paddingOption.exactOptional(),
  dilation: pairOf(1).exactOptional(),
  groups: size.exactOptional(),
  bias: optionalFlag,
  init: oneOf(WEIGHT_INITS).exactOptional(),
  weightStandardization: optionalFlag,
  algorithm: oneOf(CONV_ALGORITHMS).exactOptional(),
});

/** A 2-d convolution over images [H, W, inChannels]. Throws a {@link UsageError} for sizes and
 * options out of range, unknown options, and groups that do not divide the channels.
 *
 * @example
 * nn.conv2d(3, 16, { kernel: 3, padding: 1, bias: false }) // [32, 32, 3] -> [32, 32, 16] */
export function conv2d(
  inChannels: number,
  outChannels: number,
  options: Conv2dOptions,
): Conv2dSpec {
  const given = parseOptions('conv2d', conv2dSchema, options, {
    example: 'conv2d(3, 16, { kernel: 3, padding: 1 })',
  });
  const { groups = 1, bias = true, init = 'torch' } = given;
  const { weightStandardization = false, algorithm = 'auto' } = given;
  checkGroups('conv2d', { inChannels, outChannels, groups });
  return {
    kind: 'conv2d',
    inChannels,
    outChannels,
    kernel: toPair(given.kernel),
    stride: toPair(given.stride ?? 1),
    padding: toPadding(given.padding ?? 0),
    dilation: toPair(given.dilation ?? 1),
    groups,
    bias,
    init,
    weightStandardization,
    algorithm,
  };
}

/** Checks the numbers of channels, which the groups must divide. */
export function checkGroups(
  name: string,
  counts: {
    readonly inChannels: number;
    readonly outChannels: number;
    readonly groups: number;
  },
): void {
  const { groups } = counts;
  for (const what of ['inChannels', 'outChannels'] as const) {
    const channels = checkCount(`${name} ${what}`, counts[what]);
    if (channels % groups === 0) continue;
    throw new UsageError({
      what: `${name} groups with ${what} ${channels}`,
      given: groups,
      allowed: `a divisor of ${channels}`,
    });
  }
}

export const conv2dForm = layerForm(
  'conv2d',
  { inChannels: size, outChannels: size, ...conv2dSchema.shape },
  ({ inChannels, outChannels, ...options }) => conv2d(inChannels, outChannels, options),
);
