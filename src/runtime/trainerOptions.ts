// The options of a Trainer, and what becomes of them: defaults filled in, everything checked, a
// plain RunConfig that can be posted.

import { availableParallelism } from 'node:os';
import { checkInteger, UsageError } from '../base/errors.ts';
import type { Shape } from '../base/shape.ts';
import { checkTrainingData } from '../data/chunked/checkChunked.ts';
import {
  type ChunkedDataset,
  isChunked,
  shuffleWindowOf,
  type TrainingData,
} from '../data/chunked/chunkedDataset.ts';
import type { ShuffleWindow } from '../data/chunked/windows.ts';
import type { Dataset } from '../data/dataset.ts';
import { type Augmentation, planAugmentation } from '../data/loading/augment.ts';
import { checkShards, type Shards } from '../data/loading/shards.ts';
import type { WeightsSource } from '../interop/weightsSource.ts';
import type { NumericMode } from '../kernels/builds.ts';
import { convertNorm } from '../nn/convert/convertNorm.ts';
import type { NormRequest } from '../nn/convert/normRequest.ts';
import { type BatchNormSwitches, switchBatchNorms } from '../nn/convert/switchBatchNorm.ts';
import { type CutRequest, cutOf } from '../nn/graph/cut.ts';
import { buildGraph } from '../nn/graph/graph.ts';
import { crossEntropy, type LossSpec, meanSquaredError } from '../nn/specs/losses.ts';
import type { AllowModules } from '../nn/specs/modules.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';
import { DEFAULT_DIAGNOSTICS_EVERY } from '../observe/diagnostics.ts';
import type { AveragingSpec } from '../optim/averaging.ts';
import { type LrScaling, scaledLr } from '../optim/lrScaling.ts';
import type { OptimizerSpec } from '../optim/optimizers.ts';
import { constant, type ScheduleSpec } from '../optim/schedule.ts';
import {
  checkRunConfig,
  dataPlanOf,
  MAX_GRAINS,
  type MicroBatches,
  type RunConfig,
} from '../plan/config.ts';
import { checkEvalCorrection, type EvalCorrection } from '../plan/evalCorrection.ts';
import { smallestBatch } from '../plan/feasible.ts';
import { type HeadOptions, headLosses, outputLosses } from '../plan/heads.ts';
import { checkTargets } from '../plan/lossFit.ts';
import { checkOnNonFinite, type OnNonFinite } from '../plan/onNonFinite.ts';
import type { ParameterGroup } from '../plan/parameterGroups.ts';
import { defaultGrains } from '../reduce/grains.ts';
import { DEFAULT_TIMEOUT_MS } from '../sync/words.ts';

