// What optimizers do: their state, the numbers of a step, and their binding to kernels, with
// PyTorch's formulas (kernels/abi/optimizer.ts). They know blocks of parameters, not models; state
// lies in memory that the caller plans.

import { InvariantError } from '../base/errors.ts';
import type { OptimizerKernels } from '../kernels/abi/optimizer.ts';
import type { AdamSpec, OptimizerSpec, SgdSpec } from './optimizer.ts';
import { integerPower } from './portable.ts';

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
