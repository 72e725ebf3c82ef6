// What a run is, in plain data: enough for every worker to make the same plan. Checked once, when
// the trainer starts; everything after this file takes it as right.

import { checkInteger, UsageError } from '../base/errors.ts';
import { type Shape, showShape, sizeOf } from '../base/shape.ts';
import type { TrainingData } from '../data/chunked/chunkedDataset.ts';
import type { ShuffleWindow } from '../data/chunked/windows.ts';
import type { Dataset } from '../data/dataset.ts';
import { countHeldOut } from '../data/heldOut.ts';
import type { AugmentationPlan } from '../data/loading/augment.ts';
import type { Shards } from '../data/loading/shards.ts';
import { type Task, targetSize } from '../data/task.ts';
import { weightedSplits } from '../data/weighted.ts';
import type { NumericMode } from '../kernels/builds.ts';
import { cutOf } from '../nn/graph/cut.ts';
import { freezeGraph, parameterNames } from '../nn/graph/freeze.ts';
import { buildGraph, type Graph } from '../nn/graph/graph.ts';
import type { LossSpec } from '../nn/specs/losses.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';
import type { AveragingSpec } from '../optim/averaging.ts';
import type { LrScaling } from '../optim/lrScaling.ts';
import type { MonitorName } from '../optim/monitor.ts';
import type { OptimizerSpec } from '../optim/optimizers.ts';
import type { ScheduleSpec } from '../optim/schedule.ts';
import { defaultGrains, type ProcessPlace } from '../reduce/grains.ts';
import type { EvalCorrection } from './evalCorrection.ts';
import { checkHeads, type HeadLoss } from './heads.ts';
import { checkLoss } from './lossFit.ts';
import type { OnNonFinite } from './onNonFinite.ts';
import { type ParameterGroup, updateRules } from './parameterGroups.ts';

/** What the plan needs to know of the data. */
export interface DataPlan
  extends Pick<Dataset, 'inputShape' | 'inputType' | 'task' | 'shift' | 'mean' | 'std'> {
  /** Without those that are held out for validation. */
  readonly countTrain: number;
  /** Test samples. */
  readonly countTest: number;
  /** Training samples that are held out; absent where none are. */
  readonly countValidation?: number;
  /** The splits whose samples have weights; absent where none has. */
  readonly weighted?: readonly ('train' | 'test')[];
}

/** A number of micro-batches, or the smallest that fits. */
export type MicroBatches = number | 'auto';

