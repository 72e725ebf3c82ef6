// Activation functions: their specs and builders, checked. What the layers do is in
// activationKinds.ts.

import { optionsSchema, parseData, parseOptions } from '../../base/parse.ts';
import { atLeastZero, oneOf } from '../../base/values.ts';
import { type LayerForm, layerForm } from './form.ts';

/** max(x, 0). */
export interface ReluSpec {
  readonly kind: 'relu';
}

/** x where x > 0, else negativeSlope * x. */
export interface LeakyReluSpec {
  readonly kind: 'leakyRelu';
  /** Not negative. */
  readonly negativeSlope: number;
}

/** x Phi(x), Phi the standard normal distribution: by erf (`none`), or its approximation by
 * `tanh`. */
export interface GeluSpec {
  readonly kind: 'gelu';
  readonly approximate: 'none' | 'tanh';
}

/** x / (1 + exp(-x)) (Elfwing, Uchibe, Doya 2017), also called swish. */
export interface SiluSpec {
  readonly kind: 'silu';
}

/** 1 / (1 + exp(-x)). */
export interface SigmoidSpec {
  readonly kind: 'sigmoid';
}

export interface TanhSpec {
  readonly kind: 'tanh';
}

export type ActivationSpec =
  | ReluSpec
  | LeakyReluSpec
  | GeluSpec
  | SiluSpec
  | SigmoidSpec
  | TanhSpec;

const DEFAULT_NEGATIVE_SLOPE = 0.01;

/** max(x, 0). */
export function relu(): ReluSpec {
  return { kind: 'relu' };
}

/** x where x > 0, else negativeSlope * x; default 0.01, as in PyTorch. The slope may not be
 * negative, because the backward pass takes the sign of x from the output. */
export function leakyRelu(negativeSlope = DEFAULT_NEGATIVE_SLOPE): LeakyReluSpec {
  parseData(atLeastZero, negativeSlope, 'leakyRelu negativeSlope');
  return { kind: 'leakyRelu', negativeSlope };
}

export interface GeluOptions {
  /** By erf (`none`, the default), or by GPT-2's form with `tanh`. */
  readonly approximate?: 'none' | 'tanh';
}

export const geluSchema = optionsSchema<GeluOptions>()({
  approximate: oneOf(['none', 'tanh']).exactOptional(),
});

/** x Phi(x); exact by default, as in PyTorch. `approximate: 'tanh'` gives the form of GPT-2. */
export function gelu(options: GeluOptions = {}): GeluSpec {
  const example = "gelu({ approximate: 'tanh' })";
  const { approximate = 'none' } = parseOptions('gelu', geluSchema, options, { example });
  return { kind: 'gelu', approximate };
}

/** x / (1 + exp(-x)): x times its sigmoid. */
export function silu(): SiluSpec {
  return { kind: 'silu' };
}

/** 1 / (1 + exp(-x)). */
export function sigmoid(): SigmoidSpec {
  return { kind: 'sigmoid' };
}

/** The hyperbolic tangent. */
export function tanh(): TanhSpec {
  return { kind: 'tanh' };
}

/** How JSON becomes an activation. */
export const activationForms: readonly LayerForm<ActivationSpec>[] = [
  layerForm('relu', {}, () => relu()),
  layerForm('leakyRelu', { negativeSlope: atLeastZero.exactOptional() }, ({ negativeSlope }) =>
    leakyRelu(negativeSlope),
  ),
  layerForm('gelu', geluSchema.shape, (options) => gelu(options)),
  layerForm('silu', {}, () => silu()),
  layerForm('sigmoid', {}, () => sigmoid()),
  layerForm('tanh', {}, () => tanh()),
];

/** The builders of all activations. */
export const activations = { gelu, leakyRelu, relu, sigmoid, silu, tanh };
