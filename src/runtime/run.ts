// A run on its gang: what a Trainer does once everything is planned, filled and started. Guards
// that one thing is asked of the gang at a time; steps themselves are in `train`.

import { setTimeout as sleep } from 'node:timers/promises';
import { checkInteger, UsageError } from '../base/errors.ts';
import type { Dataset } from '../data/dataset.ts';
import { typedView } from '../memory/arena.ts';
import type { Layout } from '../memory/layout.ts';
import { type ControlWords, clearStop, progressWords, requestStop } from '../sync/words.ts';
import { writeCheckpoint } from '../train/checkpoint.ts';
import type { RunConfig } from '../train/config.ts';
import type { SplitName } from '../train/context.ts';
import type { CarriedTensor } from '../train/convertState.ts';
import { type Diagnostics, summarizeDiagnostics } from '../train/diagnostics.ts';
import type { GradientNorms } from '../train/gradientNorms.ts';
import type { RunPlan } from '../train/plan.ts';
import { type Profile, profileOf } from '../train/profileReport.ts';
import { hashWeights, namedWeights, type StateTensor } from '../train/state.ts';
import { PROGRESS_STEPS } from '../train/step.ts';
import { type Evaluation, secondsSince, sumSamples } from './evaluation.ts';
import { type ExportOptions, exportInference, type InferenceExport } from './exportInference.ts';
import type { Gang } from './gang.ts';
import { lastDiagnostics, lastGradientNorms } from './lastSample.ts';
import {
  checkPrecise,
  type PreciseOptions,
  type PreciseResult,
  preciseResult,
} from './preciseNorm.ts';
import { countInputs, predictAll } from './predict.ts';
import { type FitOptions, type FitPosition, type Progress, progressOf } from './progress.ts';
import { checkpointOf } from './resume.ts';
import type { RunningTrainer } from './trainerTypes.ts';
import type { TrainApi } from './trainWorker.ts';

export interface RunSetup {
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

export class Run implements RunningTrainer {
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
