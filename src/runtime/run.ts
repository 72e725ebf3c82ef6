// A run on its gang: what a Trainer does once everything is planned, filled and started. Makes sure
// that the gang does one thing at a time. The steps themselves are in `train`.

import { setTimeout as sleep } from 'node:timers/promises';
import { type RunError, UsageError } from '../base/errors.ts';
import { sizeOf } from '../base/shape.ts';
import type { CarriedTensor } from '../checkpoint/convertState.ts';
import { hashWeights, namedWeights, type StateTensor } from '../checkpoint/state.ts';
import { storedInputs } from '../data/shift.ts';
import { storedBytes } from '../data/stored/storeSamples.ts';
import type { Layout } from '../memory/layout.ts';
import { MAIN_OUTPUT } from '../nn/specs/spec.ts';
import { type Diagnostics, summarizeDiagnostics } from '../observe/diagnostics.ts';
import type { GradientNorms } from '../observe/gradientNorms.ts';
import type { MetricName } from '../observe/metric.ts';
import { type Profile, profileOf } from '../observe/profileReport.ts';
import type { BestEpoch } from '../optim/monitor.ts';
import type { RunConfig } from '../plan/config.ts';
import { checkInference, checkTraining } from '../plan/feasible.ts';
import { memoryOf, type RunMemory, type RunPlan } from '../plan/plan.ts';
import { type EpochState, readEpoch } from '../reduce/epochSums.ts';
import { clearStop, progressWords, requestEnd, requestStop } from '../sync/words.ts';
import type { SplitName } from '../train/context.ts';
import type { Trained } from '../train/step.ts';
import { hasAverage } from './averaged.ts';
import { divergenceOf, tornBy, unsaved } from './diverged.ts';
import {
  parseExportOptions,
  parseFitOptions,
  parsePath,
  parsePreciseOptions,
  parseSaveOptions,
} from './door.ts';
import type { EvaluateOptions, Evaluation, UseAverageOptions } from './evaluation.ts';
import { Evaluations } from './evaluations.ts';
import { type ExportOptions, exportInference, type InferenceExport } from './exportInference.ts';
import { whenBegun } from './feeds.ts';
import { type FittingRun, fitting } from './fitting.ts';
import { lastDiagnostics, lastGradientNorms } from './lastSnapshot.ts';
import { Monitoring } from './monitoring.ts';
import { isOfPeer } from './network.ts';
import { Occupation } from './occupation.ts';
import { measure, type PreciseOptions, type PreciseResult, preciseResult } from './preciseNorm.ts';
import { countInputs, type Inputs, namedOutputs, Predictions } from './predict.ts';
import type { FitOptions, Progress } from './progress.ts';
import { checkpointOf } from './resume.ts';
import { lengthNotices, runLength } from './runLength.ts';
import type { RunSetup } from './runSetup.ts';
import { type SaveOptions, Saver } from './saving.ts';
import { shareSamples, shareTrained } from './sharing.ts';
import type { Team } from './team.ts';
import type { RunningTrainer } from './trainerTypes.ts';

export class Run implements RunningTrainer {
  private readonly setup: RunSetup;
  private done: number;
  private length: number;
  private readonly sayLength: (length: number, asked: number) => void;
  private isStopping = false;
  /** Whether workers are in steps, so that the weights do not belong to any step. */
  private isTraining = false;
  /** Set when a run fails during a step. */
  private torn: Error | undefined;
  private readonly saver = new Saver();
  /** Settles when the last save no longer reads the state. */
  private taken: Promise<void> = Promise.resolve();
  private readonly occupation = new Occupation(() => this.predictions.goOn());
  private readonly evaluations = new Evaluations({
    occupation: this.occupation,
    parts: () => this.parts,
    done: () => this.done,
    inSteps: (running) => this.inSteps(running),
  });
  private readonly monitoring: Monitoring;
  private readonly predictions: Predictions;
  /** Set when numbers are no longer finite. */
  private diverged: RunError | undefined;

  constructor(setup: RunSetup) {
    this.setup = setup;
    this.done = setup.step;
    this.length = setup.epochs;
    this.sayLength = lengthNotices(this.config.schedule, setup);
    this.predictions = new Predictions({
      ...this.parts,
      run: async (size) => {
        await setup.team.callAll((api) => api.predict(size));
        await shareSamples(this.parts, 'outputs', size);
      },
      tryEnter: () => this.occupation.tryEnter('predict'),
      leave: () => this.occupation.leave(),
    });
    const { tensors, monitored, bestWeights } = setup;
    this.monitoring = new Monitoring(this.config, tensors, monitored, bestWeights);
  }

  private get plan(): RunPlan {
    return this.setup.team.plan;
  }

