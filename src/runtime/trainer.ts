// The Trainer: from a model and a dataset to a trained network, on all cores. Plans the run, fills
// the arena, starts the gang and controls it by messages; whatever a step computes stays in shared
// memory.

import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkInteger, UsageError } from '../base/errors.ts';
import type { Dataset } from '../data/dataset.ts';
import { compileKernels } from '../kernels/load.ts';
import { createArena, typedView } from '../memory/arena.ts';
import type { Layout } from '../memory/layout.ts';
import { loadCustomLayers } from '../nn/custom.ts';
import { customModulesOf } from '../nn/spec.ts';
import { type ControlWords, clearStop, progressWords, requestStop } from '../sync/words.ts';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from '../train/checkpoint.ts';
import type { RunConfig } from '../train/config.ts';
import type { SplitName } from '../train/context.ts';
import { type CarriedTensor, convertCheckpoint } from '../train/convertState.ts';
import { type Diagnostics, summarizeDiagnostics } from '../train/diagnostics.ts';
import type { GradientNorms } from '../train/gradientNorms.ts';
import { planRun, type RunPlan } from '../train/plan.ts';
import { type Profile, profileOf } from '../train/profileReport.ts';
import { layerNames } from '../train/program.ts';
import {
  fillArena,
  hashWeights,
  namedWeights,
  restoreTensors,
  type StateTensor,
  stateTensors,
} from '../train/state.ts';
import { PROGRESS_STEPS } from '../train/step.ts';
import { type Evaluation, secondsSince, sumSamples } from './evaluation.ts';
import { type ExportOptions, exportInference, type InferenceExport } from './exportInference.ts';
import { type Gang, startGang } from './gang.ts';
import { lastDiagnostics, lastGradientNorms } from './lastSample.ts';
import {
  checkPrecise,
  type PreciseOptions,
  type PreciseResult,
  preciseResult,
} from './preciseNorm.ts';
import { countInputs, predictAll } from './predict.ts';
import { type FitOptions, type FitPosition, type Progress, progressOf } from './progress.ts';
import { checkpointOf, type ResumeOptions, resumeConfig, savedTensors } from './resume.ts';
import { resolveOptions, type TrainerOptions } from './trainerOptions.ts';
import type { TrainApi, TrainData } from './trainWorker.ts';

/** A run: a model, its data, and the threads that train it. */
export interface Trainer {
  /** All settings, in plain data. */
  readonly config: RunConfig;
  readonly replicas: number;
  readonly workers: number;
  readonly globalBatch: number;
  /** How many numbers are trained. */
  readonly countParameters: number;
  /** Epochs that the last `fit` was to have done in all, also before a resume; 0 before the
   * first. */
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** What carried over of the normalizations that a resume replaced. */
  readonly conversion: readonly CarriedTensor[];
  /** Steps done in all. */
  readonly step: number;
  /** The table of the arena. */
  readonly layout: Layout;
  /** Trains, and yields what is reached at the end of each epoch. Leaving the loop early stops the
   * run behind the current step. */
  fit(options: FitOptions): AsyncGenerator<Progress, void, void>;
  /** Asks a running `fit` to stop behind the current step. */
  stop(): void;
  /** How the replicas' batch statistics lay to their sync groups' in the last sampled step;
   * undefined before the first one, without batch norms, or with diagnosticsEvery 0. May be
   * called while `fit` runs. */
  diagnostics(): Diagnostics | undefined;
  /** The Euclidean norm of each parameter's gradient in the last sampled step, before clipping;
   * undefined before the first one, or with diagnosticsEvery 0. May be called while `fit` runs. */
  gradientNorms(): GradientNorms | undefined;
  /** Where this trainer's time has gone, also within `fit`; undefined unless it records steps. */
  profile(): Profile | undefined;
  /** Loss and accuracy over a split, without training; running statistics, nothing synchronized. */
  evaluate(split?: SplitName): Promise<Evaluation>;
  /** Outputs for inputs in the dataset's own units and layout, channels last: [n, outputs]. */
  predict(inputs: Uint8Array | Float32Array): Promise<Float32Array>;
  /** Replaces running statistics by those of the population over training batches, with the weights
   * as they are (PreciseBN, Wu and Johnson 2021): the same bits for any number of workers. */
  preciseBatchNorm(options: PreciseOptions): Promise<PreciseResult>;
  /** The model for inference, with batch normalization folded into the conv2d or linear before it
   * where there is one; the outputs of both are compared. */
  exportInference(options?: ExportOptions): Promise<InferenceExport>;
  /** All parameters and running statistics by name, as copies. */
  weights(): ReadonlyMap<string, StateTensor>;
  /** SHA-256 over all parameters and running statistics. */
  weightsHash(): string;
  /** Writes a checkpoint from which {@link Trainer.resume} goes on with the same bits. */
  save(path: string): Promise<void>;
  /** Ends all threads. May be called again. */
  close(): Promise<void>;
}

