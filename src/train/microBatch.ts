// One micro-batch of a worker, bound to its addresses: the model, the losses, and its share of the
// step's samples.

import { labelsOf } from '../data/task.ts';
import { viewOf } from '../memory/arena.ts';
import type { StepState } from '../nn/layers/layer.ts';
import type { Profiler } from '../observe/profile.ts';
import type { RunConfig } from '../plan/config.ts';
import { ignoredLabel } from '../plan/lossPlan.ts';
import type { MicroBatchPlan } from '../plan/workerPlan.ts';
import { bindLosses, type WorkerLosses } from './losses.ts';
import { bindProgram, type Program, type ProgramSetup } from './program.ts';

export interface MicroBatch {
  readonly plan: MicroBatchPlan;
  readonly step: StepState;
  readonly program: Program;
  readonly loss: WorkerLosses;
  /** Whether the sample in a slot counts. Samples with weight 0 do not. */
  countsIn(slot: number): boolean;
  /** The number of labels of the sample in a slot that are left out of the accuracy. */
  leftOutOf(slot: number): number;
}

/** Binds a micro-batch. */
export function bindMicroBatch(
  setup: Omit<ProgramSetup, 'step'>,
  profiler: Profiler | undefined,
): MicroBatch {
  const { plan, microBatch, memory } = setup;
  const step: StepState = {
    training: true,
    step: 0,
    countSamples: 0,
    grainStart: new Int32Array(microBatch.size.countGrains + 1),
    firstSample: 0,
    isSnapshot: false,
    globalCount: 0,
  };
  const bound = bindProgram({ ...setup, step });
  const program = profiler?.watchProgram(bound) ?? bound;
  const { regions } = microBatch;
  const [main] = regions.losses;
  const weights = main!.weights && viewOf(memory, main!.weights);
  const countsIn = (slot: number): boolean => weights === undefined || weights[slot] !== 0;
  return {
    plan: microBatch,
    step,
    program,
    loss: bindLosses({ ...setup, step, program }),
    countsIn,
    leftOutOf: bindLeftOut(plan.config, viewOf(memory, regions.targets), countsIn),
  };
}

/** Returns a function that counts the labels of a slot that are left out: all labels of a sample
 * without weight, and the ignored pixels of a mask. */
function bindLeftOut(
  config: RunConfig,
  targets: Int32Array | Float32Array,
  countsIn: (slot: number) => boolean,
): (slot: number) => number {
  const labels = labelsOf(config.data.task);
  const ignored = labels > 1 ? ignoredLabel(config) : undefined;
  return (slot) => {
    if (!countsIn(slot)) return labels;
    if (ignored === undefined) return 0;
    let count = 0;
    for (let i = slot * labels; i < (slot + 1) * labels; i++) if (targets[i] === ignored) count++;
    return count;
  };
}