  /** The whole setup, with the current workers. */
  private get parts(): RunSetup & Pick<Team, 'plan' | 'words'> {
    return { ...this.setup, plan: this.plan, words: this.setup.team.words };
  }

  get config(): RunConfig {
    return this.plan.config;
  }

  get countParameters(): number {
    return this.plan.parameters.blocks.reduce((sum, block) => sum + block.length, 0);
  }

  get epochs(): number {
    return this.length;
  }

  get replicas(): number {
    return this.config.replicas;
  }

  get workers(): number {
    return this.config.workers;
  }

  get globalBatch(): number {
    return this.config.globalBatch;
  }

  get stepsPerEpoch(): number {
    return this.plan.stepsPerEpoch;
  }

  get conversion(): readonly CarriedTensor[] {
    return this.setup.conversion;
  }

  get step(): number {
    return this.done;
  }

  get hasAverage(): boolean {
    return hasAverage(this.plan, this.done);
  }

  get dataBytes(): number {
    return storedBytes(this.setup.samples);
  }

  get memory(): RunMemory {
    return memoryOf(this.plan);
  }

  get layout(): Layout {
    return this.plan.layout;
  }

  async *fit(given: FitOptions): AsyncGenerator<Progress, void, void> {
    const options = parseFitOptions(given);
    const { plan } = this;
    const { epochs, validate } = options;
    checkTraining(plan);
    if (validate !== undefined) this.evaluations.check(validate, `validate: '${validate}'`);
    this.monitoring.check(options);
    const length = runLength(plan.config.schedule, this.length, epochs);
    const scheduleSteps = length * plan.stepsPerEpoch;
    await this.taken;
    this.occupation.enterFit();
    this.length = length;
    this.sayLength(length, epochs);
    try {
      clearStop(this.parts.words);
      this.isStopping = false;
      yield* fitting(this.asFitting(scheduleSteps), options, scheduleSteps);
    } finally {
      this.occupation.leaveFit();
    }
  }

  /** This run as the loop of a fit sees it. */
  private asFitting(scheduleSteps: number): FittingRun {
    const run = this;
    return {
      network: this.setup.network,
      monitoring: this.monitoring,
      get plan() {
        return run.plan;
      },
      get done() {
        return run.done;
      },
      get isStopping() {
        return run.isStopping;
      },
      train: (to, everyMs) => run.train(to, scheduleSteps, everyMs),
      epochState: () => run.epochState(),
      diagnostics: () => summarizeDiagnostics(run.diagnostics()),
      evaluate: (split) => run.evaluations.now(split),
      stop: () => run.stop(),
      pause: () => run.occupation.pauseFit(),
      resume: () => run.occupation.resumeFit(),
    };
  }

  /** Trains up to step `to` and yields the progress periodically. Returning early stops the gang
   * after its current step. */
  private async *train(
    to: number,
    scheduleSteps: number,
    everyMs: number | undefined,
  ): AsyncGenerator<EpochState, void, void> {
    const { team, feeds } = this.setup;
    const { baseLr } = this.monitoring;
    const regained = (steps: number): void => {
      this.done = steps;
    };
    const train = whenBegun(
      () => feeds.train(this.plan, this.done),
      (api) => api.train(this.done, to, scheduleSteps, baseLr),
    );
    const running = this.inSteps(team.callAll(train, regained));
    let isRunning = true;
    const settle = (): void => {
      isRunning = false;
    };
    const ended = running.then(settle, settle);
    try {
      while (everyMs !== undefined && isRunning) {
        await Promise.race([ended, sleep(everyMs, undefined, { ref: false })]);
        if (isRunning) yield this.epochState();
      }
    } finally {
      // The caller left the loop over the progress while the gang is still running.
      if (isRunning && everyMs !== undefined) requestStop(this.parts.words);
      const own = await running;
      this.done = own[0]!.done;
      const all = await shareTrained(this.setup, own, this.isStopping);
      this.isStopping = all.isStopping;
      this.take(all.trained, { scheduleSteps, baseLr });
    }
  }

  /** Watches workers that change the state. */
  private async inSteps<T>(running: Promise<T>): Promise<T> {
    this.isTraining = true;
    try {
      return await running;
    } catch (error) {
      // All workers of a process that waits for another one have completed whole steps.
      if (isOfPeer(error)) this.done = Math.max(this.done, this.epochState().steps);
      else this.torn ??= error as Error;
      throw error;
    } finally {
      this.isTraining = false;
    }
  }

  /** Takes the workers' results. Throws if they found numbers that are not finite. */
  private take(
    trained: readonly Trained[],
    rates: { readonly scheduleSteps: number; readonly baseLr: number },
  ): void {
    this.done = trained[0]!.done;
    this.diverged ??= divergenceOf(this.parts, trained, rates);
    if (this.diverged !== undefined) throw this.diverged;
  }