/** Starts runs. */
export const Trainer = {
  /** Plans a run, fills its memory and starts its threads. Throws a {@link UsageError} for options
   * that do not fit together, before any thread is started. */
  async start(options: TrainerOptions): Promise<Trainer> {
    await loadCustomLayers(customModulesOf(options.model));
    const config = resolveOptions(options);
    return startTrainer(config, options.data, undefined);
  },

  /** Goes on from a checkpoint, on any number of workers, with the same bits as an uninterrupted
   * run. The data must be the checkpoint's. */
  async resume(checkpoint: string | Checkpoint, options: ResumeOptions): Promise<Trainer> {
    const what = typeof checkpoint === 'string' ? `checkpoint ${checkpoint}` : 'checkpoint';
    const read = typeof checkpoint === 'string' ? await readCheckpoint(checkpoint) : checkpoint;
    const { norm } = options;
    const { saved, report } =
      norm === undefined ? { saved: read, report: [] } : await convertCheckpoint(what, read, norm);
    const config = await resumeConfig(what, saved, options);
    return startTrainer(config, options.data, { what, saved, report });
  },
};

interface Resumed {
  readonly what: string;
  readonly saved: Checkpoint;
  readonly report: readonly CarriedTensor[];
}

async function startTrainer(
  config: RunConfig,
  dataset: Dataset,
  resumed: Resumed | undefined,
): Promise<Trainer> {
  const plan = planRun(config);
  const module = compileKernels(config.mode);
  const memory = createArena(plan.layout);
  fillArena(plan, memory, dataset);
  const tensors = stateTensors(plan, memory);
  const epochSums = typedView(memory, plan.layout.get('epoch.sums'), 'f64');
  if (resumed !== undefined) {
    restoreTensors(tensors, savedTensors(resumed.what, tensors, resumed.saved));
    epochSums.set(resumed.saved.counters.epochSums);
  }
  const words = typedView(memory, plan.layout.get('control'), 'i32');
  const gang = await startGang<TrainApi, TrainData>({
    workers: config.workers,
    entry: createRequire(import.meta.url).resolve('#workers/train.js'),
    dataOf: () => ({ config, memory, module }),
    words,
    layerNames: layerNames(plan),
  });
  const { step, epochs } = resumed?.saved.counters ?? { step: 0, epochs: 0 };
  const state = { tensors, epochSums, step, epochs, conversion: resumed?.report ?? [] };
  return new Run({ plan, dataset, memory, words, gang, ...state });
}

interface RunSetup {
  readonly plan: RunPlan;
  readonly dataset: Dataset;
  readonly memory: WebAssembly.Memory;
  readonly words: ControlWords;
  readonly gang: Gang<TrainApi>;
  readonly tensors: readonly StateTensor[];
  readonly epochSums: Float64Array;
  readonly step: number;
  readonly epochs: number;
  readonly conversion: readonly CarriedTensor[];
}

class Run implements Trainer {
  private readonly setup: RunSetup;
  private done: number;
  private planned: number;
  private isStopping = false;
  /** What the gang is at, for the error when something else is asked of it; undefined when idle. */
  private busy: string | undefined;

  constructor(setup: RunSetup) {
    this.setup = setup;
    this.done = setup.step;
    this.planned = setup.epochs;
  }

  get config(): RunConfig {
    return this.setup.plan.config;
  }

  get countParameters(): number {
    return this.setup.plan.parameters.entries.reduce((sum, entry) => sum + entry.length, 0);
  }

  get epochs(): number {
    return this.planned;
  }

  get replicas(): number {
    return this.setup.plan.config.replicas;
  }

  get workers(): number {
    return this.setup.plan.config.workers;
  }

  get globalBatch(): number {
    return this.setup.plan.config.globalBatch;
  }

  get stepsPerEpoch(): number {
    return this.setup.plan.stepsPerEpoch;
  }

  get conversion(): readonly CarriedTensor[] {
    return this.setup.conversion;
  }

  get step(): number {
    return this.done;
  }

  get layout(): Layout {
    return this.setup.plan.layout;
  }

  async *fit(options: FitOptions): AsyncGenerator<Progress, void, void> {
    const { plan, words, epochSums } = this.setup;
    const { stepsPerEpoch } = plan;
    const epochs = checkInteger('epochs', options.epochs, 1);
    const totalSteps = epochs * stepsPerEpoch;
    const lastStep = Math.min(totalSteps, options.maxSteps ?? totalSteps);
    const first = this.done;
    let trainedMs = 0;
    this.enter('fit');
    this.planned = epochs;
    try {
      clearStop(words);
      this.isStopping = false;
      Atomics.store(progressWords(words), PROGRESS_STEPS, first);
      while (this.done < lastStep) {
        const epochEnd = (Math.floor(this.done / stepsPerEpoch) + 1) * stepsPerEpoch;
        const startMs = performance.now();
        const position = (step: number): FitPosition => {
          const sinceMs = performance.now() - startMs;
          const diagnostics = summarizeDiagnostics(this.diagnostics());
          return { epochs, first, step, totalSteps, trainedMs: trainedMs + sinceMs, diagnostics };
        };
        const steps = this.train(Math.min(epochEnd, lastStep), totalSteps, options.progressEveryMs);
        for await (const step of steps) {
          yield progressOf('progress', plan, epochSums, position(step));
        }
        const isStopped = this.done < epochEnd || (this.isStopping && this.done < totalSteps);
        const ended = position(this.done);
        trainedMs = ended.trainedMs;
        yield progressOf(isStopped ? 'stopped' : 'epoch', plan, epochSums, ended);
        if (isStopped) return;
      }
    } finally {
      this.busy = undefined;
    }
  }

