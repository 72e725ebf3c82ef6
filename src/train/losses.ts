// The losses of a micro-batch: that of the main output, and those of the heads, bound to the
// addresses of outputs, targets and weights. All outputs have the same targets.

import { sizeOf } from '../base/shape.ts';
import { labelsOf } from '../data/task.ts';
import type { KernelExports } from '../kernels/exports.ts';
import { viewOf } from '../memory/arena.ts';
import { endsOf } from '../nn/graph/graph.ts';
import type { StepState } from '../nn/layers/layer.ts';
import type { BoundLoss, LossBinding } from '../nn/layers/loss.ts';
import { bindLoss, lossKindOf } from '../nn/layers/lossKinds.ts';
import { type HeadLoss, outputLosses } from '../plan/heads.ts';
import { isWeighted, type OutputLossRegions } from '../plan/lossPlan.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { MicroBatchPlan } from '../plan/workerPlan.ts';
import type { Program } from './program.ts';

export interface WorkerLosses extends BoundLoss {
  /** Losses and hits of the samples by the main output. */
  readonly losses: Float64Array;
  readonly correct: Int32Array;
  /** For each head, its losses times its weight. */
  readonly headLosses: readonly Float64Array[];
}

interface LossesSetup {
  readonly plan: RunPlan;
  readonly microBatch: MicroBatchPlan;
  readonly kernels: KernelExports;
  readonly memory: WebAssembly.Memory;
  readonly step: StepState;
  readonly program: Program;
}

/** Binds the losses of all outputs. */
export function bindLosses(setup: LossesSetup): WorkerLosses {
  const { plan, microBatch, memory } = setup;
  const regions = microBatch.regions.losses;
  const losses = regions.map((region) => viewOf(memory, region.losses));
  const bound = outputLosses(plan.config).map((output, i) => bindOutput(setup, output, i));
  return {
    losses: losses[0]!,
    correct: viewOf(memory, regions[0]!.correct),
    headLosses: losses.slice(1),
    run() {
      for (let i = 0; i < bound.length; i++) bound[i]!.run();
    },
  };
}

function bindOutput(setup: LossesSetup, output: HeadLoss, index: number): BoundLoss {
  const { plan, microBatch, kernels, memory, step, program } = setup;
  const { data } = plan.config;
  const regions = microBatch.regions.losses[index]!;
  fillConstants(memory, { output, regions, isWeighted: isWeighted({ ...output, data }) });
  const { shape, ptr, gradPtr } = program.tensors[endsOf(plan.graph)[index]!]!;
  const { targets, mix } = microBatch.regions;
  const hasClasses = data.task.kind !== 'regression';
  const numbers = hasClasses ? mix.shares : targets;
  const binding: LossBinding = {
    kernels,
    memory,
    step,
    capacity: microBatch.size.capacity,
    outputLength: sizeOf(shape),
    positions: labelsOf(data.task),
    outputPtr: ptr,
    outputGradPtr: gradPtr,
    labelsPtr: hasClasses ? targets.offsetBytes : 0,
    numbersPtr: numbers?.offsetBytes ?? 0,
    weightsPtr: regions.weights?.offsetBytes ?? 0,
    outputWeightsPtr: regions.outputWeights?.offsetBytes ?? 0,
    lossesPtr: regions.losses.offsetBytes,
    correctPtr: regions.correct.offsetBytes,
  };
  return bindLoss(output.loss, binding);
}

/** Writes the constants: the weights of outputs and, if all samples have the same weight, that of
 * the head. */
function fillConstants(
  memory: WebAssembly.Memory,
  {
    output: { loss, weight },
    regions: { weights, outputWeights },
    isWeighted,
  }: {
    readonly output: HeadLoss;
    readonly regions: OutputLossRegions;
    readonly isWeighted: boolean;
  },
): void {
  if (outputWeights !== undefined) {
    viewOf(memory, outputWeights).set(lossKindOf(loss).outputWeights!(loss)!);
  }
  if (weights !== undefined && !isWeighted) viewOf(memory, weights).fill(weight);
}
