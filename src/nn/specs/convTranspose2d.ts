// 2-d transposed convolution over [H, W, C]: spec and builder, checked. The implementation is in
// convTranspose2dKind.ts.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { oneOf } from '../../base/values.ts';
import { CONV_ALGORITHMS, type ConvAlgorithm, checkGroups } from './conv2d.ts';
import { layerForm } from './form.ts';
import { WEIGHT_INITS, type WeightInit } from './init.ts';
import { optionalFlag, type Pair, type PairOption, pairOf, size, toPair } from './options.ts';

/** A transposed convolution as plain data. */
export interface ConvTranspose2dSpec {
  /** The kind of layer. */
  readonly kind: 'convTranspose2d';
  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** [height, width], like the four below. */
  readonly kernel: Pair;
  /** As {@link ConvTranspose2dOptions.stride}. */
  readonly stride: Pair;
  /** As {@link ConvTranspose2dOptions.padding}. */
  readonly padding: Pair;
  /** As {@link ConvTranspose2dOptions.outputPadding}. */
  readonly outputPadding: Pair;
  /** As {@link ConvTranspose2dOptions.dilation}. */
  readonly dilation: Pair;
  /** As {@link ConvTranspose2dOptions.groups}. */
  readonly groups: number;
  /** As {@link ConvTranspose2dOptions.bias}. */
  readonly bias: boolean;
  /** As {@link ConvTranspose2dOptions.init}. */
  readonly init: WeightInit;
  /** As {@link ConvTranspose2dOptions.algorithm}. */
  readonly algorithm: ConvAlgorithm;
}

/** The options of `nn.convTranspose2d`. */
export interface ConvTranspose2dOptions {
  /** Kernel size; a number stands for both axes. */
  readonly kernel: PairOption;
  /** Distance between the first outputs of neighboring inputs; default 1. */
  readonly stride?: PairOption;
  /** Rows and columns to cut off each side of the full output, which is the padding of the
   * convolution that this one transposes. Default 0. */
  readonly padding?: PairOption;
  /** Rows and columns to add at the bottom and on the right, less than the stride or the dilation;
   * default 0. */
  readonly outputPadding?: PairOption;
  /** Distance between kernel taps; default 1. */
  readonly dilation?: PairOption;
  /** Number of channel groups that are convolved separately; default 1. */
  readonly groups?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Default `torch`. Inputs and outputs of a neuron are counted as PyTorch counts them. */
  readonly init?: WeightInit;
  /** As for conv2d; default `auto`. */
  readonly algorithm?: ConvAlgorithm;
}

export const convTranspose2dSchema = optionsSchema<ConvTranspose2dOptions>()({
  kernel: pairOf(1),
  stride: pairOf(1).exactOptional(),
  padding: pairOf(0).exactOptional(),
  outputPadding: pairOf(0).exactOptional(),
  dilation: pairOf(1).exactOptional(),
  groups: size.exactOptional(),
  bias: optionalFlag,
  init: oneOf(WEIGHT_INITS).exactOptional(),
  algorithm: oneOf(CONV_ALGORITHMS).exactOptional(),
});

/** A 2-d transposed convolution over images [H, W, inChannels], PyTorch's ConvTranspose2d: the
 * outputs along an axis are (inputs - 1) stride - 2 padding + dilation (kernel - 1) + 1 +
 * outputPadding. Throws a {@link UsageError} for sizes and options out of range, unknown options,
 * and groups that do not divide the channels.
 *
 * @example
 * nn.convTranspose2d(16, 8, { kernel: 2, stride: 2 }) // [7, 7, 16] -> [14, 14, 8] */
export function convTranspose2d(
  inChannels: number,
  outChannels: number,
  options: ConvTranspose2dOptions,
): ConvTranspose2dSpec {
  const name = 'convTranspose2d';
  const given = parseOptions(name, convTranspose2dSchema, options, {
    example: 'convTranspose2d(16, 8, { kernel: 2, stride: 2 })',
  });
  const { groups = 1, bias = true, init = 'torch', algorithm = 'auto' } = given;
  checkGroups(name, { inChannels, outChannels, groups });
  const [stride, dilation] = [toPair(given.stride ?? 1), toPair(given.dilation ?? 1)];
  const outputPadding = toPair(given.outputPadding ?? 0);
  for (const i of [0, 1] as const) {
    const most = Math.max(stride[i], dilation[i]) - 1;
    if (outputPadding[i] <= most) continue;
    throw new UsageError({
      what: `${name} outputPadding`,
      given: outputPadding,
      allowed: `less than the stride or the dilation, at most ${most} here`,
    });
  }
  return {
    kind: name,
    inChannels,
    outChannels,
    kernel: toPair(given.kernel),
    stride,
    padding: toPair(given.padding ?? 0),
    outputPadding,
    dilation,
    groups,
    bias,
    init,
    algorithm,
  };
}

export const convTranspose2dForm = layerForm(
  'convTranspose2d',
  { inChannels: size, outChannels: size, ...convTranspose2dSchema.shape },
  ({ inChannels, outChannels, ...options }) => convTranspose2d(inChannels, outChannels, options),
);
