// The Euclidean norm of each parameter's gradient in snapshot steps, as the optimizer receives it,
// before clipping. Block owners write sums of squares to the arena. The main thread adds those of a
// tensor in block order, which does not depend on the number of workers.

import { DOUBLE_BYTES } from '../base/bytes.ts';
import type { KernelExports } from '../kernels/exports.ts';
import type { StepState } from '../nn/layers/layer.ts';
import type { GradientNormsPlan } from '../plan/gradientNormsPlan.ts';
import type { ParameterPlan } from '../plan/parameters.ts';
import { readSnapshot, slotOf } from './snapshots.ts';

/** The gradient of one parameter. */
export interface TensorGradient {
  /** The parameter: `3.conv2d.weight`. */
  readonly name: string;
  /** Euclidean norm over all elements. */
  readonly norm: number;
}

/** One snapshot step. */
export interface GradientNorms {
  /** Optimizer steps completed before it. */
  readonly step: number;
  /** The parameters that train, in model order. */
  readonly tensors: readonly TensorGradient[];
}

interface OwnedBlock {
  readonly index: number;
  readonly length: number;
  readonly gradPtr: number;
}

/** Binds the snapshots of a worker's blocks. Call the result in each step once their gradients are
 * folded; it does nothing in other steps. */
export function bindGradientNorms(
  setup: {
    readonly plan: {
      readonly gradientNorms: GradientNormsPlan | undefined;
      readonly parameters: ParameterPlan;
    };
    readonly kernels: KernelExports;
    readonly step: Pick<StepState, 'step' | 'isSnapshot'>;
  },
  blocks: readonly OwnedBlock[],
): () => void {
  const { plan, kernels, step } = setup;
  if (plan.gradientNorms === undefined) return () => {};
  const { every, squares } = plan.gradientNorms;
  const { offsetBytes } = squares;
  const slotBytes = plan.parameters.blocks.length * DOUBLE_BYTES;
  return () => {
    if (!step.isSnapshot) return;
    const slotPtr = offsetBytes + slotOf(step.step, every) * slotBytes;
    for (const { gradPtr, length, index } of blocks) {
      kernels.sumSquaresF32(gradPtr, length, slotPtr + index * DOUBLE_BYTES);
    }
  };
}

/** Reads the last snapshot, even while the workers continue; `values` is the region, `since` the
 * first step of this arena. */
export function readGradientNorms(
  parameters: ParameterPlan,
  values: Float64Array,
  timing: {
    readonly every: number;
    readonly since: number;
    readonly stepsDone: () => number;
  },
): GradientNorms | undefined {
  const { blocks } = parameters;
  const entries = parameters.entries.filter(({ isTrained }) => isTrained);
  const copySlot = (slot: number): Float64Array =>
    values.slice(slot * blocks.length, (slot + 1) * blocks.length);
  const found = readSnapshot({ ...timing, copySlot });
  if (found === undefined) return undefined;
  const squares = new Map(entries.map(({ name }) => [name, 0]));
  blocks.forEach(({ entry }, index) => {
    squares.set(entry.name, squares.get(entry.name)! + found.snapshot[index]!);
  });
  const tensors = entries.map(({ name }) => ({ name, norm: Math.sqrt(squares.get(name)!) }));
  return { step: found.step, tensors };
}
