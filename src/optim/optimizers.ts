// The optimizers, by name, for whoever runs them. A new one is a file of its own and a line here.

import type { OptimizerKernels } from '../kernels/abi/optimizer.ts';
import { adamKind, adamwKind } from './adam.ts';
import type { BoundOptimizer, OptimizerKind } from './kind.ts';
import { rmspropKind } from './rmsprop.ts';
import { sgdKind } from './sgd.ts';

export type * from './adam.ts';
export type { DecayOptions, OptimizerBase } from './kind.ts';
export type * from './rmsprop.ts';
export type * from './sgd.ts';

export const optimizerKinds = {
  adam: adamKind,
  adamw: adamwKind,
  rmsprop: rmspropKind,
  sgd: sgdKind,
};

export type OptimizerName = keyof typeof optimizerKinds;
export const OPTIMIZER_NAMES = Object.keys(optimizerKinds).sort() as readonly OptimizerName[];

/** The options of an optimizer, and what becomes of them. */
export type OptionsOf<Name extends OptimizerName> =
  (typeof optimizerKinds)[Name] extends OptimizerKind<infer Options, infer _> ? Options : never;
export type SpecOf<Name extends OptimizerName> =
  (typeof optimizerKinds)[Name] extends OptimizerKind<infer _, infer Spec> ? Spec : never;

/** An optimizer as plain data. */
export type OptimizerSpec = SpecOf<OptimizerName>;

// A kind only ever receives specs of its own name, which the table cannot express in types.
function kindOf(spec: OptimizerSpec): OptimizerKind<object, OptimizerSpec> {
  return optimizerKinds[spec.kind] as unknown as OptimizerKind<object, OptimizerSpec>;
}

/** The names of the state tensors, each float32 and as large as the parameters, zero at first. */
export function stateTensorsOf(spec: OptimizerSpec): readonly string[] {
  return kindOf(spec).stateTensors(spec);
}

/** Place of the factor that gradients are multiplied with, behind the learning rate. */
export const RATE_GRAD_SCALE = 1;
const SHARED_RATES = 2;

/** How many float64 numbers change from step to step. */
export function countRates(spec: OptimizerSpec): number {
  return SHARED_RATES + (kindOf(spec).ownRates?.(spec, 0).length ?? 0);
}

/** Writes the numbers of a step to `rates`; gradScale is 1. `step` counts the optimizer steps done
 * before. */
export function writeRates(
  spec: OptimizerSpec,
  step: number,
  lr: number,
  rates: Float64Array,
): void {
  rates[0] = lr;
  rates[RATE_GRAD_SCALE] = 1;
  rates.set(kindOf(spec).ownRates?.(spec, step) ?? [], SHARED_RATES);
}

/** Binds an optimizer to kernels and to the address of the step's {@link writeRates}. */
export function bindOptimizer(
  spec: OptimizerSpec,
  kernels: OptimizerKernels,
  ratesPtr: number,
): BoundOptimizer {
  return kindOf(spec).bind(spec, kernels, ratesPtr);
}
