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
import { outputSizeOf, type RunConfig } from '../train/config.ts';
import type { SplitName } from '../train/context.ts';
import { planRun, type RunPlan } from '../train/plan.ts';
import { layerNames } from '../train/program.ts';
import {
  fillArena,
  hashWeights,
  restoreTensors,
  type StateTensor,
  stateTensors,
} from '../train/state.ts';
import { PROGRESS_STEPS } from '../train/step.ts';
import { type Gang, startGang } from './gang.ts';
import { type FitPosition, type Progress, progressOf } from './progress.ts';
import { checkpointOf, type ResumeOptions, resumeConfig, savedTensors } from './resume.ts';
import { resolveOptions, type TrainerOptions } from './trainerOptions.ts';
import type { TrainApi, TrainData } from './trainWorker.ts';

export interface FitOptions {
  /** Epochs to have done in all, those of a resumed run included. */
  readonly epochs: number;
  /** Yield progress within an epoch, about this often; default: only at the end of each epoch. */
  readonly progressEveryMs?: number;
  /** Stop when this many steps are done in all; default: at the end of the last epoch. */
  readonly maxSteps?: number;
}

export interface Evaluation {
  readonly loss: number;
  /** Share of samples whose class was right; NaN for regression. */
  readonly accuracy: number;
  readonly count: number;
  readonly seconds: number;
}

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
  /** Steps done in all. */
  readonly step: number;
  /** The table of the arena. */
  readonly layout: Layout;
  /** Trains, and yields what is reached at the end of each epoch. Leaving the loop early stops the
   * run behind the current step. */
  fit(options: FitOptions): AsyncGenerator<Progress, void, void>;
  /** Asks a running `fit` to stop behind the current step. */
  stop(): void;
  /** Loss and accuracy over a split, without training; running statistics, nothing synchronized. */
  evaluate(split?: SplitName): Promise<Evaluation>;
  /** Outputs for inputs in the dataset's own units and layout, channels last: [n, outputs]. */
  predict(inputs: Uint8Array | Float32Array): Promise<Float32Array>;
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
    const saved = typeof checkpoint === 'string' ? await readCheckpoint(checkpoint) : checkpoint;
    const config = await resumeConfig(what, saved, options);
    return startTrainer(config, options.data, { what, saved });
  },
};

async function startTrainer(
  config: RunConfig,
  dataset: Dataset,
  resumed: { readonly what: string; readonly saved: Checkpoint } | undefined,
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
  return new Run({ plan, dataset, memory, words, gang, tensors, epochSums, step, epochs });
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
    const { entries } = this.setup.plan.parameters;
    return entries.reduce((sum, entry) => sum + entry.length, 0);
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
          return { epochs, first, step, totalSteps, trainedMs: trainedMs + sinceMs };
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
    let loss = 0;
    let correct = 0;
    for (let i = 0; i < count; i++) {
      loss += samples[i * 2]!;
      correct += samples[i * 2 + 1]!;
    }
    const isClass = dataset.task.kind === 'classification';
    return {
      loss: loss / count,
      accuracy: isClass ? correct / count : Number.NaN,
      count,
      seconds: (performance.now() - startMs) / 1000,
    };
  }

  async predict(inputs: Uint8Array | Float32Array): Promise<Float32Array> {
    const { gang, memory, plan } = this.setup;
    const { inputShape, inputType, task } = plan.config.data;
    const length = inputShape.reduce((product, size) => product * size, 1);
    const isBytes = inputType === 'u8';
    const isRightType = inputs instanceof (isBytes ? Uint8Array : Float32Array);
    if (!isRightType || inputs.length % length !== 0) {
      throw new UsageError({
        what: 'inputs of predict',
        given: `${inputs.constructor.name} of length ${inputs.length}`,
        allowed: `${isBytes ? 'Uint8Array' : 'Float32Array'} of n times ${length} values`,
      });
    }
    const count = inputs.length / length;
    const outputLength = outputSizeOf(task);
    const outputs = new Float32Array(count * outputLength);
    const slots = typedView(memory, plan.layout.get('predict.inputs'), inputType);
    const results = typedView(memory, plan.layout.get('predict.outputs'), 'f32');
    await this.exclusively('predict', async () => {
      for (let from = 0; from < count; from += this.globalBatch) {
        const size = Math.min(this.globalBatch, count - from);
        slots.set(inputs.subarray(from * length, (from + size) * length));
        await gang.callAll((api) => api.predict(size));
        outputs.set(results.subarray(0, size * outputLength), from * outputLength);
      }
    });
    return outputs;
  }

  weights(): ReadonlyMap<string, StateTensor> {
    const kept = this.setup.tensors.filter((tensor) => tensor.group !== 'optimizer');
    return new Map(
      kept.map((tensor) => [
        tensor.name.replace(/^\S+ /, ''),
        { ...tensor, values: tensor.values.slice() },
      ]),
    );
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
