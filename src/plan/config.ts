// The config of a run as plain data, enough for every worker to make the same plan. It is checked
// once, when the trainer starts; all later code trusts it.

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

/** What the plan needs to know about the data. */
export interface DataPlan
  extends Pick<Dataset, 'inputShape' | 'inputType' | 'task' | 'shift' | 'mean' | 'std'> {
  /** Training samples, without those held out for validation. */
  readonly countTrain: number;
  /** Test samples. */
  readonly countTest: number;
  /** Training samples held out for validation; absent if there are none. */
  readonly countValidation?: number;
  /** The splits with sample weights; absent if there are none. */
  readonly weighted?: readonly ('train' | 'test')[];
}

/** A number of micro-batches, or the smallest number that fits into memory. */
export type MicroBatches = number | 'auto';

/** A run as plain data. */
export interface RunConfig {
  /** The model, with its norms converted. */
  readonly model: LayerSpec;
  /** The description of the data. */
  readonly data: DataPlan;
  /** The loss of the main output. */
  readonly loss: LossSpec;
  /** The heads of the model with their losses, in order; absent if it has none. */
  readonly heads?: readonly HeadLoss[];
  /** The optimizer, with the scaled learning rate. */
  readonly optimizer: OptimizerSpec;
  /** The learning rate schedule. */
  readonly schedule: ScheduleSpec;
  /** The average of the weights to keep; absent for none. */
  readonly averaging?: AveragingSpec;
  /** Patterns of the parameters that do not train (nn/graph/freeze.ts); default none. */
  readonly freeze?: readonly string[];
  /** Parameters with their own learning rate or weight decay; default none. */
  readonly parameterGroups?: readonly ParameterGroup[];
  /** How the optimizer's rate was scaled, which has already been applied; absent if it was not
   * scaled. */
  readonly lrScaling?: LrScaling;
  /** Upper bound of the gradient norm; null for none. */
  readonly clipNorm: number | null;
  /** Upper bound of the absolute value of each element of the gradient, before its norm is taken;
   * null or absent for none. */
  readonly clipValue?: number | null;
  /** The number of simulated devices. */
  readonly replicas: number;
  /** The number of pieces of the global batch over which sums are formed, at most one for each
   * sample. If statistics are local, it is increased until each replica consists of whole pieces.
   * Default: `defaultGrains`. Affects the bits. */
  readonly grains?: number;
  /** The number of worker threads in all processes. */
  readonly workers: number;
  /** Which process this is, if several share the run. Does not affect the bits. Default: there is
   * only one. */
  readonly place?: ProcessPlace;
  /** The number of parts in which each worker takes its samples through the layers, one after the
   * other, with the statistics of the whole batch. A worker with fewer grains has fewer parts.
   * Does not affect the bits. Default 1. */
  readonly microBatches?: MicroBatches;
  /** The maximum size of the arena, in bytes. Data that does not fit is parked outside if possible.
   * Default: the largest size possible. Does not affect the bits. */
  readonly arenaBytes?: number;
  /** Samples of a full step, over all replicas. */
  readonly globalBatch: number;
  /** Whether the last batch of an epoch is dropped if it is not full. */
  readonly dropLast: boolean;
  /** Whether each epoch has a different order. */
  readonly shuffle: boolean;
  /** The window of training samples that are shuffled among each other, for data read in chunks;
   * absent for all. Affects the bits. */
  readonly window?: ShuffleWindow;
  /** How samples are distributed over replicas; default `iid`. */
  readonly shards?: Shards;
  /** The augmentation; null for none. */
  readonly augmentation: AugmentationPlan | null;
  /** Share (below 1) or count of the training samples held out for validation; absent for none. */
  readonly validationSplit?: number;
  /** The seed of all random numbers. */
  readonly seed: number;
  /** The kernels to use. */
  readonly mode: NumericMode;
  /** The maximum time that a worker may go without progress, in milliseconds. */
  readonly timeoutMs: number;
  /** Steps 0, n, 2n, ... take a snapshot: diagnostics of the norms and norms of the gradients; 0
   * for none. */
  readonly diagnosticsEvery: number;
  /** Whether each worker records where the time of its steps goes; default false. The bits are the
   * same either way. */
  readonly profile?: boolean;
  /** Whether relus are fused into the layer before them (nn/graph/fuse.ts); default true. The bits
   * are the same either way. */
  readonly fuse?: boolean;
  /** Whether a step with a loss, gradients or running statistics that are not finite ends the run;
   * default `stop`. The bits of finite steps are the same either way. */
  readonly onNonFinite?: OnNonFinite;
  /** Whether the run continues with the other workers if one dies; default false. Does not affect
   * the bits. */
  readonly elastic?: boolean;
  /** False for a model that only predicts and evaluates, which needs no memory for gradients and
   * lets activations reuse each other's memory; default true. The bits of outputs are the same
   * either way. */
  readonly trains?: boolean;
  /** The correction of evaluation; null or absent to use only running statistics. */
  readonly evalCorrection?: EvalCorrection | null;
}

/** The part of a dataset that the plan uses, with some samples held out for validation. */
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

/** The number of samples to train on, and the number held out. Throws a {@link UsageError} if
 * either would be empty. */
export function trainCounts(
  countTrain: number,
  validationSplit: number | undefined,
): Pick<DataPlan, 'countTrain' | 'countValidation'> {
  if (validationSplit === undefined) return { countTrain };
  const countValidation = countHeldOut('validationSplit', countTrain, validationSplit);
  return { countTrain: countTrain - countValidation, countValidation };
}

/** The number of outputs that the model must have for one sample of this task. */
export function outputSizeOf(task: Task): number {
  const classes = task.kind === 'regression' ? 1 : task.classes;
  return classes * targetSize(task);
}

/** More replicas would use memory before it is known whether the run fits. */
export const MAX_REPLICAS = 65_536;
export const MAX_GRAINS = 65_536;

/** Checks that model, data, loss, replicas and processes fit together. */
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
      hint: '--max-restarts instead of --elastic, which also survives the death of a worker',
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

/** Throws a {@link UsageError} unless the output of a model is what the task needs. */
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
      : 'a different number of outFeatures in its last layer',
  });
}

/** Throws a {@link UsageError} if the task has no such measure. */
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

/** A micro-batch has at least one grain. */
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

/** A worker has at least one grain. */
function checkWorkers(config: RunConfig, graph: Graph): void {
  const { globalBatch, place } = config;
  const processes = place?.workers ?? [config.workers];
  const workers = processes.reduce((sum, count) => sum + count, 0);
  const { count, shards } = cutOf(graph, config);
  if (workers <= count) return;
  const asked = Math.min(config.grains ?? defaultGrains(globalBatch), globalBatch);
  // Fewer grains than requested means that replicas have to stay whole.
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
