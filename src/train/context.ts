// What one worker's passes share: its plan, its place in the group, the model bound to its
// addresses, views of the regions that it reads and writes, and the two passes over the model.

import {
  createInputLoader,
  type InputLoader,
  type InputLocator,
  locateInArena,
  locateStaged,
  sampleBytesOf,
} from '../data/loading/inputs.ts';
import type { SplitView, StoredSamples } from '../data/stored/storedSamples.ts';
import { labelsOf, targetSize } from '../data/task.ts';
import { instantiateKernels } from '../kernels/binaries.ts';
import type { KernelExports } from '../kernels/exports.ts';
import { viewOf } from '../memory/arena.ts';
import type { Region } from '../memory/layout.ts';
import type { StepState } from '../nn/layers/layer.ts';
import { bindProfiler, type Profiler } from '../observe/profile.ts';
import type { RunConfig } from '../plan/config.ts';
import { ignoredLabel } from '../plan/lossPlan.ts';
import type { RunPlan } from '../plan/plan.ts';
import { layerNames } from '../plan/plan.ts';
import type { WorkerPlan } from '../plan/workerPlan.ts';
import { attachMember, type Member } from '../sync/group.ts';
import type { Link } from '../sync/link.ts';
import { type ControlWords, progressWords } from '../sync/words.ts';
import { bindLosses, type WorkerLosses } from './losses.ts';
import { bindProgram, type Program } from './program.ts';

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

export interface WorkerContext {
  readonly plan: RunPlan;
  readonly worker: WorkerPlan;
  readonly memory: WebAssembly.Memory;
  readonly samples: StoredSamples;
  readonly kernels: KernelExports;
  readonly words: ControlWords;
  readonly progress: ControlWords;
  readonly member: Member;
  readonly step: StepState;
  readonly program: Program;
  readonly loss: WorkerLosses;
  /** Undefined where the run has no profile. */
  readonly profiler: Profiler | undefined;
  /** Whether the sample in a slot counts: not where its weight is 0. */
  countsIn(slot: number): boolean;
  /** How many labels of the sample in a slot are left out of the accuracy. */
  leftOutOf(slot: number): number;
  /** Runs the model forward over the samples that are loaded. */
  forward(): void;
  /** Runs it backward; `watch` sees how far it is. */
  backward(watch?: BackwardWatch): void;
}

/** What is to be done on the way back. */
export interface BackwardWatch {
  /** Before the backward of the operation with this place in the program. */
  before(place: number): void;
  after(place: number): void;
}

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
  const step: StepState = {
    training: true,
    step: 0,
    countSamples: 0,
    grainStart: new Int32Array(worker.size.countGrains + 1),
    firstSample: 0,
    isSnapshot: false,
    globalCount: 0,
  };
  const bound = bindProgram({ plan, worker, kernels, memory, member, step });
  const program = profiler?.watchProgram(bound) ?? bound;
  const { operations } = program;
  const { regions } = worker;
  const [main] = regions.losses;
  const weights = main!.weights && viewOf(memory, main!.weights);
  const countsIn = (slot: number): boolean => weights === undefined || weights[slot] !== 0;
  return {
    plan,
    worker,
    memory,
    samples,
    kernels,
    words,
    progress: progressWords(words),
    member,
    step,
    program,
    loss: bindLosses({ plan, worker, kernels, memory, step, program }),
    profiler,
    countsIn,
    leftOutOf: bindLeftOut(plan.config, viewOf(memory, regions.targets), countsIn),
    forward() {
      for (let i = 0; i < operations.length; i++) {
        const operation = operations[i]!;
        member.setPosition(step.step, operation.layerId);
        operation.forward();
      }
    },
    backward(watch) {
      for (let i = operations.length - 1; i >= 0; i--) {
        const operation = operations[i]!;
        member.setPosition(step.step, operation.layerId);
        if (watch !== undefined) watch.before(i);
        operation.backward();
        if (watch !== undefined) watch.after(i);
      }
    },
  };
}

/** Returns what counts the labels of a slot that are left out: all of a sample without weight, and
 * the ignored pixels of a mask. */
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

/** Returns what copies the target of one sample of a split to where the loss expects that of a
 * slot. */
export function targetCopierOf(
  context: WorkerContext,
  split: SplitView,
): (sample: number, slot: number) => void {
  const { plan, memory, worker } = context;
  const { task } = plan.config.data;
  const length = targetSize(task);
  const to = viewOf(memory, worker.regions.targets);
  return (sample, slot) => {
    const { targets } = split.slots[split.slotOf(sample)]!;
    const from = split.rowOf(sample) * length;
    for (let i = 0; i < length; i++) to[slot * length + i] = targets[from + i]!;
  };
}
