// The interface of optimizers: one object with its options, its state, the numbers that change from
// step to step, and its binding to a kernel. It knows blocks of parameters, not models, and its
// state is in memory that the caller plans. Workers load it, so it names the checks of its options
// without importing them; optimizer.ts makes the builders that users call.

import { InvariantError } from '../base/errors.ts';
import type { FieldsFor } from '../base/parse.ts';
import type * as values from '../base/values.ts';
import type { OptimizerKernels } from '../kernels/abi/optimizer.ts';

/** Indices of the numbers of a step after the learning rate: the factor for gradients, and the
 * trust ratio of the tensor, if the optimizer has one. */
export const RATE_GRAD_SCALE = 1;
export const RATE_TRUST = 2;

/** The fields that every optimizer spec has. */
export interface OptimizerBase {
  /** The learning rate before the schedule. */
  readonly lr: number;
  /** The share of a weight that each step subtracts at learning rate 1. */
  readonly weightDecay: number;
  /** Whether norm parameters and biases decay too. */
  readonly decayNormAndBias: boolean;
}

/** Options that every optimizer takes. */
export interface DecayOptions {
  /** Weight decay, at least 0; default 0 unless the optimizer states another one. */
  readonly weightDecay?: number;
  /** Whether norm parameters and biases decay too; default true, as in PyTorch, unless the
   * optimizer states otherwise. */
  readonly decayNormAndBias?: boolean;
}

/** Makes the checks of an optimizer's options from the vocabulary of values.ts. */
export type OptionChecks = (words: never) => object;

/** Describes the checks of options in the vocabulary of values.ts, one for each option. */
export function optionChecks<Options extends object>(
  describe: (words: typeof values) => FieldsFor<Options>,
): OptionChecks {
  return describe;
}

/** Everything that the library knows about an optimizer. */
export interface OptimizerKind<Options extends object, Spec extends OptimizerBase> {
  /** A correct call, for errors. */
  readonly example: string;
  /** The checks of its options: see `optionChecks`. */
  readonly checks: OptionChecks;
  /** Fills in the defaults. Throws a UsageError for options that do not fit together. */
  specOf(options: Options): Spec;
  /** The names of the state tensors, each float32, as large as the parameters, and initially
   * zero. */
  stateTensors(spec: Spec): readonly string[];
  /** Whether it adapts its rate to each tensor. If so, its bindings have a {@link TensorTrust}, and
   * the first of `ownRates` is the ratio, 1 until one is known. */
  readonly hasTrust?: true;
  /** The numbers of a step besides learning rate and gradient scale, the same count in each step.
   * `step` is the number of previous optimizer steps. Absent if there are none. */
  ownRates?(spec: Spec, step: number): readonly number[];
  /** Binds it to kernels and to the address of the step's rates, float64: learning rate, gradient
   * scale, own rates. */
  bind(spec: Spec, kernels: OptimizerKernels, ratesPtr: number): BoundOptimizer;
}

/** A range of parameters that is updated at once. */
export interface OptimizerBlock {
  /** float32 [length], like the two below. */
  readonly paramPtr: number;
  /** The address of the gradient. */
  readonly gradPtr: number;
  /** The addresses of the block's state, in the order of the state tensors. */
  readonly statePtrs: readonly number[];
  /** Elements of the block. */
  readonly length: number;
  /** Whether weight decay applies to it. */
  readonly decays: boolean;
}

/** How an optimizer adapts its rate to each tensor. */
export interface TensorTrust {
  /** Whether norm parameters and biases are adapted too; their ratio is 1 otherwise. */
  readonly adaptsNormAndBias: boolean;
  /** Called for each block before any is updated. Writes two float64 sums, which are added over the
   * blocks of a tensor. */
  prepare(block: OptimizerBlock, sumsPtr: number): void;
  /** Writes the ratio that follows from the sums over a whole tensor to `RATE_TRUST` of the step's
   * rates. A returned number could be heap-allocated in every step. */
  writeRatio(sums: Float64Array, decays: boolean, rates: Float64Array): void;
}

/** An optimizer bound to the memory of a run. */
export interface BoundOptimizer {
  /** Absent if the optimizer treats all elements the same. */
  readonly trust?: TensorTrust;
  /** Updates a block with gradScale * gradient. */
  update(block: OptimizerBlock): void;
}

/** The address of a block's part of a state tensor. */
export function statePtr(block: OptimizerBlock, index: number): number {
  const ptr = block.statePtrs[index];
  if (ptr === undefined) throw new InvariantError('state tensors of a block', index, 'one more');
  return ptr;
}