/** A run, in plain data. */
export interface RunConfig {
  /** The model, with its norms converted. */
  readonly model: LayerSpec;
  /** What is known about the data. */
  readonly data: DataPlan;
  /** Of the main output. */
  readonly loss: LossSpec;
  /** Of the model's heads, in their order; absent where it has none. */
  readonly heads?: readonly HeadLoss[];
  /** With the scaled learning rate. */
  readonly optimizer: OptimizerSpec;
  /** How the rate changes. */
  readonly schedule: ScheduleSpec;
  /** Which average of the weights is kept; absent for none. */
  readonly averaging?: AveragingSpec;
  /** Patterns of the parameters that do not train (nn/graph/freeze.ts); default none. */
  readonly freeze?: readonly string[];
  /** Parameters with a learning rate or a weight decay of their own; default none. */
  readonly parameterGroups?: readonly ParameterGroup[];
  /** By what the optimizer's rate was scaled, which it is already; absent where it was not. */
  readonly lrScaling?: LrScaling;
  /** Upper bound of the gradient's norm; null for none. */
  readonly clipNorm: number | null;
  /** Upper bound of the absolute value of each element of the gradient, before its norm is taken;
   * null or absent for none. */
  readonly clipValue?: number | null;
  /** Simulated devices. */
  readonly replicas: number;
  /** Pieces of the global batch in which sums are formed, at most one for each sample; where
   * statistics are local, as many more as make each replica a number of them. Default:
   * `defaultGrains`. Part of what decides the bits. */
  readonly grains?: number;
  /** Threads, over all processes. */
  readonly workers: number;
  /** Where several processes share the run: which of them this is. Decides no bits. Default: there
   * is but one. */
  readonly place?: ProcessPlace;
  /** In how many parts each worker takes its samples through the layers, one after the other, with
   * the statistics of the whole batch; a worker with fewer grains has fewer. Decides no bits.
   * Default 1. */
  readonly microBatches?: MicroBatches;
  /** What does not fit into an arena of so many bytes is parked outside, where that is possible;
   * default: as large as one can be. Decides no bits. */
  readonly arenaBytes?: number;
  /** Samples of a full step, over all replicas. */
  readonly globalBatch: number;
  /** Whether a last batch that is not full is left out. */
  readonly dropLast: boolean;
  /** Whether each epoch has an order of its own. */
  readonly shuffle: boolean;
  /** The training samples that are shuffled among each other, of data that is read in chunks;
   * absent for all. Part of what decides the bits. */
  readonly window?: ShuffleWindow;
  /** Which samples each replica sees; default `iid`. */
  readonly shards?: Shards;
  /** Null for none. */
  readonly augmentation: AugmentationPlan | null;
  /** Share (below 1) or count of the training samples that are held out for validation; absent for
   * none. */
  readonly validationSplit?: number;
  /** Decides all random numbers. */
  readonly seed: number;
  /** Which kernels compute. */
  readonly mode: NumericMode;
  /** How long a worker may make no progress, in milliseconds. */
  readonly timeoutMs: number;
  /** Steps 0, n, 2n, ... leave a snapshot: diagnostics of the norms and norms of the gradients; 0
   * for none. */
  readonly diagnosticsEvery: number;
  /** Whether each worker records where the time of its steps goes; default false. The bits are the
   * same either way. */
  readonly profile?: boolean;
  /** Whether relus are made part of the layer before them (nn/graph/fuse.ts); default true. The
   * bits are the same either way. */
  readonly fuse?: boolean;
  /** Whether a step whose loss, gradients or running statistics are not finite ends the run;
   * default `stop`. The bits of finite steps are the same either way. */
  readonly onNonFinite?: OnNonFinite;
  /** Whether the run goes on with the others when a worker dies; default false. Decides no bits. */
  readonly elastic?: boolean;
  /** False for a model that only predicts and evaluates: there is no memory for gradients, and
   * activations take each other's place; default true. The bits of outputs are the same either
   * way. */
  readonly trains?: boolean;
  /** Null or absent evaluates by running statistics alone. */
  readonly evalCorrection?: EvalCorrection | null;
}

/** The part of a dataset that goes into the plan, with so much of it held out for validation. */
export function dataPlanOf(dataset: TrainingData, validationSplit?: number): DataPlan {
  const { inputShape, inputType, task, shift, mean, std, train, test } = dataset;
  return {
    inputShape,
    inputType,
    task,
    ...(shift !== undefined && { shift }),
    mean,
    std,
    ...trainCounts(train.count, validationSplit),
    countTest: test.count,
    ...weightedSplits(dataset),
  };
}

/** How many training samples are left to train on, and how many are held out. Throws a
 * {@link UsageError} where none are left of either. */
export function trainCounts(
  countTrain: number,
  validationSplit: number | undefined,
): Pick<DataPlan, 'countTrain' | 'countValidation'> {
  if (validationSplit === undefined) return { countTrain };
  const countValidation = countHeldOut('validationSplit', countTrain, validationSplit);
  return { countTrain: countTrain - countValidation, countValidation };
}

/** How many numbers the model has to put out for one sample of this task. */
export function outputSizeOf(task: Task): number {
  const classes = task.kind === 'regression' ? 1 : task.classes;
  return classes * targetSize(task);
}

/** More replicas would cost memory before it is known whether the run fits. */
export const MAX_REPLICAS = 65_536;
export const MAX_GRAINS = 65_536;

/** Checks what no smaller part can check alone: that model, data, loss, replicas and processes fit
 * together. */
