// From a run to a checkpoint and back. Settings that decide the bits come from the checkpoint and
// cannot be changed. Settings that only affect speed can.

import { checkInteger, UsageError } from '../base/errors.ts';
import { showShape } from '../base/shape.ts';
import { packageVersion } from '../base/version.ts';
import {
  type Checkpoint,
  type CheckpointHead,
  type CheckpointNote,
  savedLosses,
  typeOf,
  type WrittenBy,
} from '../checkpoint/checkpoint.ts';
import type { MonitorState } from '../checkpoint/monitored.ts';
import type { StateTensor } from '../checkpoint/state.ts';
import { checkTrainingData } from '../data/chunked/checkChunked.ts';
import {
  type ChunkedDataset,
  type ChunkedSplit,
  isChunked,
  type TrainingData,
} from '../data/chunked/chunkedDataset.ts';
import { type DatasetDescription, dataDifference, describeDataset } from '../data/identity.ts';
import { checkShards } from '../data/loading/shards.ts';
import { buildOf, type NumericMode } from '../kernels/builds.ts';
import { engineName, kernelsOf } from '../kernels/identity.ts';
import type { NormRequest } from '../nn/convert/normRequest.ts';
import { isLocal } from '../nn/graph/cut.ts';
import { buildGraph } from '../nn/graph/graph.ts';
import { parseModel } from '../nn/models/parse.ts';
import { lossModulesOf } from '../nn/specs/lossModules.ts';
import { type AllowModules, loadModules } from '../nn/specs/modules.ts';
import { customModulesOf, type LayerSpec } from '../nn/specs/spec.ts';
import { DEFAULT_DIAGNOSTICS_EVERY } from '../observe/diagnostics.ts';
import { parseAveraging } from '../optim/averaging.ts';
import { parseOptimizer } from '../optim/optimizer.ts';
import { parseSchedule } from '../optim/schedule.ts';
import {
  checkRunConfig,
  dataPlanOf,
  type MicroBatches,
  type RunConfig,
  trainCounts,
} from '../plan/config.ts';
import { checkEvalCorrection, type EvalCorrection } from '../plan/evalCorrection.ts';
import { outputLosses } from '../plan/heads.ts';
import { checkTargets } from '../plan/lossFit.ts';
import { checkOnNonFinite, type OnNonFinite } from '../plan/onNonFinite.ts';
import { DEFAULT_TIMEOUT_MS } from '../sync/words.ts';
import { type CoreShare, checkFlag, resolveWorkers } from './trainerOptions.ts';

/** The options of {@link Trainer.resume}. */
export interface ResumeOptions {
  /** The checkpoint's data. */
  readonly data: TrainingData;
  /** Default: the number of cores, but at most one per grain. */
  readonly workers?: number;
  /** Same as {@link TrainerOptions.microBatches}. */
  readonly microBatches?: MicroBatches;
  /** Another number of simulated devices. Only for models without anything local to a replica, so
   * that the weights stay the same. Default: the checkpoint's. */
  readonly replicas?: number;
  /** Same as {@link TrainerOptions.timeoutMs}. */
  readonly timeoutMs?: number;
  /** Same as {@link TrainerOptions.startTimeoutMs}. */
  readonly startTimeoutMs?: number;
  /** How often to compare the replicas' batch statistics, in steps; 0 for never. Default 50. */
  readonly diagnosticsEvery?: number;
  /** Same as {@link TrainerOptions.profile}. */
  readonly profile?: boolean;
  /** Same as {@link TrainerOptions.elastic}. */
  readonly elastic?: boolean;
  /** Replaces the normalizations and keeps whatever carries over: see the trainer's `conversion`.
   * Default: the checkpoint's normalizations, with the same bits. */
  readonly norm?: NormRequest;
  /** Same as {@link TrainerOptions.evalCorrection}. */
  readonly evalCorrection?: EvalCorrection;
  /** Same as {@link TrainerOptions.onNonFinite}. */
  readonly onNonFinite?: OnNonFinite;
  /** Modules of custom layers that the checkpoint may name, in addition to those that this program
   * passed to `nn.custom`: `true` for all, or `file:` URLs, paths and package names. Importing them
   * runs their code. Default none. */
  readonly allowModules?: AllowModules;
  /** Same as {@link TrainerOptions.onNotice}. */
  readonly onNotice?: (notice: string) => void;
}

