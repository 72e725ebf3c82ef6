// The options of a Trainer, and how they become a run's config: fills in defaults, checks
// everything, and returns a plain RunConfig that can be posted.

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
  /** The model to train, from the builders of {@link nn}. */
  readonly model: LayerSpec;
  /** The data to train on: from {@link fromArrays} or {@link openDataset}, built by hand, or read
   * in chunks (see {@link ChunkedDataset}). */
  readonly data: Data;
  /** From {@link optim}. */
  readonly optimizer: OptimizerSpec;
  /** How the learning rate changes; default constant. */
  readonly schedule?: ScheduleSpec;
  /** Scales the optimizer's rate from the batch size that it was tuned for to this run's global
   * batch: `{ rule: 'linear', baseBatch: 256 }`, or `sqrt`. `config.optimizer.lr` is then the
   * scaled rate, which the schedule changes; its `minLr` stays unscaled. Default: no scaling. */
  readonly lrScaling?: LrScaling;
  /** Keeps an average of the weights in addition to them, from `optim.averaging`. `evaluate` can
   * measure it, and `useAverage` puts it in place of the weights. Default none. */
  readonly averaging?: AveragingSpec;
  /** Default: cross-entropy for classes, mean squared error for numbers. The loss of a step is the
   * mean over its global batch; with weights, sum(w l) / sum(w). */
  readonly loss?: LossSpec;
  /** How the model's heads are trained, by name. Every head needs an entry, so there is no default
   * for a model with heads. Heads use the sample's targets, like the main output. Training
   * minimizes the main loss plus each head's loss times its weight; `loss`, accuracy, metrics and
   * monitored values are those of the main output. */
  readonly heads?: Readonly<Record<string, HeadOptions>>;
  /** Simulated devices. They affect results only if something is local to them: the statistics of a
   * local batch norm, or of one that k replicas share. Otherwise, the weights are equal bit for bit
   * for any number. Default 8. */
  readonly replicas?: number;
  /** Pieces of a global batch in which sums are formed before they are folded along one tree. The
   * last bits depend on this number, and it bounds the number of workers. At most one per sample.
   * If statistics are local to replicas, it is rounded up so that each has equally many. Default:
   * 32, and 64 from 512 samples on. */
  readonly grains?: number;
  /** Threads, at most one per grain; they only affect speed. Default: the number of cores, or of
   * grains if that is smaller. */
  readonly workers?: number;
  /** How many parts each worker's samples are split into, which go through the layers one after
   * another, so that larger batches fit. This is exact gradient accumulation: every synchronized
   * norm has the statistics of the whole batch, and the bits are the same for any number. Values
   * that do not fit into the arena in the meantime are parked beside it. At most the number of
   * grains in the batch. `auto` takes the smallest number that fits. Default 1. */
  readonly microBatches?: MicroBatches;
  /** Samples per replica in a full step; default 16. Give either this or `globalBatch`. */
  readonly replicaBatch?: number;
  /** Samples of a full step over all replicas, split as evenly as possible. Default: `replicas`
   * times `replicaBatch`. */
  readonly globalBatch?: number;
  /** Leave out a last batch that is not full; default false. */
  readonly dropLast?: boolean;
  /** Training samples to hold out for validation: a fraction below 1, or a count from 1 on. They
   * are drawn by the seed, with the same fraction of each class; the epochs use the rest. Inputs
   * are still normalized by the statistics of all training samples. Evaluated as split
   * `validation`. Default none. */
  readonly validationSplit?: number;
  /** Whether every epoch has a new order; default true. */
  readonly shuffle?: boolean;
  /** Which samples of an epoch each replica sees. By default, `iid`, any of them. Otherwise, each
   * training sample belongs to one replica for the whole run, chosen by data and seed, and
   * `shuffle` shuffles within each replica. The global batch is the replicas' shards in order, so
   * the number of replicas affects the bits. */
  readonly shards?: Shards;
  /** Default none. */
  readonly augmentation?: Augmentation;
  /** Weights and running statistics to start from: the path of a checkpoint, or of a `.safetensors`
   * file with PyTorch's names and layouts; or tensors by name, as `trainer.weights()` returns them.
   * The trainer's `conversion` says what happened to each. Default: fresh ones, drawn by the
   * seed. */
  readonly weights?: WeightsSource;
  /** Whether `weights` and the model must have exactly the same tensors, with the same shapes. If
   * false, what fits is used and the rest is fresh. Default true. */
  readonly strictWeights?: boolean;
  /** How batch norms train: whose statistics normalize, whether the running ones are updated, and
   * whether weight and bias train; for all of them, or by patterns of layers. Default: as the model
   * specifies. */
  readonly batchNorm?: readonly BatchNormSwitches[];
  /** Patterns of parameters that do not train: `0.*` for all of layer 0, `*.bias`. `*` matches any
   * characters, and a pattern that begins with `!` makes parameters trainable again. The last
   * matching pattern decides. No gradient is computed below the lowest layer that trains. Gradients
   * and optimizer state of frozen parameters are neither kept nor sent between processes. Default
   * none. */
  readonly freeze?: readonly string[];
  /** Parameters with their own learning rate factor or weight decay. If several groups match a
   * parameter, the last one that sets a value decides. Default none. */
  readonly parameterGroups?: readonly ParameterGroup[];
  /** Upper bound of the gradient's norm over all parameters that train; default none. */
  readonly clipNorm?: number;
  /** Upper bound of the absolute value of each gradient element, PyTorch's `clip_grad_value_`. If
   * `clipNorm` is given, too, the norm is that of the clipped gradient. Default none. */
  readonly clipValue?: number;
  /** Seed of all random numbers; default 1. */
  readonly seed?: number;
  /** `fast` uses fused multiply-add where the engine has it; `strict` gives the same bits on every
   * machine. Default `fast`. */
  readonly mode?: NumericMode;
  /** How long a worker may go without progress, including waits for the others, before the run is
   * aborted: in fit, evaluate, predict and preciseBatchNorm. Default 60_000. */
  readonly timeoutMs?: number;
  /** How long the threads may take to get ready. Default 30_000 for each thread that a core has to
   * start. */
  readonly startTimeoutMs?: number;
  /** How often to compare the replicas' batch statistics: in steps 0, n, 2n, ...; 0 for never.
   * Changes no result. Default 50. See `Trainer.diagnostics`. */
  readonly diagnosticsEvery?: number;
  /** Records where the time of each step goes; see `Trainer.profile`. Changes no result and costs
   * two clock reads per layer and step. Default false. */
  readonly profile?: boolean;
  /** Replaces the model's normalizations as `nn.convertNorm` does with the input's shape, the
   * replicas and their batch size. Default: the model's own. */
  readonly norm?: NormRequest;
  /** How batch normalization evaluates: with running statistics (default), or with what a training
   * batch that contains the sample would have on average. `auto` gives a sample its weight in
   * training, 1 / samples of a full sync group; a number from 0 to 1 is the weight itself. Formula
   * and sources: norm/evalCorrection.ts. Not kept in checkpoints. */
  readonly evalCorrection?: EvalCorrection;
  /** What happens if a step's loss, gradients or running statistics are not finite: `stop` ends
   * `fit` before the weights change, with a RunError that names the step and the first layer;
   * `continue` trains on with those values. Changes no bit of finite steps. Default `stop`. */
  readonly onNonFinite?: OnNonFinite;
  /** What happens when a worker dies, throws or makes no progress. If true, the others continue
   * from the last whole step, with the same bits, until no worker is left; only in a single
   * process. Costs a copy of the state in each step. Default false: the trainer's call rejects. */
  readonly elastic?: boolean;
  /** Epochs of the whole run, over which a cosine schedule is spread, for runs that several calls
   * of `fit` train. Default: those of the first `fit`. */
  readonly epochs?: number;
  /** Modules of custom layers that data may name: those of a model from `nn.parseModel`, not those
   * that this program passed to `nn.custom`. `true` for all, or `file:` URLs, paths and package
   * names. Importing them runs their code. Default none. */
  readonly allowModules?: AllowModules;
  /** Receives notices before the first step, and about workers that die in an elastic run, one
   * sentence per call. Default: a process warning, on stderr. */
  readonly onNotice?: (notice: string) => void;
}

