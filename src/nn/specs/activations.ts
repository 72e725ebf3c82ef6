// Activation functions: their specs and builders, checked. The implementation is in
// activationKinds.ts.

import { optionsSchema, parseData, parseOptions } from '../../base/parse.ts';
import { atLeastZero, oneOf, realNumber } from '../../base/values.ts';
import { type LayerForm, layerForm } from './form.ts';
import { size } from './options.ts';

/** max(x, 0). */
export interface ReluSpec {
  /** The kind of layer. */
  readonly kind: 'relu';
}

/** min(max(x, 0), 6). */
export interface Relu6Spec {
  /** The kind of layer. */
  readonly kind: 'relu6';
}

/** x where x > 0, else negativeSlope * x. */
export interface LeakyReluSpec {
  /** The kind of layer. */
  readonly kind: 'leakyRelu';
  /** Not negative. */
  readonly negativeSlope: number;
}

/** x where x > 0, else weight * x, with trained weights. */
export interface PreluSpec {
  /** The kind of layer. */
  readonly kind: 'prelu';
  /** 1, or the number of channels. */
  readonly numParameters: number;
  /** The initial value of the weights. */
  readonly init: number;
}

/** x where x > 0, else alpha (exp(x) - 1). */
export interface EluSpec {
  /** The kind of layer. */
  readonly kind: 'elu';
  /** Outputs approach -alpha for large negative inputs; default 1. */
  readonly alpha: number;
}

/** x Phi(x), with the standard normal distribution Phi computed with erf (`none`) or approximated
 * with `tanh`. */
export interface GeluSpec {
  /** The kind of layer. */
  readonly kind: 'gelu';
  /** As {@link GeluOptions.approximate}. */
  readonly approximate: 'none' | 'tanh';
}

/** x / (1 + exp(-x)) (Elfwing, Uchibe, Doya 2017), also called swish. */
export interface SiluSpec {
  /** The kind of layer. */
  readonly kind: 'silu';
}

/** 1 / (1 + exp(-x)). */
export interface SigmoidSpec {
  /** The kind of layer. */
  readonly kind: 'sigmoid';
}

/** The hyperbolic tangent. */
export interface TanhSpec {
  /** The kind of layer. */
  readonly kind: 'tanh';
}

/** relu6(x + 3) / 6. */
export interface HardSigmoidSpec {
  /** The kind of layer. */
  readonly kind: 'hardSigmoid';
}

/** x relu6(x + 3) / 6. */
export interface HardSwishSpec {
  /** The kind of layer. */
  readonly kind: 'hardSwish';
}

/** exp(x) over its sum along the last axis. */
export interface SoftmaxSpec {
  /** The kind of layer. */
  readonly kind: 'softmax';
}

/** An activation as plain data. */
export type ActivationSpec =
  | ReluSpec
  | Relu6Spec
  | LeakyReluSpec
  | PreluSpec
  | EluSpec
  | GeluSpec
  | SiluSpec
  | SigmoidSpec
  | TanhSpec
  | HardSigmoidSpec
  | HardSwishSpec
  | SoftmaxSpec;

const DEFAULT_NEGATIVE_SLOPE = 0.01;
const DEFAULT_ALPHA = 1;
const DEFAULT_PRELU_INIT = 0.25;

/** max(x, 0).
 *
 * @example
 * nn.relu() // [64] -> [64]
 */
export function relu(): ReluSpec {
  return { kind: 'relu' };
}

/** min(max(x, 0), 6), as in MobileNets.
 *
 * @example
 * nn.relu6() // [64] -> [64]
 */
export function relu6(): Relu6Spec {
  return { kind: 'relu6' };
}

/** x where x > 0, else negativeSlope * x; default 0.01, as in PyTorch. The slope may not be
 * negative, because the backward pass takes the sign of x from the output.
 *
 * @example
 * nn.leakyRelu(0.1) // [64] -> [64]
 */
export function leakyRelu(negativeSlope = DEFAULT_NEGATIVE_SLOPE): LeakyReluSpec {
  parseData(atLeastZero, negativeSlope, 'leakyRelu negativeSlope');
  return { kind: 'leakyRelu', negativeSlope };
}

/** The options of `nn.prelu`. */
export interface PreluOptions {
  /** 1 for one weight shared by all channels, or the number of channels for one weight each.
   * Default 1. */
  readonly numParameters?: number;
  /** The initial value of the weights; default 0.25. */
  readonly init?: number;
}

export const preluSchema = optionsSchema<PreluOptions>()({
  numParameters: size.exactOptional(),
  init: realNumber('a finite number', () => true).exactOptional(),
});

