// A model in a separate arena that predicts and evaluates but does not train. It has no gradients
// or optimizer state, and runs on the calling thread or on a gang.

import type { Remote } from 'comlink';
import { sizeOf } from '../base/shape.ts';
import { fillAllButState, type StateTensor, stateTensors } from '../checkpoint/state.ts';
import type { Split } from '../data/dataset.ts';
import { placeholderData } from '../data/placeholder.ts';
import type { StoredSamples } from '../data/stored/storedSamples.ts';
import { storeSamples } from '../data/stored/storeSamples.ts';
import { compileKernels } from '../kernels/load.ts';
import { createArena, viewOf } from '../memory/arena.ts';
import { buildGraph } from '../nn/graph/graph.ts';
import { checkRunConfig, type RunConfig } from '../plan/config.ts';
import { planRun } from '../plan/plan.ts';
import { bindWorker } from '../train/worker.ts';
import { dependsOnBatch } from './predict.ts';
import { fixedTeam, startWorkers, type Team } from './team.ts';
import { resolveWorkers } from './trainerOptions.ts';
import type { TrainApi } from './trainWorker.ts';

export interface InferenceTeam {
  readonly team: Team;
  readonly memory: WebAssembly.Memory;
  readonly samples: StoredSamples;
  /** Parameters and buffers. */
  readonly tensors: readonly StateTensor[];
}

/** The most samples in a worker's batch, and the most bytes that their largest activation may take:
 * a batch should stay in the caches. */
const MOST_SAMPLES = 64;
const ACTIVATION_BYTES = 4 * 2 ** 20;

/** Settings that affect no bits. */
interface Speed {
  readonly workers: number;
  readonly timeoutMs?: number | undefined;
}

/** The number of workers requested. By default, the number of cores, but at most the number of
 * parts in a batch. */
export function threadsFor(run: RunConfig, asked: Partial<Speed>): Speed {
  const { inputShape } = run.data;
  const { timeoutMs } = asked;
  return { workers: resolveWorkers(asked.workers, { ...run, inputShape }), timeoutMs };
}

/** The config of a run that does not train, for a number of workers. It keeps the batch size and
 * replicas only if samples are normalized by their batch. */
export function inferenceConfig(run: RunConfig, { workers, timeoutMs }: Speed): RunConfig {
  const { freeze: _freeze, parameterGroups: _groups, averaging: _averaging, ...kept } = run;
  const { shards: _shards, validationSplit: _split, lrScaling: _scaling, ...rest } = kept;
  const { weighted: _weighted, ...data } = rest.data;
  const decay = { weightDecay: 0, decayNormAndBias: true };
  const graph = buildGraph(run.model, data.inputShape);
  const largest = Math.max(...graph.shapes.map(sizeOf)) * 4;
  const own = Math.max(1, Math.min(MOST_SAMPLES, Math.floor(ACTIVATION_BYTES / largest)));
  const batches = dependsOnBatch(graph)
    ? {}
    : { replicas: 1, grains: workers, globalBatch: workers * own };
  const config: RunConfig = {
    ...rest,
    ...batches,
    data: { ...data, countTrain: 1, countTest: 0, countValidation: 0 },
    optimizer: { kind: 'sgd', lr: 1, momentum: 0, nesterov: false, ...decay },
    clipNorm: null,
    augmentation: null,
    dropLast: false,
    workers,
    ...(timeoutMs !== undefined && { timeoutMs }),
    diagnosticsEvery: 0,
    trains: false,
  };
  checkRunConfig(config);
  return config;
}

export interface InferenceSetup {
  readonly config: RunConfig;
  /** Writes all parameters and buffers, before any thread is started. */
  readonly fill: (tensors: readonly StateTensor[]) => void;
  /** Whether the calling thread computes. Otherwise, there are `config.workers` threads. */
  readonly isOwnThread: boolean;
  /** The test split for evaluations; default none. */
  readonly samples?: Split;
}

/** Places a model and starts its threads. */
export async function startInference(setup: InferenceSetup): Promise<InferenceTeam> {
  const { config, fill, isOwnThread, samples } = setup;
  const dataset = placeholderData('samples', config.data, samples);
  const data = {
    ...config.data,
    countTest: dataset.test.count,
    ...(samples?.weights !== undefined && { weighted: ['test'] as const }),
  };
  const plan = planRun({ ...config, data });
  const module = compileKernels(config.mode);
  const memory = createArena(plan.layout);
  fillAllButState(plan, memory);
  const stored = storeSamples(dataset, config);
  const tensors = stateTensors(plan, memory);
  fill(tensors);
  const words = viewOf(memory, plan.regions.control.words);
  if (!isOwnThread) {
    const shared = { memory, module, samples: stored, startTimeoutMs: undefined };
    const gang = await startWorkers(plan, words, shared);
    return { team: fixedTeam(plan, words, gang), memory, samples: stored, tensors };
  }
  // Code that awaits answers also accepts immediate ones.
  const worker = bindWorker({ plan, module, memory, samples: stored, rank: 0 });
  const api = worker as unknown as Remote<TrainApi>;
  const team: Team = {
    plan,
    words,
    callAll: async (use) => [await use(api, 0)],
    close: async () => {},
  };
  return { team, memory, samples: stored, tensors };
}
