// Optimizers as plain data, and their binding to kernels: SGD (momentum, Nesterov), Adam (Kingma
// and Ba 2015) and AdamW (Loshchilov and Hutter 2019), with PyTorch's formulas and defaults; see
// abi/optimizer.ts. They know blocks of parameters, not models; state lies in memory that the
// caller plans.

import { InvariantError, UsageError } from '../base/errors.ts';
import { optionsSchema, parseKind, parseOptions } from '../base/parse.ts';
import { accept, atLeastZero, flag, positive, shareBelowOne } from '../base/values.ts';
import type { OptimizerKernels } from '../kernels/abi/optimizer.ts';
import { integerPower } from './portable.ts';

export interface SgdSpec {
  readonly kind: 'sgd';
  readonly lr: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  readonly decayNormAndBias: boolean;
}

export interface AdamSpec {
  /** `adam` adds the decay to the gradient, `adamw` shrinks the weights themselves. */
  readonly kind: 'adam' | 'adamw';
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
  readonly decayNormAndBias: boolean;
}

export type OptimizerSpec = SgdSpec | AdamSpec;

export interface SgdOptions {
  /** Learning rate, above 0. */
  readonly lr: number;
  /** What the running sum of gradients is multiplied with in each step, in [0, 1); default 0. */
  readonly momentum?: number;
  /** Look ahead along the momentum, which must be above 0; default false. */
  readonly nesterov?: boolean;
  /** Default 0. */
  readonly weightDecay?: number;
  /** Whether norm parameters and biases decay too; default true, as in PyTorch. */
  readonly decayNormAndBias?: boolean;
}

export interface AdamOptions {
  /** Learning rate, above 0; default 1e-3. */
  readonly lr?: number;
  /** What the averages of gradient and squared gradient keep, in [0, 1); default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the squares; default 1e-8. */
  readonly eps?: number;
  /** Default 0 for adam, 0.01 for adamw. */
  readonly weightDecay?: number;
  /** Whether norm parameters and biases decay too; default true, as in PyTorch. */
  readonly decayNormAndBias?: boolean;
}

const DEFAULT_ADAM_LR = 1e-3;
const DEFAULT_BETAS = [0.9, 0.999] as const;
const DEFAULT_EPS = 1e-8;
const DEFAULT_ADAMW_DECAY = 0.01;

const sgdSchema = optionsSchema<SgdOptions>()({
  lr: positive,
  momentum: shareBelowOne.exactOptional(),
  nesterov: flag.exactOptional(),
  weightDecay: atLeastZero.exactOptional(),
  decayNormAndBias: flag.exactOptional(),
});

const adamSchema = optionsSchema<AdamOptions>()({
  lr: positive.exactOptional(),
  betas: accept<readonly [number, number]>('two numbers from 0 to below 1', (betas) => {
    if (!Array.isArray(betas) || betas.length !== 2) return false;
    return [betas[0], betas[1]].every((beta) => shareBelowOne.safeParse(beta).success);
  }).exactOptional(),
  eps: positive.exactOptional(),
  weightDecay: atLeastZero.exactOptional(),
  decayNormAndBias: flag.exactOptional(),
});

/** Stochastic gradient descent: without a learning rate there is nothing to do, so `lr` has no
 * default. Throws a {@link UsageError} for options that are unknown or out of range, and for
 * nesterov without momentum. */
export function sgd(options: SgdOptions): SgdSpec {
  const example = 'sgd({ lr: 0.1 })';
  const { momentum = 0, ...given } = parseOptions('sgd', sgdSchema, options, { example });
  const { lr, nesterov = false, weightDecay = 0, decayNormAndBias = true } = given;
  if (nesterov && momentum === 0) {
    throw new UsageError({
      what: 'sgd nesterov without momentum',
      given: momentum,
      allowed: 'a momentum above 0',
      hint: 'momentum 0.9',
    });
  }
  return { kind: 'sgd', lr, momentum, nesterov, weightDecay, decayNormAndBias };
}

/** Adam: weight decay, if any, is added to the gradient. Throws a {@link UsageError} for options
 * that are unknown or out of range. */
export function adam(options: AdamOptions = {}): AdamSpec {
  return adamSpec('adam', options, 0);
}

/** AdamW: weights shrink by lr * weightDecay in each step, apart from the gradient. Throws a
 * {@link UsageError} for options that are unknown or out of range. */
export function adamw(options: AdamOptions = {}): AdamSpec {
  return adamSpec('adamw', options, DEFAULT_ADAMW_DECAY);
}