/** x where x > 0, else weight * x, with one trained weight or one per channel (He et al. 2015).
 * Weight decay would pull it toward a relu; `decayNormAndBias: false` exempts it.
 *
 * @example
 * nn.prelu({ numParameters: 8 }) // [7, 7, 8] -> [7, 7, 8] */
export function prelu(options: PreluOptions = {}): PreluSpec {
  const example = 'prelu({ numParameters: 64 })';
  const given = parseOptions('prelu', preluSchema, options, { example });
  const { numParameters = 1, init = DEFAULT_PRELU_INIT } = given;
  return { kind: 'prelu', numParameters, init };
}

/** x where x > 0, else alpha (exp(x) - 1); default alpha 1. As in leakyRelu, alpha may not be
 * negative.
 *
 * @example
 * nn.elu(1) // [64] -> [64]
 */
export function elu(alpha = DEFAULT_ALPHA): EluSpec {
  parseData(atLeastZero, alpha, 'elu alpha');
  return { kind: 'elu', alpha };
}

/** The options of `nn.gelu`. */
export interface GeluOptions {
  /** `none` (the default) computes it with erf, `tanh` uses GPT-2's approximation. */
  readonly approximate?: 'none' | 'tanh';
}

export const geluSchema = optionsSchema<GeluOptions>()({
  approximate: oneOf(['none', 'tanh']).exactOptional(),
});

/** x Phi(x); exact by default, as in PyTorch. `approximate: 'tanh'` gives GPT-2's form.
 *
 * @example
 * nn.gelu() // [64] -> [64] */
export function gelu(options: GeluOptions = {}): GeluSpec {
  const example = "gelu({ approximate: 'tanh' })";
  const { approximate = 'none' } = parseOptions('gelu', geluSchema, options, { example });
  return { kind: 'gelu', approximate };
}

/** x / (1 + exp(-x)): x times its sigmoid.
 *
 * @example
 * nn.silu() // [64] -> [64]
 */
export function silu(): SiluSpec {
  return { kind: 'silu' };
}

/** 1 / (1 + exp(-x)).
 *
 * @example
 * nn.sigmoid() // [64] -> [64]
 */
export function sigmoid(): SigmoidSpec {
  return { kind: 'sigmoid' };
}

/** The hyperbolic tangent.
 *
 * @example
 * nn.tanh() // [64] -> [64]
 */
export function tanh(): TanhSpec {
  return { kind: 'tanh' };
}

/** relu6(x + 3) / 6: a sigmoid of three straight lines.
 *
 * @example
 * nn.hardSigmoid() // [64] -> [64]
 */
export function hardSigmoid(): HardSigmoidSpec {
  return { kind: 'hardSigmoid' };
}

/** x relu6(x + 3) / 6: x times its hard sigmoid, as in MobileNetV3.
 *
 * @example
 * nn.hardSwish() // [64] -> [64] */
export function hardSwish(): HardSwishSpec {
  return { kind: 'hardSwish' };
}

/** exp(x) over its sum along the last axis (channels or features). Do not put it at the end of a
 * classifier: `crossEntropy` takes the input of a softmax.
 *
 * @example
 * nn.softmax() // [64] -> [64] */
export function softmax(): SoftmaxSpec {
  return { kind: 'softmax' };
}

/** The JSON forms of activations. */
export const activationForms: readonly LayerForm<ActivationSpec>[] = [
  layerForm('relu', {}, () => relu()),
  layerForm('relu6', {}, () => relu6()),
  layerForm('leakyRelu', { negativeSlope: atLeastZero.exactOptional() }, ({ negativeSlope }) =>
    leakyRelu(negativeSlope),
  ),
  layerForm('prelu', preluSchema.shape, (options) => prelu(options)),
  layerForm('elu', { alpha: atLeastZero.exactOptional() }, ({ alpha }) => elu(alpha)),
  layerForm('gelu', geluSchema.shape, (options) => gelu(options)),
  layerForm('silu', {}, () => silu()),
  layerForm('sigmoid', {}, () => sigmoid()),
  layerForm('tanh', {}, () => tanh()),
  layerForm('hardSigmoid', {}, () => hardSigmoid()),
  layerForm('hardSwish', {}, () => hardSwish()),
  layerForm('softmax', {}, () => softmax()),
];

/** The builders of all activations. */
export const activations = {
  ...{ elu, gelu, hardSigmoid, hardSwish, leakyRelu, prelu },
  ...{ relu, relu6, sigmoid, silu, softmax, tanh },
};
