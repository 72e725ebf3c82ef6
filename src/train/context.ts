// Shared by all passes of a worker: its plan, its place in the group, the model bound to the
// addresses of each micro-batch, and the passes over it.

import {
  createInputLoader,
  type InputLoader,
  type InputLocator,
  locateInArena,
  locateStaged,
  sampleBytesOf,
} from '../data/loading/inputs.ts';
import type { SplitView, StoredSamples } from '../data/stored/storedSamples.ts';
import { targetSize } from '../data/task.ts';
import { instantiateKernels } from '../kernels/binaries.ts';
import type { KernelExports } from '../kernels/exports.ts';
import { viewOf } from '../memory/arena.ts';
import type { Region } from '../memory/layout.ts';
import type { StepState } from '../nn/layers/layer.ts';
import { bindProfiler, type Profiler } from '../observe/profile.ts';
import type { RunPlan } from '../plan/plan.ts';
import { layerNames } from '../plan/plan.ts';
import type { WorkerPlan } from '../plan/workerPlan.ts';
import { fillGrains } from '../reduce/grains.ts';
import { attachMember, type Member } from '../sync/group.ts';
import type { Link } from '../sync/link.ts';
import { type ControlWords, progressWords } from '../sync/words.ts';
import { bindMicroBatch, type MicroBatch } from './microBatch.ts';
import { bindPasses, type Passes } from './passes.ts';
import { bindReductions } from './program.ts';

/** A split of the dataset; `validation` is the samples that `validationSplit` holds out. */
export type SplitName = 'train' | 'test' | 'validation';

export interface WorkerSetup {
  readonly plan: RunPlan;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly samples: StoredSamples;
  readonly rank: number;
  /** The links of the first worker, if there are other processes. */
  readonly links?: readonly Link[];
}

export interface WorkerContext extends Passes {
  readonly plan: RunPlan;
  readonly worker: WorkerPlan;
  readonly memory: WebAssembly.Memory;
  readonly samples: StoredSamples;
  readonly kernels: KernelExports;
  readonly words: ControlWords;
  readonly progress: ControlWords;
  readonly member: Member;
  /** At least one. */
  readonly microBatches: readonly MicroBatch[];
  /** The part of the step's state that all micro-batches share. */
  readonly now: Readonly<StepNow>;
  /** Sets what runs next; omitted fields keep their values. */
  setNow(now: Partial<StepNow>): void;
  /** Distributes the `samples` samples of a step over the micro-batches. */
  shareOut(samples: number): void;
  /** Undefined if the run has no profile. */
  readonly profiler: Profiler | undefined;
}

/** The part of a step's state that is the same for all samples. */
export type StepNow = Pick<StepState, 'training' | 'step' | 'isSnapshot' | 'globalCount'>;

/** Attaches a worker to the arena and binds the model. */
export function bindContext(setup: WorkerSetup): WorkerContext {
  const { plan, memory, samples, rank } = setup;
  const worker = plan.workers[rank]!;
  const kernels = instantiateKernels(setup.module, memory);
  const words = viewOf(memory, plan.regions.control.words);
  const profiler =
    plan.profile && bindProfiler(plan.profile, viewOf(memory, plan.profile.regions[rank]!));
  const attached = attachMember(words, rank, layerNames(plan), setup.links);
  const member = profiler?.watchMember(attached) ?? attached;
  const reductions = bindReductions(plan, worker, kernels, member);
  const shared = { plan, worker, reductions, kernels, memory, member };
  const microBatches = worker.microBatches.map((microBatch) =>
    bindMicroBatch({ ...shared, microBatch }, profiler),
  );
  return {
    ...bindPasses({ ...shared, microBatches }),
    plan,
    worker,
    memory,
    samples,
    kernels,
    words,
    progress: progressWords(words),
    member,
    microBatches,
    now: microBatches[0]!.step,
    setNow(now) {
      for (let m = 0; m < microBatches.length; m++) {
        const { step } = microBatches[m]!;
        if (now.training !== undefined) step.training = now.training;
        if (now.step !== undefined) step.step = now.step;
        if (now.isSnapshot !== undefined) step.isSnapshot = now.isSnapshot;
      }
    },
    shareOut(samples) {
      for (let m = 0; m < microBatches.length; m++) {
        const { step, plan: own } = microBatches[m]!;
        fillGrains(step, plan.grains.cut, samples, own.grains);
      }
    },
    profiler,
  };
}

/** Returns a loader of the inputs in this region. */
export function regionLoaderOf(context: WorkerContext, inputs: Region): InputLoader {
  const { data } = context.plan.config;
  return loaderOf(context, locateInArena(inputs.offsetBytes, sampleBytesOf(data)));
}

/** Returns a loader of the inputs of a split. */
export function splitLoaderOf(context: WorkerContext, view: SplitView): InputLoader {
  const { plan, memory, worker } = context;
  const ptr = worker.regions.staging.offsetBytes;
  const sampleBytes = sampleBytesOf(plan.config.data);
  return loaderOf(context, locateStaged(view, { memory, ptr, sampleBytes }));
}

function loaderOf(context: WorkerContext, locate: InputLocator): InputLoader {
  const { config, regions } = context.plan;
  const { inputShape, inputType } = config.data;
  return createInputLoader({
    kernels: context.kernels,
    inputShape,
    inputType,
    locate,
    normalizationPtr: regions.data.normalization.offsetBytes,
    augmentation: config.augmentation,
    seed: config.seed,
  });
}

/** Returns a function that copies the target of one sample of a split to a slot of a micro-batch,
 * where the loss reads it. */
export function targetCopierOf(
  { plan, memory }: WorkerContext,
  { plan: { regions } }: MicroBatch,
  split: SplitView,
): (sample: number, slot: number) => void {
  const { task } = plan.config.data;
  const length = targetSize(task);
  const to = viewOf(memory, regions.targets);
  return (sample, slot) => {
    const { targets } = split.slots[split.slotOf(sample)]!;
    const from = split.rowOf(sample) * length;
    for (let i = 0; i < length; i++) to[slot * length + i] = targets[from + i]!;
  };
}
