// 1-d convolution over sequences [L, C]: spec and builder, checked. The implementation is in
// sequenceKinds.ts.

import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { oneOf } from '../../base/values.ts';
import { checkGroups } from './conv2d.ts';
import { layerForm } from './form.ts';
import { WEIGHT_INITS, type WeightInit } from './init.ts';
import {
  optionalFlag,
  type Padding1d,
  type Padding1dOption,
  padding1dOption,
  size,
  toPadding1d,
} from './options.ts';

/** A 1-d convolution as plain data. */
export interface Conv1dSpec {
  /** The kind of layer. */
  readonly kind: 'conv1d';
  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** As {@link Conv1dOptions.kernel}. */
  readonly kernel: number;
  /** As {@link Conv1dOptions.stride}. */
  readonly stride: number;
  /** As {@link Conv1dOptions.padding}. */
  readonly padding: Padding1d;
  /** As {@link Conv1dOptions.dilation}. */
  readonly dilation: number;
  /** As {@link Conv1dOptions.groups}. */
  readonly groups: number;
  /** As {@link Conv1dOptions.bias}. */
  readonly bias: boolean;
  /** As {@link Conv1dOptions.init}. */
  readonly init: WeightInit;
  /** As {@link Conv1dOptions.weightStandardization}. */
  readonly weightStandardization: boolean;
}

/** The options of `nn.conv1d`. */
export interface Conv1dOptions {
  /** Kernel size. */
  readonly kernel: number;
  /** Default 1. */
  readonly stride?: number;
  /** Zeros on each side, as a number or `{ left, right }`. `same` adds as many as ceil(length /
   * stride) outputs need, the larger half on the right. A causal convolution has dilation (kernel
   * - 1) zeros on the left. Default 0. */
  readonly padding?: Padding1dOption;
  /** Distance between kernel taps; default 1. */
  readonly dilation?: number;
  /** Number of channel groups that are convolved separately; default 1. `inChannels` makes it
   * depthwise. */
  readonly groups?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Default `torch`. */
  readonly init?: WeightInit;
  /** As for conv2d; default false. */
  readonly weightStandardization?: boolean;
}

export const conv1dSchema = optionsSchema<Conv1dOptions>()({
  kernel: size,
  stride: size.exactOptional(),
  padding: padding1dOption.exactOptional(),
  dilation: size.exactOptional(),
  groups: size.exactOptional(),
  bias: optionalFlag,
  init: oneOf(WEIGHT_INITS).exactOptional(),
  weightStandardization: optionalFlag,
});

/** A 1-d convolution over sequences [L, inChannels], PyTorch's Conv1d. Throws a {@link UsageError}
 * for sizes and options out of range, unknown options, and groups that do not divide the channels.
 *
 * @example
 * nn.conv1d(8, 16, { kernel: 3, padding: { left: 2 } }) // [100, 8] -> [100, 16] */
export function conv1d(
  inChannels: number,
  outChannels: number,
  options: Conv1dOptions,
): Conv1dSpec {
  const given = parseOptions('conv1d', conv1dSchema, options, {
    example: 'conv1d(8, 16, { kernel: 3, padding: 1 })',
  });
  const { stride = 1, dilation = 1, groups = 1 } = given;
  const { bias = true, init = 'torch', weightStandardization = false } = given;
  checkGroups('conv1d', { inChannels, outChannels, groups });
  return {
    kind: 'conv1d',
    inChannels,
    outChannels,
    kernel: given.kernel,
    stride,
    padding: toPadding1d(given.padding ?? 0),
    dilation,
    groups,
    bias,
    init,
    weightStandardization,
  };
}

export const conv1dForm = layerForm(
  'conv1d',
  { inChannels: size, outChannels: size, ...conv1dSchema.shape },
  ({ inChannels, outChannels, ...options }) => conv1d(inChannels, outChannels, options),
);
