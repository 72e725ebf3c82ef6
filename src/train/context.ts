// What one worker's passes share: its plan, its place in the group, the model bound to the
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

/** Which samples of the dataset; `validation` are those of `validationSplit`. */
export type SplitName = 'train' | 'test' | 'validation';

export interface WorkerSetup {
  readonly plan: RunPlan;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly samples: StoredSamples;
  readonly rank: number;
  /** Of the first worker, where there are other processes. */
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
  /** What the steps of all micro-batches have in common. */
  readonly now: Readonly<StepNow>;
  /** Says what runs next; what is left out stays as it is. */
  setNow(now: Partial<StepNow>): void;
  /** Says which samples of a step of `samples` each micro-batch has. */
  shareOut(samples: number): void;
  /** Undefined where the run has no profile. */
  readonly profiler: Profiler | undefined;
}

/** The part of a step's state that is alike for all samples. */
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

/** A loader of the inputs in this region. */
export function regionLoaderOf(context: WorkerContext, inputs: Region): InputLoader {
  const { data } = context.plan.config;
  return loaderOf(context, locateInArena(inputs.offsetBytes, sampleBytesOf(data)));
}

/** A loader of the inputs of a split. */
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

/** Returns what copies the target of one sample of a split to where the loss of a micro-batch
 * expects that of a slot. */
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