/** The options of {@link Trainer.start}. */
export interface TrainerOptions<Data extends TrainingData = Dataset> {
  /** What is trained, from the builders of {@link nn}. */
  readonly model: LayerSpec;
  /** What it is trained on, from {@link fromArrays}, {@link openDataset} or by hand; or read in
   * chunks: see {@link ChunkedDataset}. */
  readonly data: Data;
  /** From {@link optim}. */
  readonly optimizer: OptimizerSpec;
  /** How the learning rate changes; default constant. */
  readonly schedule?: ScheduleSpec;
  /** Scales the optimizer's rate from the batch that it is meant for to the global batch of this
   * run: `{ rule: 'linear', baseBatch: 256 }`, or `sqrt`. `config.optimizer.lr` is then the scaled
   * rate, which the schedule changes; its `minLr` stays. Default: the rate is taken as it is. */
  readonly lrScaling?: LrScaling;
  /** Keeps an average of the weights beside them, from `optim.averaging`: `evaluate` can measure
   * it, and `useAverage` puts it in their place. Default none. */
  readonly averaging?: AveragingSpec;
  /** Default: cross-entropy for classes, mean squared error for numbers. The loss of a step is the
   * mean over its global batch, with weights sum(w l) / sum(w). */
  readonly loss?: LossSpec;
  /** How the heads of the model are trained, by their names: each needs an entry. They have the
   * targets of the sample, as the main output has. What is minimized is the main loss plus that of
   * each head times its weight; `loss`, accuracy, metrics and what is monitored are of the main
   * output. There is no default for a model with heads. */
  readonly heads?: Readonly<Record<string, HeadOptions>>;
  /** Simulated devices. They decide what is computed where something is local to them: the
   * statistics of a local batch norm, or of one that k replicas share; with all others the weights
   * are the same, bit for bit, for any number. Default 8. */
  readonly replicas?: number;
  /** Pieces of a global batch in which sums are formed before they are folded along one tree: the
   * last bits depend on it, and it bounds the workers. At most one for each sample; where
   * statistics are local to replicas, rounded up to as many in each. Default: 32, and 64 from 512
   * samples on. */
  readonly grains?: number;
  /** Threads, at most one per grain; they only decide how fast. Default: the number of cores, or of
   * grains where that is smaller. */
  readonly workers?: number;
  /** In how many parts each worker takes its samples through the layers, one after the other, so
   * that more of them fit: exact gradient accumulation, with the statistics of the whole batch in
   * every synchronized norm and the same bits for any number. What does not fit into the arena
   * meanwhile is parked beside it. At most the grains of the batch. `auto` takes the smallest
   * number that fits. Default 1. */
  readonly microBatches?: MicroBatches;
  /** Samples of a replica in a full step; default 16. Give this or `globalBatch`. */
  readonly replicaBatch?: number;
  /** Samples of a full step over all replicas, split as evenly as possible. Default: `replicas`
   * times `replicaBatch`. */
  readonly globalBatch?: number;
  /** Leave out a last batch that is not full; default false. */
  readonly dropLast?: boolean;
  /** Training samples that are held out for validation: a share below 1, or from 1 on a count.
   * Drawn by the seed, each class by its share; the epochs have the rest. Inputs stay normalized by
   * the statistics of all training samples. Evaluated as split `validation`. Default none. */
  readonly validationSplit?: number;
  /** A new order in every epoch; default true. */
  readonly shuffle?: boolean;
  /** Which samples of an epoch each replica sees; default `iid`, any. With others each training
   * sample belongs to one replica for the whole run, by data and seed; `shuffle` then shuffles the
   * samples of each replica. The replicas' shards make up the global batch in their order, so the
   * number of replicas decides the bits. */
  readonly shards?: Shards;
  /** Default none. */
  readonly augmentation?: Augmentation;
  /** Weights and running statistics to start from: the path of a checkpoint, or of a
   * `.safetensors` file with PyTorch's names and layouts; or tensors by name, as
   * `trainer.weights()` has them. `conversion` of the trainer says what became of each. Default:
   * fresh ones, by the seed. */
  readonly weights?: WeightsSource;
  /** Whether all of `weights` have to be in the model, in the same shapes, and all of the model in
   * them; else what fits is taken and the rest is fresh. Default true. */
  readonly strictWeights?: boolean;
  /** How batch norms train: whose statistics normalize, whether the running ones move, whether
   * weight and bias train; of all of them or by patterns of layers. Default: as the model says. */
  readonly batchNorm?: readonly BatchNormSwitches[];
  /** Patterns of parameters that do not train: `0.*` for all of layer 0, `*.bias`; `*` stands for
   * any characters, and a pattern that begins with `!` lets parameters train again. No gradient is
   * computed below the lowest layer that trains, and neither gradients nor optimizer state of
   * frozen parameters are kept, nor sent between processes. The last pattern that matches decides.
   * Default none. */
  readonly freeze?: readonly string[];
  /** Parameters with a factor of the learning rate, or a weight decay, of their own; where several
   * match one, the last that says something decides. Default none. */
  readonly parameterGroups?: readonly ParameterGroup[];
  /** Upper bound of the gradient's norm over all parameters that train; default none. */
  readonly clipNorm?: number;
  /** Upper bound of the absolute value of each element of the gradient, PyTorch's
   * `clip_grad_value_`; where `clipNorm` is given, too, the norm is that of the clipped gradient.
   * Default none. */
  readonly clipValue?: number;
  /** All random numbers depend on it; default 1. */
  readonly seed?: number;
  /** `fast` uses fused multiply-add where the engine has it; `strict` gives the same bits on every
   * machine. Default `fast`. */
  readonly mode?: NumericMode;
  /** How long a worker may go without progress, also while it waits for the others, before the run
   * is aborted: in fit, evaluate, predict and preciseBatchNorm. Default 60_000. */
  readonly timeoutMs?: number;
  /** How long the threads may take to get ready. Default 30_000 for each thread that a core has to
   * start. */
  readonly startTimeoutMs?: number;
  /** How often to compare the batch statistics of the replicas: in steps 0, n, 2n, ...; 0 for
   * never. Changes no result. Default 50. See `Trainer.diagnostics`. */
  readonly diagnosticsEvery?: number;
  /** Record where the time of each step goes; see `Trainer.profile`. Changes no result and costs
   * two looks at the clock for each layer and step. Default false. */
  readonly profile?: boolean;
  /** Replaces the model's normalizations as `nn.convertNorm` does, which is told the input's
   * shape, the replicas and their batch; default: those of the model. */
  readonly norm?: NormRequest;
  /** How batch normalization evaluates: by running statistics (default), or by what a training
   * batch that holds the sample would have had on average: `auto` gives a sample the weight that it
   * has in training, 1 / samples of a full sync group; a number from 0 to 1 is the weight itself.
   * Formula and sources: norm/evalCorrection.ts. Not kept in checkpoints. */
  readonly evalCorrection?: EvalCorrection;
  /** What a step does whose loss, gradients or running statistics are not finite: `stop` ends `fit`
   * with a RunError that names the step and the first layer, before the weights are changed;
   * `continue` trains on with what comes out. Changes no bit of finite steps. Default `stop`. */
  readonly onNonFinite?: OnNonFinite;
  /** When a worker dies, throws or makes no progress: go on with the others from the last whole
   * step, with the same bits, until none is left; in one process only. Costs a copy of the state
   * in each step. Default false: the call of the trainer rejects. */
  readonly elastic?: boolean;
  /** Epochs of the whole run, over which a cosine schedule is spread; default: those of the first
   * `fit`. For runs that several calls of `fit` train. */
  readonly epochs?: number;
  /** Modules of custom layers that data may name: those of a model from `nn.parseModel`, not those
   * that this program gave to `nn.custom`. `true` for all, or `file:` URLs, paths and package
   * names. Importing them runs their code. Default none. */
  readonly allowModules?: AllowModules;
  /** Takes what is worth knowing before the first step, and of workers that die in an elastic run,
   * one sentence a call; default: a warning of the process, on stderr. */
  readonly onNotice?: (notice: string) => void;
}