  /** What the workers have published about the current epoch. */
  private epochState(): EpochState {
    return readEpoch(this.setup.published, progressWords(this.parts.words));
  }

  stop({ withoutPeers = false }: { readonly withoutPeers?: boolean } = {}): void {
    this.isStopping = true;
    if (withoutPeers) requestEnd(this.parts.words);
    else requestStop(this.parts.words);
  }

  diagnostics(): Diagnostics | undefined {
    return lastDiagnostics(this.parts);
  }

  gradientNorms(): GradientNorms | undefined {
    return lastGradientNorms(this.parts);
  }

  profile(): Profile | undefined {
    return profileOf(this.plan, this.setup.memory);
  }

  async evaluate<Name extends MetricName = never>(
    split: SplitName = 'test',
    options: EvaluateOptions<Name> = {},
  ): Promise<Evaluation<Name>> {
    return this.evaluations.evaluate(split, options);
  }

  async useAverage(options: UseAverageOptions = {}): Promise<void> {
    return this.evaluations.useAverage(options);
  }

  restoreBest(): BestEpoch {
    this.checkWhole('restoreBest()');
    const { what } = this.occupation;
    if (what !== undefined) this.occupation.enter('restoreBest');
    return this.monitoring.restore();
  }

  async predict(inputs: Inputs): Promise<Float32Array> {
    return (await this.predictAll(inputs))[MAIN_OUTPUT]!;
  }

  async predictAll(inputs: Inputs) {
    countInputs('predict', this.config, inputs);
    return namedOutputs(this.config, await this.outputs(storedInputs(this.config.data, inputs)));
  }

  private async outputs(inputs: Uint8Array | Float32Array) {
    const { plan } = this;
    const count = inputs.length / sizeOf(plan.config.data.inputShape);
    checkInference('predict', plan, count);
    // A fit may take hours, so callers that request outputs in the meantime get an error.
    if (this.occupation.what === 'fit') this.occupation.enter('predict');
    return this.predictions.add(inputs, count);
  }

  async preciseBatchNorm(options: PreciseOptions): Promise<PreciseResult> {
    const { plan } = this;
    const { batches, definition } = parsePreciseOptions(options);
    checkTraining(plan);
    const from = this.done;
    const measured = () => measure({ ...this.parts, step: from }, batches, definition);
    await this.occupation.exclusively('preciseBatchNorm', () => this.inSteps(measured()));
    return preciseResult(plan, from, batches);
  }

  async exportInference(given: ExportOptions = {}): Promise<InferenceExport> {
    const options = parseExportOptions(given);
    this.checkWhole('exportInference()');
    const { config, step, epochs } = this;
    const run = { ...this.parts, config, step, epochs, weights: this.weights() };
    return exportInference({ ...run, outputs: (inputs) => this.outputs(inputs) }, options);
  }

  weights(): ReadonlyMap<string, StateTensor> {
    this.checkWhole('weights()');
    return namedWeights(this.setup.tensors);
  }

  weightsHash(): string {
    this.checkWhole('weightsHash()');
    return hashWeights(this.setup.tensors);
  }

  async save(path: string, given: SaveOptions = {}): Promise<void> {
    parsePath('save', path);
    const options = parseSaveOptions(given);
    const { runId, data, tensors, epochSums, network } = this.setup;
    this.checkWhole('save()');
    if (this.diverged !== undefined) throw unsaved(path, this.diverged);
    // All processes have the same state, so the first one writes it.
    if ((network?.process ?? 0) !== 0 && options.ofEachProcess !== true) return;
    const { config } = this;
    const counters = { step: this.done, epochs: this.length };
    const { state: monitored, kept } = this.monitoring;
    const all = [...tensors, ...kept];
    const { note } = options;
    const run = { runId, config, data, tensors: all, epochSums, monitored, note };
    const state = checkpointOf({ ...run, ...counters });
    await this.saver.save(path, state, options, (use) => {
      const taken = this.occupation.exclusively('save', use);
      this.taken = Promise.allSettled([taken]).then(() => {});
      return taken;
    });
  }

  /** Refuses to show or keep a state that does not belong to any step: while steps run, and after a
   * step that failed. */
  private checkWhole(what: string): void {
    if (this.isTraining) {
      throw new UsageError({
        what: `${what} of a trainer`,
        problem: 'was called while fit() trains, when weights do not belong to any step',
        hint: 'a call between two epochs of the loop, or after it',
      });
    }
    if (this.torn !== undefined) throw tornBy(this.torn, what);
  }

  async close(): Promise<void> {
    await this.saver.settled();
    await this.setup.team.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
