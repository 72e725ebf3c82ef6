// The optimizers by name, each defined in its own file, and the types of their options and specs.

import { type AdamOptions, type AdamSpec, adamKind, adamwKind } from './adam.ts';
import type { OptimizerKind } from './kind.ts';
import { type LambOptions, type LambSpec, lambKind } from './lamb.ts';
import { type LarsOptions, type LarsSpec, larsKind } from './lars.ts';
import { type LionOptions, type LionSpec, lionKind } from './lion.ts';
import { type RmspropOptions, type RmspropSpec, rmspropKind } from './rmsprop.ts';
import { type SgdOptions, type SgdSpec, sgdKind } from './sgd.ts';

export type { OptimizerKernels } from '../kernels/abi/optimizer.ts';
export type {
  BoundOptimizer,
  DecayOptions,
  OptimizerBase,
  OptimizerBlock,
  OptimizerKind,
  OptionChecks,
  TensorTrust,
} from './kind.ts';
export type {
  AdamOptions,
  AdamSpec,
  LambOptions,
  LambSpec,
  LarsOptions,
  LarsSpec,
  LionOptions,
  LionSpec,
  RmspropOptions,
  RmspropSpec,
  SgdOptions,
  SgdSpec,
};

/** The options and the spec of each optimizer. */
export interface OptimizerTypes {
  /** `optim.adam`. */
  readonly adam: { readonly options: AdamOptions; readonly spec: AdamSpec };
  /** `optim.adamw`. */
  readonly adamw: { readonly options: AdamOptions; readonly spec: AdamSpec };
  /** `optim.lamb`. */
  readonly lamb: { readonly options: LambOptions; readonly spec: LambSpec };
  /** `optim.lars`. */
  readonly lars: { readonly options: LarsOptions; readonly spec: LarsSpec };
  /** `optim.lion`. */
  readonly lion: { readonly options: LionOptions; readonly spec: LionSpec };
  /** `optim.rmsprop`. */
  readonly rmsprop: { readonly options: RmspropOptions; readonly spec: RmspropSpec };
  /** `optim.sgd`. */
  readonly sgd: { readonly options: SgdOptions; readonly spec: SgdSpec };
}

/** The names of the optimizers. */
export type OptimizerName = keyof OptimizerTypes;

/** An optimizer as plain data. */
export type OptimizerSpec = OptimizerTypes[OptimizerName]['spec'];

/** Makes an optimizer from its options, which may be omitted if all have defaults. Throws a
 * UsageError for options that are unknown, out of range, or do not fit together. */
export type OptimizerBuilder<Name extends OptimizerName> =
  Record<never, never> extends OptimizerTypes[Name]['options']
    ? (options?: OptimizerTypes[Name]['options']) => OptimizerTypes[Name]['spec']
    : (options: OptimizerTypes[Name]['options']) => OptimizerTypes[Name]['spec'];

/** The builders of all optimizers, by name. Each throws a `UsageError` for options that are
 * unknown, out of range, or do not fit together. */
export interface OptimizerBuilders {
  /** Adam (Kingma and Ba 2015) as in PyTorch, with weight decay as a part of the gradient.
   *
   * @example
   * optim.adam({ lr: 0.001 }) */
  readonly adam: OptimizerBuilder<'adam'>;
  /** AdamW (Loshchilov and Hutter 2019) as in PyTorch: Adam with decoupled weight decay.
   *
   * @example
   * optim.adamw({ lr: 0.001, weightDecay: 0.05 }) */
  readonly adamw: OptimizerBuilder<'adamw'>;
  /** LAMB (You et al. 2020): Adam with a rate adapted to each tensor, for large batches.
   *
   * @example
   * optim.lamb({ lr: 0.01 }) */
  readonly lamb: OptimizerBuilder<'lamb'>;
  /** LARS (You et al. 2017): momentum SGD with a rate adapted to each tensor, for large batches.
   *
   * @example
   * optim.lars({ lr: 2, weightDecay: 1e-4 }) */
  readonly lars: OptimizerBuilder<'lars'>;
  /** Lion (Chen et al. 2023): steps by the sign of a momentum.
   *
   * @example
   * optim.lion({ lr: 1e-4 }) */
  readonly lion: OptimizerBuilder<'lion'>;
  /** RMSprop as in PyTorch, optionally centered and with momentum.
   *
   * @example
   * optim.rmsprop({ lr: 0.01, momentum: 0.9 }) */
  readonly rmsprop: OptimizerBuilder<'rmsprop'>;
  /** Stochastic gradient descent as in PyTorch, optionally with momentum or Nesterov momentum.
   *
   * @example
   * optim.sgd({ lr: 0.1, momentum: 0.9 }) */
  readonly sgd: OptimizerBuilder<'sgd'>;
}

/** The optimizers, by name. */
export type OptimizerKinds = {
  readonly [Name in OptimizerName]: OptimizerKind<
    OptimizerTypes[Name]['options'],
    OptimizerTypes[Name]['spec']
  >;
};

/** The optimizers by name. */
export const optimizerKinds: OptimizerKinds = {
  adam: adamKind,
  adamw: adamwKind,
  lamb: lambKind,
  lars: larsKind,
  lion: lionKind,
  rmsprop: rmspropKind,
  sgd: sgdKind,
};