  /** Trains up to step `to` and yields the steps done so far every so often. Returning early stops
   * the gang behind its current step. */
  private async *train(
    to: number,
    totalSteps: number,
    everyMs: number | undefined,
  ): AsyncGenerator<number, void, void> {
    const { gang, words } = this.setup;
    const running = gang.callAll((api) => api.train(this.done, to, totalSteps));
    let isRunning = true;
    const settle = (): void => {
      isRunning = false;
    };
    const ended = running.then(settle, settle);
    try {
      while (everyMs !== undefined && isRunning) {
        await Promise.race([ended, sleep(everyMs, undefined, { ref: false })]);
        if (isRunning) yield Atomics.load(progressWords(words), PROGRESS_STEPS);
      }
    } finally {
      // Still running with nobody to report to: the loop over the progress was left.
      if (isRunning && everyMs !== undefined) requestStop(words);
      this.done = (await running)[0]!;
    }
  }

  stop(): void {
    this.isStopping = true;
    requestStop(this.setup.words);
  }

  diagnostics(): Diagnostics | undefined {
    return lastDiagnostics(this.setup);
  }

  gradientNorms(): GradientNorms | undefined {
    return lastGradientNorms(this.setup);
  }

  profile(): Profile | undefined {
    return profileOf(this.setup.plan, this.setup.memory);
  }

  async evaluate(split: SplitName = 'test'): Promise<Evaluation> {
    const { gang, dataset, memory, plan } = this.setup;
    const { count } = dataset[split];
    if (count === 0) {
      throw new UsageError({
        what: `evaluate('${split}') on ${dataset.name}`,
        given: 'no samples',
        allowed: 'a split with samples',
      });
    }
    const startMs = performance.now();
    await this.exclusively('evaluate', () => gang.callAll((api) => api.evaluate(split)));
    const samples = typedView(memory, plan.layout.get('evaluation.samples'), 'f64');
    return { ...sumSamples(samples, count, dataset.task), seconds: secondsSince(startMs) };
  }

  async predict(inputs: Uint8Array | Float32Array): Promise<Float32Array> {
    const { gang, plan } = this.setup;
    const count = countInputs('predict', plan.config, inputs);
    return this.exclusively('predict', () =>
      predictAll(this.setup, inputs, count, (size) => gang.callAll((api) => api.predict(size))),
    );
  }

  async preciseBatchNorm(options: PreciseOptions): Promise<PreciseResult> {
    const { gang, plan } = this.setup;
    const { batches, definition } = checkPrecise(options);
    const from = this.done;
    await this.exclusively('preciseBatchNorm', () =>
      gang.callAll((api) => api.measure(from, batches, definition)),
    );
    return preciseResult(plan, from, batches);
  }

  async exportInference(options: ExportOptions = {}): Promise<InferenceExport> {
    const { config, step, epochs } = this;
    if (options.inputs !== undefined) countInputs('exportInference', config, options.inputs);
    const run = { config, step, epochs, dataset: this.setup.dataset, weights: this.weights() };
    return exportInference({ ...run, predict: (inputs) => this.predict(inputs) }, options);
  }

  weights(): ReadonlyMap<string, StateTensor> {
    return namedWeights(this.setup.tensors);
  }

  weightsHash(): string {
    return hashWeights(this.setup.tensors);
  }

  async save(path: string): Promise<void> {
    const { plan, dataset, tensors, epochSums } = this.setup;
    await this.exclusively('save', () =>
      writeCheckpoint(
        path,
        checkpointOf({
          config: plan.config,
          dataset,
          tensors,
          epochSums,
          step: this.done,
          epochs: this.planned,
        }),
      ),
    );
  }

  async close(): Promise<void> {
    await this.setup.gang.close();
  }

  private enter(what: string): void {
    if (this.busy !== undefined) {
      throw new UsageError({
        what: `${what}() of a trainer`,
        given: `a call while ${this.busy}() runs`,
        allowed: 'one call at a time',
        hint: 'await the other call, or leave its loop, first',
      });
    }
    this.busy = what;
  }

  private async exclusively<T>(what: string, run: () => Promise<T>): Promise<T> {
    this.enter(what);
    try {
      return await run();
    } finally {
      this.busy = undefined;
    }
  }
}