/** What decides the result where nothing is said: the same on every machine. */
export const DEFAULT_REPLICAS = 8;
export const DEFAULT_REPLICA_BATCH = 16;
export const DEFAULT_SEED = 1;

/** Fills in the defaults and checks it all. Throws a {@link UsageError}. */
export function resolveOptions(
  options: TrainerOptions<TrainingData>,
  share: CoreShare = WHOLE_MACHINE,
): RunConfig {
  const data = checkTrainingData(options.data);
  const shards = isChunked(data) ? 'iid' : checkShards(options.shards ?? 'iid', data);
  const replicas = checkInteger('replicas', options.replicas ?? DEFAULT_REPLICAS, 1);
  const isClass = data.task.kind !== 'regression';
  const globalBatch = globalBatchOf(options, replicas);
  const dropLast = options.dropLast ?? false;
  const grains = checkInteger(
    'grains',
    options.grains ?? defaultGrains(globalBatch),
    1,
    MAX_GRAINS,
  );
  // The smallest batch that occurs decides what a norm can be.
  const { validationSplit } = options;
  const plan = dataPlanOf(data, validationSplit);
  const smallest = smallestBatch(plan, { globalBatch, dropLast });
  const run = { inputShape: data.inputShape, replicas, replicaBatch: smallest / replicas };
  const { norm } = options;
  const converted =
    norm === undefined ? options.model : convertNorm(options.model, { ...run, ...norm });
  const { model, freeze } = frozenParts(converted, options);
  const loss = options.loss ?? (isClass ? crossEntropy() : meanSquaredError());
  const window = isChunked(data) ? windowFor(data, options, globalBatch) : undefined;
  const heads = headLosses({ model, loss }, options.heads ?? {});
  const cut = { model, inputShape: data.inputShape, globalBatch, replicas, grains };
  const config: RunConfig = {
    model,
    data: plan,
    loss,
    ...(heads.length > 0 && { heads }),
    optimizer: scaled(options, globalBatch),
    schedule: options.schedule ?? constant(),
    ...(options.averaging !== undefined && { averaging: options.averaging }),
    ...(freeze.length > 0 && { freeze }),
    ...(options.parameterGroups?.length && { parameterGroups: options.parameterGroups }),
    ...(options.lrScaling !== undefined && { lrScaling: options.lrScaling }),
    // A bound that nothing exceeds is none, which every checkpoint can say.
    clipNorm: options.clipNorm === Infinity ? null : (options.clipNorm ?? null),
    ...(options.clipValue !== undefined && { clipValue: options.clipValue }),
    replicas,
    grains,
    workers: resolveWorkers(options.workers, cut, share),
    ...(options.microBatches !== undefined && { microBatches: options.microBatches }),
    globalBatch,
    dropLast,
    shuffle: options.shuffle ?? true,
    ...(window !== undefined && { window }),
    // Checkpoints without shards are of runs without.
    ...(shards !== 'iid' && { shards }),
    augmentation: planAugmentation(options.augmentation ?? {}, data.inputShape),
    ...(validationSplit !== undefined && { validationSplit }),
    seed: options.seed ?? DEFAULT_SEED,
    mode: checkMode(options.mode ?? 'fast'),
    timeoutMs: checkInteger('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS, 1),
    diagnosticsEvery: options.diagnosticsEvery ?? DEFAULT_DIAGNOSTICS_EVERY,
    profile: checkFlag('profile', options.profile ?? false),
    elastic: checkFlag('elastic', options.elastic ?? false),
    evalCorrection: checkEvalCorrection(options.evalCorrection),
    onNonFinite: checkOnNonFinite(options.onNonFinite),
  };
  checkRunConfig(config);
  for (const output of outputLosses(config)) checkTargets(output.loss, data);
  return config;
}

/** The window of data in chunks. Throws a {@link UsageError} for what needs all samples at once. */
function windowFor(
  data: ChunkedDataset,
  { shards = 'iid', validationSplit }: Pick<TrainerOptions, 'shards' | 'validationSplit'>,
  globalBatch: number,
): ShuffleWindow | undefined {
  const wrong = shards !== 'iid' ? 'shards' : validationSplit !== undefined && 'validationSplit';
  if (wrong === false) return shuffleWindowOf(data, globalBatch);
  throw new UsageError({
    what: wrong,
    problem: `needs the class of each sample, which data that is read in chunks does not tell`,
    hint: wrong === 'shards' ? "'iid'" : 'a test split of its own',
  });
}

/** The model with its batch norms switched, and all patterns of what is frozen. */
function frozenParts(
  model: LayerSpec,
  { freeze = [], batchNorm = [] }: TrainerOptions<TrainingData>,
): { readonly model: LayerSpec; readonly freeze: readonly string[] } {
  if (batchNorm.length === 0) return { model, freeze };
  const switched = switchBatchNorms(model, batchNorm);
  return { model: switched.model, freeze: [...freeze, ...switched.freeze] };
}

/** What of the machine, and of the work, is this process's. */
export interface CoreShare {
  readonly cores: number;
  readonly processes: number;
}

const WHOLE_MACHINE: CoreShare = { cores: availableParallelism(), processes: 1 };

/** The workers that were asked for, or one for each core but not more than grains. */
export function resolveWorkers(
  workers: number | undefined,
  run: CutRequest & { readonly model: LayerSpec; readonly inputShape: Shape },
  { cores, processes }: CoreShare = WHOLE_MACHINE,
): number {
  if (workers !== undefined) return workers;
  const { count } = cutOf(buildGraph(run.model, run.inputShape), run);
  return Math.max(1, Math.min(cores, Math.floor(count / processes)));
}

function scaled(
  { optimizer, lrScaling }: TrainerOptions<TrainingData>,
  globalBatch: number,
): OptimizerSpec {
  if (lrScaling === undefined) return optimizer;
  return { ...optimizer, lr: scaledLr(optimizer.lr, lrScaling, globalBatch) };
}

function globalBatchOf(options: TrainerOptions<TrainingData>, replicas: number): number {
  const { globalBatch, replicaBatch } = options;
  if (globalBatch !== undefined && replicaBatch !== undefined) {
    throw new UsageError({
      what: 'batch size',
      given: { globalBatch, replicaBatch },
      allowed: 'globalBatch (over all replicas) or replicaBatch (of each), not both',
    });
  }
  if (globalBatch !== undefined) return checkInteger('globalBatch', globalBatch, 1);
  return replicas * checkInteger('replicaBatch', replicaBatch ?? DEFAULT_REPLICA_BATCH, 1);
}

/** Whether something is on or off, also where the caller's types are not checked. */
export function checkFlag(what: string, given: unknown): boolean {
  if (typeof given === 'boolean') return given;
  throw new UsageError({ what, given, allowed: 'true or false' });
}

function checkMode(mode: NumericMode): NumericMode {
  if (mode === 'fast' || mode === 'strict') return mode;
  throw new UsageError({ what: 'mode', given: mode, allowed: "'fast' or 'strict'" });
}
