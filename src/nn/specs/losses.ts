// Losses: their specs and builders, checked, and their forms in JSON. The implementation is in
// lossKinds.ts.

import * as z from 'zod';
import { NO_CLASS } from '../../base/noClass.ts';
import { optionsSchema, parseKind, parseOptions } from '../../base/parse.ts';
import { anything, listOf, positive, share, text, wholeNumber } from '../../base/values.ts';
import { type CustomLossSpec, customLossSpec } from './customLoss.ts';

/** Softmax and cross entropy, PyTorch's CrossEntropyLoss. Targets are classes, one for each sample
 * or each pixel, or the shares of all classes. */
export interface CrossEntropySpec {
  /** The kind of loss. */
  readonly kind: 'crossEntropy';
  /** The share of the target distribution that is spread evenly over all classes. */
  readonly labelSmoothing: number;
  /** Absent if all classes have weight 1. */
  readonly classWeights?: readonly number[];
  /** Absent if every label counts. */
  readonly ignoreIndex?: number;
}

/** Sigmoid and binary cross entropy of each output, PyTorch's BCEWithLogitsLoss. Targets are
 * numbers from 0 to 1. */
export interface BinaryCrossEntropySpec {
  /** The kind of loss. */
  readonly kind: 'binaryCrossEntropy';
  /** Absent if all have weight 1. */
  readonly posWeight?: readonly number[];
}

/** The mean over a sample's outputs of the squared difference from its targets. */
export interface MeanSquaredErrorSpec {
  /** The kind of loss. */
  readonly kind: 'meanSquaredError';
}

/** The mean over a sample's outputs of the distance from its targets, PyTorch's L1Loss. */
export interface L1Spec {
  /** The kind of loss. */
  readonly kind: 'l1';
}

/** The mean over a sample's outputs of Huber's loss, PyTorch's HuberLoss. */
export interface HuberSpec {
  /** The kind of loss. */
  readonly kind: 'huber';
  /** As {@link HuberOptions.delta}. */
  readonly delta: number;
}

/** A loss as plain data. */
export type LossSpec =
  | BinaryCrossEntropySpec
  | CrossEntropySpec
  | CustomLossSpec
  | HuberSpec
  | L1Spec
  | MeanSquaredErrorSpec;

/** The options of `nn.crossEntropy`. */
export interface CrossEntropyOptions {
  /** The share of the target distribution that is spread evenly over all classes, from 0 to 1;
   * default 0. */
  readonly labelSmoothing?: number;
  /** A weight for each class, at least 0. The loss of a sample, or of a pixel of a mask, is
   * multiplied by the weight of its class, and the sum is divided by the sum of these weights over
   * the global batch. If targets are shares of classes, also from mixup and cutmix, the weights
   * scale the terms of the sum over classes, and the mean is over samples. Default all 1. */
  readonly classWeights?: readonly number[];
  /** Samples, or pixels of masks, with this label are left out of loss and accuracy: -100, which
   * stands for no class, or one of the classes. The mean is over the remaining ones of the global
   * batch. Cannot be combined with mixup or cutmix. Default none. */
  readonly ignoreIndex?: number;
}

/** The options of `nn.binaryCrossEntropy`. */
export interface BinaryCrossEntropyOptions {
  /** A factor for each output's term for targets of 1, at least 0; values above 1 favor recall over
   * precision. Default all 1. */
  readonly posWeight?: readonly number[];
}

/** The options of `nn.huber`. */
export interface HuberOptions {
  /** Up to this distance the loss is half the square; beyond it, it grows by `delta` per unit.
   * Above 0; default 1. */
  readonly delta?: number;
}

const weightList = listOf<number>(
  'a list of finite numbers, at least 0, one of them above 0',
  (w) => {
    return typeof w === 'number' && Number.isFinite(w) && w >= 0;
  },
).refine((list) => list.some((w) => w > 0), 'a list of weights with one above 0');

const crossEntropySchema = optionsSchema<CrossEntropyOptions>()({
  labelSmoothing: share.exactOptional(),
  classWeights: weightList.exactOptional(),
  ignoreIndex: wholeNumber(NO_CLASS).exactOptional(),
});

/** Cross entropy of softmax(output), -sum t log softmax(output), with the target distribution t:
 * PyTorch's CrossEntropyLoss with a weighted mean over the global batch. If targets are masks,
 * [H, W], outputs are [H, W, classes], and the mean is over pixels. A batch without any weight has
 * loss 0 and no gradient; PyTorch gives NaN. Throws a {@link UsageError}.
 *
 * @example
 * nn.crossEntropy({ labelSmoothing: 0.1 }) */