export function checkRunConfig(config: RunConfig): void {
  checkInteger('replicas', config.replicas, 1, MAX_REPLICAS);
  checkInteger('workers', config.workers, 1);
  checkInteger('global batch', config.globalBatch, 1);
  if (config.grains !== undefined) checkInteger('grains', config.grains, 1, MAX_GRAINS);
  checkMicroBatches(config);
  checkInteger('seed', config.seed, 0, Number.MAX_SAFE_INTEGER);
  checkInteger('diagnosticsEvery', config.diagnosticsEvery, 0);
  for (const name of ['clipNorm', 'clipValue'] as const) {
    const limit = config[name] ?? null;
    if (limit === null || (limit > 0 && limit < Infinity)) continue;
    throw new UsageError({
      what: name,
      given: limit,
      allowed: 'a finite number above 0, or null for none',
    });
  }
  if (config.elastic === true && config.place !== undefined) {
    throw new UsageError({
      what: 'an elastic run',
      problem: 'has one process',
      hint: '--max-restarts in place of --elastic: it survives the death of a worker, too',
    });
  }
  const { task, inputShape } = config.data;
  const { schedule } = config;
  if (schedule.kind === 'plateau') checkMonitor(schedule.monitor, task);
  const graph = buildGraph(config.model, inputShape);
  freezeGraph(graph, config.freeze ?? []);
  updateRules(config.parameterGroups ?? [], parameterNames(graph));
  checkWorkers(config, graph);
  const output = graph.shapes[graph.output]!;
  checkHeads(config);
  checkOutput('output of the model', output, config.data);
  checkLoss(config.loss, config.data, config.augmentation);
  for (const [i, { name, value }] of graph.heads.entries()) {
    checkOutput(`head ${name} of the model`, graph.shapes[value]!, config.data);
    const { loss } = config.heads![i]!;
    checkLoss(loss, config.data, config.augmentation, `loss of head ${name}`);
  }
}

/** Throws a {@link UsageError} unless what comes out of a model is what the task takes. */
function checkOutput(what: string, output: Shape, { task, inputShape }: DataPlan): void {
  const isMask = task.kind === 'segmentation';
  const wanted = isMask ? showShape([...task.targetShape, task.classes]) : undefined;
  const fits = isMask ? showShape(output) === wanted : sizeOf(output) === outputSizeOf(task);
  if (fits) return;
  throw new UsageError({
    what,
    given: `${showShape(output)} for inputs of ${showShape(inputShape)}`,
    allowed:
      task.kind === 'classification'
        ? `${task.classes}, one for each class`
        : (wanted ?? showShape(task.targetShape)),
    hint: isMask
      ? `convolutions that keep the size of images, the last one with ${task.classes} outChannels`
      : 'another number of outFeatures in its last layer',
  });
}

/** Throws a {@link UsageError} where the task has no such measure. */
export function checkMonitor(monitor: MonitorName, task: Task): void {
  const { kind } = task;
  if (monitor === 'loss' || kind === 'segmentation') return;
  if (monitor === 'accuracy' && kind === 'classification') return;
  throw new UsageError({
    what: 'monitor',
    given: `'${monitor}' for a ${kind}, which has none`,
    allowed: kind === 'regression' ? "'loss'" : "'loss' or 'accuracy'",
  });
}

/** A micro-batch has one grain at least. */
function checkMicroBatches({ microBatches = 1, globalBatch, ...config }: RunConfig): void {
  if (microBatches === 'auto') return;
  checkInteger('microBatches', microBatches, 1);
  const grains = config.grains ?? defaultGrains(globalBatch);
  if (microBatches <= grains) return;
  throw new UsageError({
    what: 'microBatches',
    given: microBatches,
    allowed: `at most the ${grains} grains of a global batch of ${globalBatch} samples`,
    hint: `microBatches: ${grains}, or more grains, which change the last bits`,
  });
}

/** A worker has one grain at least. */
function checkWorkers(config: RunConfig, graph: Graph): void {
  const { globalBatch, place } = config;
  const processes = place?.workers ?? [config.workers];
  const workers = processes.reduce((sum, count) => sum + count, 0);
  const { count, shards } = cutOf(graph, config);
  if (workers <= count) return;
  const asked = Math.min(config.grains ?? defaultGrains(globalBatch), globalBatch);
  // Fewer grains than were asked for are replicas that have to stay whole.
  const areReplicas = count < asked || (shards > 1 && shards === count);
  const parts = areReplicas ? 'replicas' : `grains of a global batch of ${globalBatch} samples`;
  const more = areReplicas
    ? 'more replicas, which change what is computed'
    : count < globalBatch
      ? 'more grains, which change the last bits'
      : 'a larger batch';
  throw new UsageError({
    what: 'workers',
    given: place === undefined ? workers : `${workers} in ${processes.length} processes`,
    allowed: `at most one for each of the ${count} ${parts}`,
    hint: `${count} ${count === 1 ? 'worker' : 'workers'}, or ${more}`,
  });
}