/** Defaults of what decides the results, which are the same on every machine. */
export const DEFAULT_REPLICAS = 8;
export const DEFAULT_REPLICA_BATCH = 16;
export const DEFAULT_SEED = 1;

/** Fills in the defaults and checks all options. Throws a {@link UsageError}. */
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
  // The smallest batch that occurs limits which norms are possible.
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
    // A bound that nothing exceeds equals no bound, which every checkpoint can represent.
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
    // Checkpoints without shards come from runs without shards.
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

/** The window of chunked data. Throws a {@link UsageError} for options that need all samples at
 * once. */
function windowFor(
  data: ChunkedDataset,
  { shards = 'iid', validationSplit }: Pick<TrainerOptions, 'shards' | 'validationSplit'>,
  globalBatch: number,
): ShuffleWindow | undefined {
  const wrong = shards !== 'iid' ? 'shards' : validationSplit !== undefined && 'validationSplit';
  if (wrong === false) return shuffleWindowOf(data, globalBatch);
  throw new UsageError({
    what: wrong,
    problem: `needs the class of each sample, which is not available for data read in chunks`,
    hint: wrong === 'shards' ? "'iid'" : 'a test split of its own',
  });
}

/** The model with its batch norms switched, and all patterns of frozen parameters. */
function frozenParts(
  model: LayerSpec,
  { freeze = [], batchNorm = [] }: TrainerOptions<TrainingData>,
): { readonly model: LayerSpec; readonly freeze: readonly string[] } {
  if (batchNorm.length === 0) return { model, freeze };
  const switched = switchBatchNorms(model, batchNorm);
  return { model: switched.model, freeze: [...freeze, ...switched.freeze] };
}

/** This process's share of the machine and of the work. */
export interface CoreShare {
  readonly cores: number;
  readonly processes: number;
}

const WHOLE_MACHINE: CoreShare = { cores: availableParallelism(), processes: 1 };

/** The requested number of workers, or one per core but not more than grains. */
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
      allowed: 'globalBatch (over all replicas) or replicaBatch (per replica), not both',
    });
  }
  if (globalBatch !== undefined) return checkInteger('globalBatch', globalBatch, 1);
  return replicas * checkInteger('replicaBatch', replicaBatch ?? DEFAULT_REPLICA_BATCH, 1);
}

/** Checks that an option is a boolean, even if the caller's types are not checked. */
export function checkFlag(what: string, given: unknown): boolean {
  if (typeof given === 'boolean') return given;
  throw new UsageError({ what, given, allowed: 'true or false' });
}

function checkMode(mode: NumericMode): NumericMode {
  if (mode === 'fast' || mode === 'strict') return mode;
  throw new UsageError({ what: 'mode', given: mode, allowed: "'fast' or 'strict'" });
}