/** The config of the run that a checkpoint continues, and a description of its data. Throws a
 * {@link UsageError} if the data differs from the checkpoint's; `what` names the checkpoint. */
export async function resumeConfig(
  what: string,
  saved: Omit<CheckpointHead, 'tensors'>,
  options: ResumeOptions,
  share?: CoreShare,
): Promise<{ readonly config: RunConfig; readonly data: DatasetDescription }> {
  const model = parseModel(saved.model, `the model of ${what}`);
  const modules = [...customModulesOf(model), ...lossModulesOf(savedLosses(saved.run))];
  await loadModules(modules, options.allowModules);
  const dataset = checkTrainingData(options.data);
  const data = describeDataset(dataset);
  const difference = dataDifference(data, saved.data);
  if (difference !== undefined) {
    throw new UsageError({
      what: `data to resume ${what} with`,
      given: difference.given,
      allowed: `the data of the checkpoint, ${difference.saved}`,
      hint: 'the same --data, --limit and --test-split as before',
    });
  }
  const kept = configOf(saved, model, 1);
  if (isChunked(dataset)) checkChunks(what, kept, dataset);
  else checkShards(kept.shards ?? 'iid', dataset);
  const { inputShape } = kept.data;
  const replicas = options.replicas ?? kept.replicas;
  if (replicas !== kept.replicas) checkReplicas(what, replicas, kept);
  const config: RunConfig = {
    ...kept,
    replicas,
    workers: resolveWorkers(options.workers, { ...kept, inputShape, replicas }, share),
    ...(options.microBatches !== undefined && { microBatches: options.microBatches }),
    data: dataPlanOf(dataset, kept.validationSplit),
    timeoutMs: checkInteger('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS, 1),
    diagnosticsEvery: options.diagnosticsEvery ?? DEFAULT_DIAGNOSTICS_EVERY,
    profile: checkFlag('profile', options.profile ?? false),
    elastic: checkFlag('elastic', options.elastic ?? false),
    evalCorrection: checkEvalCorrection(options.evalCorrection),
    onNonFinite: checkOnNonFinite(options.onNonFinite),
  };
  checkRunConfig(config);
  for (const { loss } of outputLosses(config)) checkTargets(loss, dataset);
  return { config, data };
}

/** Throws a {@link UsageError} if a run needs samples that chunked data does not have, or is
 * shuffled by other chunks. */
function checkChunks(
  what: string,
  { shards, validationSplit, window }: RunConfig,
  { train }: ChunkedDataset,
): void {
  const isWhole = shards !== undefined || validationSplit !== undefined;
  const given = showChunks(train);
  if (!isWhole && (window === undefined || showChunks(window) === given)) return;
  throw new UsageError({
    what: `data to resume ${what} with`,
    given,
    allowed: isWhole ? 'a dataset in memory' : showChunks(window!),
  });
}

/** `chunks of 16 samples`. */
function showChunks({
  chunkSamples,
  inOrder = false,
}: Pick<ChunkedSplit, 'chunkSamples' | 'inOrder'>): string {
  return `chunks of ${chunkSamples} samples${inOrder ? ' in their order' : ''}`;
}

/** Throws a {@link UsageError} if another number of replicas would change the results. */
function checkReplicas(what: string, replicas: number, kept: RunConfig): void {
  if (kept.shards !== undefined) {
    throw new UsageError({
      what: `replicas to resume ${what} with`,
      given: replicas,
      allowed: `the ${kept.replicas} of the checkpoint, which own their samples (${kept.shards})`,
    });
  }
  const graph = buildGraph(kept.model, kept.data.inputShape);
  if (isLocal(graph, kept.replicas) || isLocal(graph, replicas)) {
    throw new UsageError({
      what: `replicas to resume ${what} with`,
      given: replicas,
      allowed: `the ${kept.replicas} of the checkpoint, since its model has per-replica statistics`,
      hint: 'another number only if all norms are synchronized over all replicas, or need none',
    });
  }
}

/** The config of a checkpoint's run for a number of workers, as far as the checkpoint holds it. */
export function configOf(
  saved: Pick<CheckpointHead, 'data' | 'run'>,
  model: LayerSpec,
  workers: number,
): RunConfig {
  const { name: _name, checksum: _checksum, contentHash: _hash, ...data } = saved.data;
  const { averaging, loss: _loss, heads: _heads, ...run } = saved.run;
  return {
    ...run,
    ...savedLosses(saved.run),
    // Files from before there were grains have one per replica.
    grains: run.grains ?? run.replicas,
    model,
    data: { ...data, ...trainCounts(data.countTrain, run.validationSplit) },
    optimizer: parseOptimizer(run.optimizer),
    schedule: parseSchedule(run.schedule),
    ...(averaging !== undefined && { averaging: parseAveraging(averaging) }),
    workers,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    diagnosticsEvery: DEFAULT_DIAGNOSTICS_EVERY,
    evalCorrection: null,
  };
}

/** The checkpoint of a run; its values are the run's own, not copies. */
export function checkpointOf(run: {
  readonly runId: string;
  readonly config: RunConfig;
  readonly data: DatasetDescription;
  readonly tensors: readonly StateTensor[];
  readonly epochSums: Float64Array;
  readonly monitored?: MonitorState | undefined;
  readonly note?: CheckpointNote | undefined;
  readonly step: number;
  readonly epochs: number;
}): Checkpoint {
  const { config: whole, tensors, monitored, note } = run;
  // Settings that do not affect the bits are not part of it.
  const { workers: _workers, timeoutMs: _timeoutMs, diagnosticsEvery: _every, ...config } = whole;
  const { model, data: _data, evalCorrection: _evalCorrection, profile: _on, ...kept } = config;
  const { onNonFinite: _onNonFinite, place: _place, elastic: _elastic, ...mostly } = kept;
  const { microBatches: _parts, arenaBytes: _arenaBytes, ...bits } = mostly;
  const { averaging, heads, ...rest } = bits;
  return {
    runId: run.runId,
    writtenBy: writerOf(config.mode),
    model: { ...model },
    data: structuredClone(run.data),
    run: {
      ...rest,
      loss: { ...rest.loss },
      ...(heads && { heads: heads.map((head) => ({ ...head, loss: { ...head.loss } })) }),
      optimizer: { ...rest.optimizer },
      schedule: { ...rest.schedule },
      ...(averaging !== undefined && { averaging: { ...averaging } }),
    },
    counters: { step: run.step, epochs: run.epochs, epochSums: [...run.epochSums] },
    ...(monitored !== undefined && { monitored }),
    ...(note !== undefined && { note: { ...note } }),
    tensors: tensors.map(({ name, group, shape, values }) => ({
      name,
      group,
      shape: [...shape],
      values,
    })),
  };
}

function writerOf(mode: NumericMode): WrittenBy {
  return {
    library: packageVersion(),
    kernels: kernelsOf(mode),
    build: buildOf(mode),
    node: process.versions.node,
    engine: engineName(),
  };
}

/** Throws a {@link UsageError} unless the checkpoint has the run's tensors, in order. */
export function checkTensors(
  what: string,
  tensors: readonly StateTensor[],
  saved: CheckpointHead,
): void {
  for (const [i, { name, shape, values }] of tensors.entries()) {
    const found = saved.tensors[i];
    const expected = `${name} of shape ${showShape(shape)}`;
    const isSame =
      found?.name === name && found.shape.join() === shape.join() && found.type === typeOf(values);
    if (isSame) continue;
    throw new UsageError({
      what: `${what}, tensor ${i}`,
      given: found === undefined ? 'nothing' : `${found.name} of shape ${showShape(found.shape)}`,
      allowed: `${expected}, as the model says`,
      hint: 'a checkpoint of this model',
    });
  }
  if (saved.tensors.length === tensors.length) return;
  throw new UsageError({
    what,
    given: `${saved.tensors.length} tensors`,
    allowed: `${tensors.length}, as the model says`,
    hint: 'a checkpoint of this model',
  });
}

/** Throws a {@link UsageError} unless the checkpoint has as many epoch sums as the run. */
export function checkSums(
  what: string,
  { length }: Float64Array,
  { counters: { epochSums } }: Pick<CheckpointHead, 'counters'>,
): void {
  if (epochSums.length === length) return;
  throw new UsageError({
    what: `${what}, epochSums`,
    given: `${epochSums.length} numbers`,
    allowed: `${length}, as its heads say`,
  });
}
