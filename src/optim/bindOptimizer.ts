// An optimizer in use: its state, the numbers of a step, and its binding to kernels.

import type { OptimizerKernels } from '../kernels/abi/optimizer.ts';
import type { AveragingSpec } from './averaging.ts';
import { type BoundOptimizer, type OptimizerKind, RATE_GRAD_SCALE } from './kind.ts';
import { type OptimizerName, type OptimizerSpec, optimizerKinds } from './optimizers.ts';

export const OPTIMIZER_NAMES = Object.keys(optimizerKinds).sort() as readonly OptimizerName[];

// A kind only receives specs with its name, which the types of the table cannot express.
function kindOf(spec: OptimizerSpec): OptimizerKind<object, OptimizerSpec> {
  return optimizerKinds[spec.kind] as unknown as OptimizerKind<object, OptimizerSpec>;
}

/** The names of the state tensors, each float32, as large as the parameters, and initially zero. */
export function stateTensorsOf(spec: OptimizerSpec): readonly string[] {
  return kindOf(spec).stateTensors(spec);
}

/** The names under which a run keeps data of each parameter besides its value: the optimizer's
 * state, by number, and the average. */
export function keptOf(run: {
  readonly optimizer: OptimizerSpec;
  readonly averaging?: AveragingSpec;
}): readonly string[] {
  const own = stateTensorsOf(run.optimizer).map((_, i) => `${i}`);
  return run.averaging === undefined ? own : [...own, AVERAGE];
}

/** The name of the average, the last of the kept tensors. */
export const AVERAGE = 'average';

/** Whether the optimizer computes norms of whole tensors, which need memory. */
export function hasTrust(spec: OptimizerSpec): boolean {
  return kindOf(spec).hasTrust === true;
}

const SHARED_RATES = 2;

/** How many float64 numbers change from step to step. */
export function countRates(spec: OptimizerSpec): number {
  return SHARED_RATES + (kindOf(spec).ownRates?.(spec, 0).length ?? 0);
}

/** Writes the numbers of a step to `rates`; gradScale is 1. `step` is the number of previous
 * optimizer steps. */
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

/** Binds an optimizer to kernels and to the address that {@link writeRates} writes to. */
export function bindOptimizer(
  spec: OptimizerSpec,
  kernels: OptimizerKernels,
  ratesPtr: number,
): BoundOptimizer {
  return kindOf(spec).bind(spec, kernels, ratesPtr);
}
