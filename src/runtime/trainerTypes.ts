// What a Trainer offers: the run as users see it. trainer.ts makes it, run.ts implements it.

import type { CarriedTensor } from '../checkpoint/convertState.ts';
import type { StateTensor } from '../checkpoint/state.ts';
import type { Layout } from '../memory/layout.ts';
import type { Diagnostics } from '../observe/diagnostics.ts';
import type { GradientNorms } from '../observe/gradientNorms.ts';
import type { MetricName } from '../observe/metric.ts';
import type { Profile } from '../observe/profileReport.ts';
import type { BestEpoch } from '../optim/monitor.ts';
import type { RunConfig } from '../plan/config.ts';
import type { RunMemory } from '../plan/plan.ts';
import type { SplitName } from '../train/context.ts';
import type { EvaluateOptions, Evaluation, UseAverageOptions } from './evaluation.ts';
import type { ExportOptions, InferenceExport } from './exportInference.ts';
import type { PreciseOptions, PreciseResult } from './preciseNorm.ts';
import type { Inputs, NamedOutputs } from './predict.ts';
import type { FitOptions, Progress } from './progress.ts';
import type { SaveOptions } from './saving.ts';

/** A run: a model, its data, and the threads that train it.
 *
 * @example
 * for await (const { loss, validation } of trainer.fit({ epochs: 2, validate: 'test' })) {
 *   console.log(loss, validation?.accuracy);
 * }
 * const { accuracy } = await trainer.evaluate();
 * const outputs = await trainer.predict(data.test.inputs.slice(0, 64));
 * await trainer.save('run.ckpt', { overwrite: true });
 */
export interface RunningTrainer {
  /** All settings, as plain data. */
  readonly config: RunConfig;
  /** Simulated devices. */
  readonly replicas: number;
  /** Threads, over all processes. */
  readonly workers: number;
  /** Samples of a full step, over all replicas. */
  readonly globalBatch: number;
  /** Number of trained values, without frozen ones. */
  readonly countParameters: number;
  /** Total epochs of the run, including those before a resume; 0 while that is open. */
  readonly epochs: number;
  /** Steps per epoch. */
  readonly stepsPerEpoch: number;
  /** Which tensors carried over: from normalizations that a resume replaced, or from the weights
   * that a start was given. */
  readonly conversion: readonly CarriedTensor[];
  /** Total steps. */
  readonly step: number;
  /** Whether there is an average of the weights yet: see `averaging`. */
  readonly hasAverage: boolean;
  /** The arena's table of regions. */
  readonly layout: Layout;
  /** Bytes of the samples in memory, which are not part of the arena. */
  readonly dataBytes: number;
  /** Memory that this process takes. */
  readonly memory: RunMemory;
  /** Trains, and yields the progress at the end of each epoch. Until the loop asks for the next
   * epoch, the run accepts all other calls: evaluate, predict, save, weights. Leaving the loop
   * early stops the run after the current step. A run that has stopped early stays stopped with the
   * same `earlyStopping`: the loop ends immediately. */
  fit(options: FitOptions): AsyncGenerator<Progress, void, void>;
  /** Asks a running `fit` to stop after the current step. In a run of several processes, all stop
   * after the same step. `withoutPeers` also ends a wait for a process that is gone: `fit` then
   * throws, and the state is that after the last whole step. */
  stop(options?: { readonly withoutPeers?: boolean }): void;
  /** How far each replica's batch statistics were from those of its sync group in the last snapshot
   * step; undefined before the first one, without batch norms, or with diagnosticsEvery 0. May be
   * called while `fit` runs. */
  diagnostics(): Diagnostics | undefined;
  /** The Euclidean norm of each parameter's gradient in the last snapshot step, before clipping;
   * undefined before the first one, or with diagnosticsEvery 0. May be called while `fit` runs. */
  gradientNorms(): GradientNorms | undefined;
  /** Where this trainer's time has gone, also during `fit`; undefined unless `profile` is on. */
  profile(): Profile | undefined;
  /** Loss, accuracy and metrics over a split, without training. Batch norms use running statistics,
   * and nothing is synchronized. Throws a {@link UsageError} for a metric that does not exist, or
   * does not fit the task or the split's targets. If targets are standardized, as those from npy
   * files are, so is the loss, here and in `fit`: always predicting the mean gives a mean squared
   * error of 1. */
  evaluate<Name extends MetricName = never>(
    split?: SplitName,
    options?: EvaluateOptions<Name>,
  ): Promise<Evaluation<Name>>;
  /** Replaces the weights by their average, and the running statistics by those measured exactly
   * for the average (PreciseBN). Throws a {@link UsageError} in a run without `averaging`, and
   * before the average begins. */
  useAverage(options?: UseAverageOptions): Promise<void>;
  /** Gives the run the weights and running statistics of the best epoch from a fit with `keepBest`;
   * step and optimizer state stay. Throws a {@link UsageError} if none were kept. */
  restoreBest(): BestEpoch;
  /** Outputs for inputs in the dataset's own units and layout, channels last: [n, outputs], in the
   * units of the targets for a regression. Data with a shift takes a Float64Array. Calls queue,
   * also during an evaluate or a save, and run together if they fit in one global batch. They are
   * refused during a fit. Do not change the inputs until the call settles. */
  predict(inputs: Inputs): Promise<Float32Array>;
  /** Like {@link predict}, for all outputs of the model by name: `main`, and its heads. */
  predictAll(inputs: Inputs): Promise<NamedOutputs>;
  /** Replaces running statistics with those of the population over training batches, with the
   * current weights (PreciseBN, Wu and Johnson 2021). The bits are the same for any number of
   * workers. */
  preciseBatchNorm(options: PreciseOptions): Promise<PreciseResult>;
  /** The model for inference, with batch normalization folded into the preceding layer with
   * weights, if there is one. Compares the outputs of both models. */
  exportInference(options?: ExportOptions): Promise<InferenceExport>;
  /** All parameters and running statistics by name, as copies. */
  weights(): ReadonlyMap<string, StateTensor>;
  /** SHA-256 over all parameters and running statistics. */
  weightsHash(): string;
  /** Writes a checkpoint from which `Trainer.resume` continues with the same bits. It has the state
   * at the moment of the call. If a copy of the state fits into memory, training may continue while
   * the file is written. Throws a {@link UsageError} while steps run, after a step that failed or
   * diverged, and if the file belongs to another run or cannot be written. */
  save(path: string, options?: SaveOptions): Promise<void>;
  /** Ends all threads. May be called again. Idle threads do not keep the process alive, so a script
   * ends without this call, too. */
  close(): Promise<void>;
  /** {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
