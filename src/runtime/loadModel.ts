// Loads a trained model from its checkpoint alone. The code that runs it is loaded with the first
// model, so a program that only makes models and data does not wait for it.

import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import type { Dataset } from '../data/dataset.ts';
import type { DatasetDescription } from '../data/identity.ts';
import type { AllowModules } from '../nn/specs/modules.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';
import type { MetricName } from '../observe/metric.ts';
import type { Evaluation } from './evaluation.ts';
import type { Inputs, NamedOutputs } from './predict.ts';

/** The options of {@link loadModel}. */
export interface LoadOptions {
  /** Worker threads that share the samples of a batch, at least 1. By default, the calling thread
   * computes, and does other things only between batches. */
  readonly threads?: number;
  /** Folds batch normalizations into the layers before them, which is faster. Outputs then differ
   * by about 1e-6 of the largest. Default false, which gives the same bits as `trainer.predict`.
   * `syncbn fold` measures the difference on data. */
  readonly fold?: boolean;
  /** Same as `timeoutMs` of Trainer.resume, for the worker threads. */
  readonly timeoutMs?: number;
  /** Same as `allowModules` of Trainer.resume. */
  readonly allowModules?: AllowModules;
}

/** The options of {@link LoadedModel.evaluate}. */
export interface EvaluateDataOptions<Name extends MetricName = MetricName> {
  /** Default `test`. */
  readonly split?: 'train' | 'test';
  /** Metrics to measure beyond loss and accuracy, same as {@link EvaluateOptions.metrics}. */
  readonly metrics?: readonly Name[];
}

/** A trained model that predicts and evaluates.
 *
 * @example
 * await using net = await loadModel('run.ckpt');
 * const { accuracy } = await net.evaluate(data);
 */
export interface LoadedModel {
  /** The model that is computed, without the normalizations that were folded. */
  readonly model: LayerSpec;
  /** The data that it was trained on: shape, type and statistics of its inputs, and its task. */
  readonly data: DatasetDescription;
  /** Optimizer steps that it was trained for. */
  readonly step: number;
  /** Worker threads; 0 if the calling thread computes. */
  readonly threads: number;
  /** Outputs [n, outputs] of the model for n inputs, [n, ...inputShape], in units of the data, like
   * `trainer.predict`. A classification returns one number per class (logits). Calls may overlap:
   * they wait for each other, and simultaneous ones run as one batch. Throws a {@link UsageError}
   * for inputs of another type, or of a length that does not fit. */
  predict(inputs: Inputs): Promise<Float32Array>;
  /** Like {@link predict}, for all outputs by name: `main` and the heads. */
  predictAll(inputs: Inputs): Promise<NamedOutputs>;
  /** Loss and accuracy on any data with the model's shapes, by the loss that it was trained with.
   * Inputs are normalized, and targets of a regression standardized, with the training data's
   * statistics. The samples are copied. Throws a {@link UsageError} for data of other shapes or
   * types, or with more classes. */
  evaluate<Name extends MetricName = never>(
    data: Dataset,
    options?: EvaluateDataOptions<Name>,
  ): Promise<Evaluation<Name>>;
  /** SHA-256, in hex, over all parameters and running statistics; equal to the trainer's. */
  weightsHash(): string;
  /** Waits for open calls and ends all threads. May be called again. */
  close(): Promise<void>;
  /** {@link LoadedModel.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Loads a model from a checkpoint to predict and evaluate with: `const model = await
 * loadModel('run.ckpt')`. Needs no data. Reading runs no code. Throws a {@link UsageError} if the
 * file is not a checkpoint or has custom layers that are not allowed.
 *
 * @example
 * await using net = await loadModel('run.ckpt', { fold: true });
 * const outputs = await net.predict(data.test.inputs.slice(0, 64));
 */
export async function loadModel(
  checkpoint: string | Checkpoint,
  options: LoadOptions = {},
): Promise<LoadedModel> {
  const { loadFrom } = await import('./loadedModel.ts');
  return loadFrom(checkpoint, options);
}