function adamSpec(kind: AdamSpec['kind'], options: AdamOptions, defaultDecay: number): AdamSpec {
  const example = `${kind}({ lr: ${DEFAULT_ADAM_LR} })`;
  const given = parseOptions(kind, adamSchema, options, { example });
  const { lr = DEFAULT_ADAM_LR, betas = DEFAULT_BETAS, eps = DEFAULT_EPS } = given;
  const { weightDecay = defaultDecay, decayNormAndBias = true } = given;
  return { kind, lr, betas: [betas[0], betas[1]], eps, weightDecay, decayNormAndBias };
}

/** An optimizer from plain data: what the builders give, or their options with a `kind`. Throws a
 * {@link UsageError}. */
export function parseOptimizer(given: unknown): OptimizerSpec {
  const { kind, rest } = parseKind(
    'optimizer',
    { sgd: 'optim.sgd({ lr: 0.1 })', adam: 'optim.adam()', adamw: 'optim.adamw()' },
    given,
  );
  if (kind === 'sgd') return sgd(rest as unknown as SgdOptions);
  return kind === 'adam' ? adam(rest) : adamw(rest);
}

/** The names of the state tensors, each float32 and as large as the parameters, zero at first. */
export function stateTensorsOf(spec: OptimizerSpec): readonly string[] {
  if (spec.kind === 'sgd') return spec.momentum === 0 ? [] : ['momentum'];
  return ['mean', 'square'];
}

/** A range of parameters that is updated at once. */
export interface OptimizerBlock {
  /** float32 [length], as are the two below. */
  readonly paramPtr: number;
  readonly gradPtr: number;
  /** In the order of {@link stateTensorsOf}. */
  readonly statePtrs: readonly number[];
  readonly length: number;
  /** Whether weight decay applies to it. */
  readonly decays: boolean;
}

/** How many float64 numbers change from step to step: lr, gradScale and Adam's two corrections. */
export const RATES_LENGTH = 4;
/** Place of the factor that gradients are multiplied with. */
export const RATE_GRAD_SCALE = 1;

/** Writes the numbers of a step to `rates`; gradScale is 1. `step` counts the optimizer
 * steps done before. */
export function writeRates(
  spec: OptimizerSpec,
  step: number,
  lr: number,
  rates: Float64Array,
): void {
  rates[0] = lr;
  rates[RATE_GRAD_SCALE] = 1;
  if (spec.kind === 'sgd') return;
  for (const [i, beta] of spec.betas.entries()) rates[2 + i] = 1 - integerPower(beta, step + 1);
}

export interface BoundOptimizer {
  /** Updates a block with gradScale * gradient. */
  update(block: OptimizerBlock): void;
}

/** Binds an optimizer to kernels and to the address of the step's {@link writeRates}. */
export function bindOptimizer(
  spec: OptimizerSpec,
  kernels: OptimizerKernels,
  ratesPtr: number,
): BoundOptimizer {
  return spec.kind === 'sgd' ? bindSgd(spec, kernels, ratesPtr) : bindAdam(spec, kernels, ratesPtr);
}

function bindSgd(spec: SgdSpec, kernels: OptimizerKernels, ratesPtr: number): BoundOptimizer {
  const { momentum, weightDecay } = spec;
  const nesterov = spec.nesterov ? 1 : 0;
  return {
    update(block) {
      kernels.sgdStepF32(
        block.paramPtr,
        block.gradPtr,
        momentum === 0 ? 0 : statePtr(block, 0),
        block.length,
        ratesPtr,
        momentum,
        nesterov,
        block.decays ? weightDecay : 0,
      );
    },
  };
}

function bindAdam(spec: AdamSpec, kernels: OptimizerKernels, ratesPtr: number): BoundOptimizer {
  const { eps, weightDecay } = spec;
  const [beta1, beta2] = spec.betas;
  const decoupled = spec.kind === 'adamw' ? 1 : 0;
  return {
    update(block) {
      kernels.adamStepF32(
        block.paramPtr,
        block.gradPtr,
        statePtr(block, 0),
        statePtr(block, 1),
        block.length,
        ratesPtr,
        beta1,
        beta2,
        eps,
        block.decays ? weightDecay : 0,
        decoupled,
      );
    },
  };
}

function statePtr(block: OptimizerBlock, index: number): number {
  const ptr = block.statePtrs[index];
  if (ptr === undefined) throw new InvariantError('state tensors of a block', index, 'one more');
  return ptr;
}
