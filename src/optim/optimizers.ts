// The optimizers, by name: what each is (a file of its own) and the types of its options and specs.

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

/** Options and plain data of each optimizer. */
export interface OptimizerTypes {
  readonly adam: { readonly options: AdamOptions; readonly spec: AdamSpec };
  readonly adamw: { readonly options: AdamOptions; readonly spec: AdamSpec };
  readonly lamb: { readonly options: LambOptions; readonly spec: LambSpec };
  readonly lars: { readonly options: LarsOptions; readonly spec: LarsSpec };
  readonly lion: { readonly options: LionOptions; readonly spec: LionSpec };
  readonly rmsprop: { readonly options: RmspropOptions; readonly spec: RmspropSpec };
  readonly sgd: { readonly options: SgdOptions; readonly spec: SgdSpec };
}

export type OptimizerName = keyof OptimizerTypes;

/** An optimizer as plain data. */
export type OptimizerSpec = OptimizerTypes[OptimizerName]['spec'];

/** Makes an optimizer of its options, which may be left out where all have defaults. Throws a
 * UsageError for options that are unknown, out of range, or do not fit together. */
export type OptimizerBuilder<Name extends OptimizerName> =
  Record<never, never> extends OptimizerTypes[Name]['options']
    ? (options?: OptimizerTypes[Name]['options']) => OptimizerTypes[Name]['spec']
    : (options: OptimizerTypes[Name]['options']) => OptimizerTypes[Name]['spec'];

export type OptimizerBuilders = { readonly [Name in OptimizerName]: OptimizerBuilder<Name> };

/** The optimizers, by name. */
export type OptimizerKinds = {
  readonly [Name in OptimizerName]: OptimizerKind<
    OptimizerTypes[Name]['options'],
    OptimizerTypes[Name]['spec']
  >;
};

export const optimizerKinds: OptimizerKinds = {
  adam: adamKind,
  adamw: adamwKind,
  lamb: lambKind,
  lars: larsKind,
  lion: lionKind,
  rmsprop: rmspropKind,
  sgd: sgdKind,
};
