// Optimizers as plain data, and their binding to kernels: SGD (momentum, Nesterov), Adam (Kingma
// and Ba 2015) and AdamW (Loshchilov and Hutter 2019), with PyTorch's formulas and defaults; see
// abi/optimizer.ts. They know blocks of parameters, not models; state lies in memory that the
// caller plans.

import { InvariantError, UsageError } from '../base/errors.ts';
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

/** Stochastic gradient descent. Throws a {@link UsageError}. */
export function sgd(options: SgdOptions): SgdSpec {
  const spec: SgdSpec = {
    kind: 'sgd',
    lr: checkRate('sgd lr', options.lr),
    momentum: checkShare('sgd momentum', options.momentum ?? 0),
    nesterov: options.nesterov ?? false,
    weightDecay: checkDecay('sgd weightDecay', options.weightDecay ?? 0),
    decayNormAndBias: options.decayNormAndBias ?? true,
  };
  if (spec.nesterov && spec.momentum === 0) {
    throw new UsageError({
      what: 'sgd nesterov without momentum',
      given: spec.momentum,
      allowed: 'a momentum above 0',
      hint: 'momentum 0.9',
    });
  }
  return spec;
}

/** Adam: weight decay, if any, is added to the gradient. Throws a {@link UsageError}. */
export function adam(options: AdamOptions = {}): AdamSpec {
  return adamSpec('adam', options, 0);
}

/** AdamW: weights shrink by lr * weightDecay in each step, apart from the gradient. Throws a
 * {@link UsageError}. */
export function adamw(options: AdamOptions = {}): AdamSpec {
  return adamSpec('adamw', options, DEFAULT_ADAMW_DECAY);
}

function adamSpec(kind: AdamSpec['kind'], options: AdamOptions, defaultDecay: number): AdamSpec {
  const betas = options.betas ?? DEFAULT_BETAS;
  if (!Array.isArray(betas) || betas.length !== 2) {
    throw new UsageError({ what: `${kind} betas`, given: betas, allowed: 'two numbers' });
  }
  const eps = options.eps ?? DEFAULT_EPS;
  if (!(eps > 0 && Number.isFinite(eps))) {
    throw new UsageError({ what: `${kind} eps`, given: eps, allowed: 'a number above 0' });
  }
  return {
    kind,
    lr: checkRate(`${kind} lr`, options.lr ?? DEFAULT_ADAM_LR),
    betas: [checkShare(`${kind} betas[0]`, betas[0]), checkShare(`${kind} betas[1]`, betas[1])],
    eps,
    weightDecay: checkDecay(`${kind} weightDecay`, options.weightDecay ?? defaultDecay),
    decayNormAndBias: options.decayNormAndBias ?? true,
  };
}

function checkRate(what: string, value: number): number {
  if (value > 0 && Number.isFinite(value)) return value;
  throw new UsageError({ what, given: value, allowed: 'a finite number above 0' });
}

function checkDecay(what: string, value: number): number {
  if (value >= 0 && Number.isFinite(value)) return value;
  throw new UsageError({ what, given: value, allowed: 'a finite number, at least 0' });
}

function checkShare(what: string, value: number): number {
  if (value >= 0 && value < 1) return value;
  throw new UsageError({ what, given: value, allowed: 'a number from 0 to below 1' });
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