export function crossEntropy(options: CrossEntropyOptions = {}): CrossEntropySpec {
  const example = 'crossEntropy({ labelSmoothing: 0.1 })';
  const given = parseOptions('crossEntropy', crossEntropySchema, options, { example });
  return { kind: 'crossEntropy', ...given, labelSmoothing: given.labelSmoothing ?? 0 };
}

const binaryCrossEntropySchema = optionsSchema<BinaryCrossEntropyOptions>()({
  posWeight: weightList.exactOptional(),
});

/** Binary cross entropy of sigmoid(output), for samples with any number of labels: the mean over
 * outputs and samples of -(posWeight t log sigmoid(x) + (1 - t) log sigmoid(-x)), PyTorch's
 * BCEWithLogitsLoss. A sample counts as correct if x > 0 for exactly the outputs with t > 1/2.
 * Throws a {@link UsageError}.
 *
 * @example
 * nn.binaryCrossEntropy({ posWeight: [1, 5] }) */
export function binaryCrossEntropy(
  options: BinaryCrossEntropyOptions = {},
): BinaryCrossEntropySpec {
  const example = 'binaryCrossEntropy({ posWeight: [1, 5] })';
  const given = parseOptions('binaryCrossEntropy', binaryCrossEntropySchema, options, { example });
  return { kind: 'binaryCrossEntropy', ...given };
}

/** The mean over outputs and samples of the squared difference.
 *
 * @example
 * nn.meanSquaredError()
 */
export function meanSquaredError(): MeanSquaredErrorSpec {
  return { kind: 'meanSquaredError' };
}

/** The mean over outputs and samples of |output - target|, with slope 0 at 0: PyTorch's L1Loss.
 *
 * @example
 * nn.l1()
 */
export function l1(): L1Spec {
  return { kind: 'l1' };
}

const huberSchema = optionsSchema<HuberOptions>()({ delta: positive.exactOptional() });

/** Huber's loss: the mean over outputs and samples of e^2 / 2 for |e| <= delta, and of delta (|e| -
 * delta / 2) beyond, with e = output - target: PyTorch's HuberLoss. Throws a {@link UsageError}.
 *
 * @example
 * nn.huber({ delta: 0.5 }) */
export function huber(options: HuberOptions = {}): HuberSpec {
  const { delta = 1 } = parseOptions('huber', huberSchema, options, {
    example: 'huber({ delta: 0.5 })',
  });
  return { kind: 'huber', delta };
}

type Fields = Readonly<Record<string, unknown>>;

/** The form of a loss without options. */
function bare<Spec>(name: string, build: () => Spec): (fields: Fields) => Spec {
  return (fields) => {
    parseOptions(name, z.strictObject({}), fields);
    return build();
  };
}

const customSchema = z.strictObject({
  module: text,
  options: anything('options of the loss, or null'),
});

/** The form of each loss, and the call that makes one. */
const forms: {
  readonly [Kind in LossSpec['kind']]: {
    readonly call: string;
    readonly parse: (fields: Fields) => LossSpec;
  };
} = {
  crossEntropy: { call: 'nn.crossEntropy()', parse: crossEntropy },
  binaryCrossEntropy: { call: 'nn.binaryCrossEntropy()', parse: binaryCrossEntropy },
  meanSquaredError: {
    call: 'nn.meanSquaredError()',
    parse: bare('meanSquaredError', meanSquaredError),
  },
  l1: { call: 'nn.l1()', parse: bare('l1', l1) },
  huber: { call: 'nn.huber()', parse: huber },
  customLoss: {
    call: "nn.customLoss(new URL('./my-loss.mjs', import.meta.url))",
    parse: (fields) => {
      const { module, options } = parseOptions('customLoss', customSchema, fields);
      return customLossSpec(module, options);
    },
  },
};

/** The kinds of losses. */
export const LOSS_NAMES = Object.keys(forms) as readonly LossSpec['kind'][];

/** Parses a loss from plain data. Throws a {@link UsageError}. */
export function parseLoss(given: unknown): LossSpec {
  const calls = Object.fromEntries(LOSS_NAMES.map((kind) => [kind, forms[kind].call]));
  const { kind, rest } = parseKind('loss', calls as Record<LossSpec['kind'], string>, given);
  return forms[kind].parse(rest);
}
