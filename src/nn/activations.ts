// Activation functions: layers that change each element on its own and keep the shape. The formulas
// are in kernels/abi/pointwise.ts. Where the derivative follows from the output, the input's memory
// is freed.

import { optionsSchema, parseData, parseOptions } from '../base/parse.ts';
import { sizeOf } from '../base/shape.ts';
import { atLeastZero, oneOf } from '../base/values.ts';
import type { KernelExports } from '../kernels/exports.ts';
import type { Binding, BoundLayer, LayerKind } from './layer.ts';

/** max(x, 0). */
export interface ReluSpec {
  readonly kind: 'relu';
}

/** x where x > 0, else negativeSlope * x. */
export interface LeakyReluSpec {
  readonly kind: 'leakyRelu';
  readonly negativeSlope: number;
}

/** x Phi(x), Phi the standard normal distribution: by erf (`none`), or its approximation by
 * `tanh`. */
export interface GeluSpec {
  readonly kind: 'gelu';
  readonly approximate: 'none' | 'tanh';
}

/** 1 / (1 + exp(-x)). */
export interface SigmoidSpec {
  readonly kind: 'sigmoid';
}

export interface TanhSpec {
  readonly kind: 'tanh';
}

export type ActivationSpec = ReluSpec | LeakyReluSpec | GeluSpec | SigmoidSpec | TanhSpec;

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

/** 1 / (1 + exp(-x)). */
export function sigmoid(): SigmoidSpec {
  return { kind: 'sigmoid' };
}

/** The hyperbolic tangent. */
export function tanh(): TanhSpec {
  return { kind: 'tanh' };
}

/** The two passes of an activation over n elements. `savedPtr` is what the backward pass keeps. */
interface Passes {
  forward(xPtr: number, yPtr: number, n: number): void;
  backward(dyPtr: number, savedPtr: number, dxPtr: number, n: number): void;
}

export const reluKind = activationKind<ReluSpec>('relu', 'output', (kernels) => ({
  forward: kernels.reluF32,
  backward: kernels.reluGradF32,
}));

export const leakyReluKind = activationKind<LeakyReluSpec>(
  'leakyRelu',
  'output',
  (kernels, { negativeSlope }) => ({
    forward: (xPtr, yPtr, n) => kernels.leakyReluF32(xPtr, yPtr, n, negativeSlope),
    backward: (dyPtr, yPtr, dxPtr, n) =>
      kernels.leakyReluGradF32(dyPtr, yPtr, dxPtr, n, negativeSlope),
  }),
);

export const geluKind = activationKind<GeluSpec>('gelu', 'input', (kernels, { approximate }) =>
  approximate === 'none'
    ? { forward: kernels.geluF32, backward: kernels.geluGradF32 }
    : { forward: kernels.geluTanhF32, backward: kernels.geluTanhGradF32 },
);

export const sigmoidKind = activationKind<SigmoidSpec>('sigmoid', 'output', (kernels) => ({
  forward: kernels.sigmoidF32,
  backward: kernels.sigmoidGradF32,
}));

export const tanhKind = activationKind<TanhSpec>('tanh', 'output', (kernels) => ({
  forward: kernels.tanhF32,
  backward: kernels.tanhGradF32,
}));

function activationKind<Spec extends ActivationSpec>(
  kind: Spec['kind'],
  keeps: 'input' | 'output',
  passesOf: (kernels: KernelExports, spec: Spec) => Passes,
): LayerKind<Spec> {
  return {
    kind,
    keeps: { input: keeps === 'input', output: keeps === 'output' },
    outputShape: (_spec, input) => input,
    parameters: () => [],
    buffers: () => [],
    workspace: () => [],
    bind: (spec, binding) =>
      bindPasses(passesOf(binding.kernels, spec), binding, binding[keeps].ptr),
  };
}

function bindPasses(passes: Passes, binding: Binding, savedPtr: number): BoundLayer {
  const { step, input, output } = binding;
  const size = sizeOf(input.shape);
  return {
    forward() {
      passes.forward(input.ptr, output.ptr, step.countSamples * size);
    },
    backward() {
      if (input.gradPtr === 0) return;
      passes.backward(output.gradPtr, savedPtr, input.gradPtr, step.countSamples * size);
    },
  };
}
