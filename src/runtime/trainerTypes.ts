// What a Trainer offers: the run as users see it. Made by trainer.ts, done by run.ts.

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
  /** All settings, in plain data. */
  readonly config: RunConfig;
  /** Simulated devices. */
  readonly replicas: number;
  /** Threads, over all processes. */
  readonly workers: number;
  /** Samples of a full step, over all replicas. */
  readonly globalBatch: number;
  /** How many numbers are trained, without frozen ones. */
  readonly countParameters: number;
  /** Total epochs of the run, including those before a resume; 0 while that is open. */
  readonly epochs: number;
  /** Steps of an epoch. */
  readonly stepsPerEpoch: number;
  /** What carried over of the normalizations that a resume replaced, or of the weights that a start
   * was given. */
  readonly conversion: readonly CarriedTensor[];
  /** Total steps. */
  readonly step: number;
  /** Whether there is an average of the weights by now: see `averaging`. */
  readonly hasAverage: boolean;
  /** The table of the arena. */
  readonly layout: Layout;
  /** What this process takes. */
  readonly memory: RunMemory;
  /** Bytes of the samples in memory, beside the arena. */
  readonly dataBytes: number;
  /** Trains, and yields what is reached at the end of each epoch. Until the loop asks for the next
   * one, the run is free for all other calls: evaluate, predict, save, weights. Leaving the loop
   * early stops the run after the current step. A run that has stopped early stays so under the
   * same `earlyStopping`: the loop ends at once. */
  fit(options: FitOptions): AsyncGenerator<Progress, void, void>;
  /** Asks a running `fit` to stop after the current step. In a run of several processes all stop
   * after the same one; `withoutPeers` also ends a wait for a process that is gone: `fit` then
   * throws, and the state is that of the last whole step. */
  stop(options?: { readonly withoutPeers?: boolean }): void;
  /** How far the replicas' batch statistics were from their sync groups' in the last snapshot step;
   * undefined before the first one, without batch norms, or with diagnosticsEvery 0. May be
   * called while `fit` runs. */
  diagnostics(): Diagnostics | undefined;
  /** The Euclidean norm of each parameter's gradient in the last snapshot step, before clipping;
   * undefined before the first one, or with diagnosticsEvery 0. May be called while `fit` runs. */
  gradientNorms(): GradientNorms | undefined;
  /** Where this trainer's time has gone, also within `fit`; undefined unless it records steps. */
  profile(): Profile | undefined;
  /** Loss, accuracy and metrics over a split, without training; running statistics, nothing
   * synchronized. Throws a {@link UsageError} for a metric that does not exist, or that does not
   * fit the task or the split's targets. Where targets are standardized, as those from npy files
   * are, so is the loss, here and in `fit`: a mean squared error of 1 is that of always predicting
   * the mean. */
  evaluate<Name extends MetricName = never>(
    split?: SplitName,
    options?: EvaluateOptions<Name>,
  ): Promise<Evaluation<Name>>;
  /** Replaces the weights by their average, and the running statistics by those of the average,
   * exactly (PreciseBN). Throws a {@link UsageError} in a run without `averaging`, and before the
   * average begins. */
  useAverage(options?: UseAverageOptions): Promise<void>;
  /** Gives the run the weights and running statistics of the best epoch that a fit with `keepBest`
   * has seen; step and optimizer state stay. Throws a {@link UsageError} where none are kept. */
  restoreBest(): BestEpoch;
  /** Outputs for inputs in the dataset's own units and layout, channels last: [n, outputs], of a
   * regression in the units of its targets. Data with a shift takes a Float64Array. Calls
   * queue, after a running evaluate or save, too, and go through together where they fit in one
   * global batch; while a fit runs they are refused. Leave the inputs as they are until then. */
  predict(inputs: Inputs): Promise<Float32Array>;
  /** As {@link predict}, of all outputs of the model by their names: `main`, and its heads. */
  predictAll(inputs: Inputs): Promise<NamedOutputs>;
  /** Replaces running statistics by those of the population over training batches, with the weights
   * as they are (PreciseBN, Wu and Johnson 2021): the same bits for any number of workers. */
  preciseBatchNorm(options: PreciseOptions): Promise<PreciseResult>;
  /** The model for inference, with batch normalization folded into the layer of weights before it
   * where there is one; the outputs of both are compared. */
  exportInference(options?: ExportOptions): Promise<InferenceExport>;
  /** All parameters and running statistics by name, as copies. */
  weights(): ReadonlyMap<string, StateTensor>;
  /** SHA-256 over all parameters and running statistics. */
  weightsHash(): string;
  /** Writes a checkpoint from which `Trainer.resume` goes on with the same bits. The state is that
   * of the moment of the call; where a copy of it fits into memory, training may go on while the
   * file is written. Throws a {@link UsageError} while steps run, after one that failed or
   * diverged, and when the file belongs to another run or cannot be written. */
  save(path: string, options?: SaveOptions): Promise<void>;
  /** Ends all threads. May be called again. Idle threads do not keep the process alive, so a script
   * that leaves it out ends all the same. */
  close(): Promise<void>;
  /** {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
