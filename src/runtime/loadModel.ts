// A trained model from its checkpoint alone. What runs it is loaded when the first one is: a
// program that only makes models and data does not wait for it.

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
  /** Worker threads that share the samples of a batch, at least 1; default none: the calling thread
   * computes, and does other things only between batches. */
  readonly threads?: number;
  /** Folds batch normalizations into the layers before them, which is faster; outputs then differ
   * by about 1e-6 of the largest. Default false, with the bits of `trainer.predict`. `syncbn fold`
   * checks on data how much they differ. */
  readonly fold?: boolean;
  /** As `timeoutMs` of Trainer.resume, for the worker threads. */
  readonly timeoutMs?: number;
  /** As `allowModules` of Trainer.resume. */
  readonly allowModules?: AllowModules;
}

/** The options of {@link LoadedModel.evaluate}. */
export interface EvaluateDataOptions<Name extends MetricName = MetricName> {
  /** Default `test`. */
  readonly split?: 'train' | 'test';
  /** What is measured beyond loss and accuracy, as {@link EvaluateOptions.metrics}. */
  readonly metrics?: readonly Name[];
}

/** A trained model that predicts and evaluates.
 *
 * @example
 * await using net = await loadModel('run.ckpt');
 * const { accuracy } = await net.evaluate(data);
 */
export interface LoadedModel {
  /** As it computes: without the normalizations that are folded. */
  readonly model: LayerSpec;
  /** What it was trained on: the shape, type and statistics of inputs, and the task. */
  readonly data: DatasetDescription;
  /** Optimizer steps that it was trained for. */
  readonly step: number;
  /** 0 for the calling thread. */
  readonly threads: number;
  /** Outputs [n, outputs] of the model for n inputs, one after the other, [n, ...inputShape], in
   * units of the data, as `trainer.predict`: of a classification one number a class (logits). Calls
   * may overlap: they wait for each other, and those that come together go through as one batch.
   * Throws a {@link UsageError} for inputs of another type, or of a length that does not fit. */
  predict(inputs: Inputs): Promise<Float32Array>;
  /** The same, and the outputs of each head by its name. */
  predictAll(inputs: Inputs): Promise<NamedOutputs>;
  /** Loss and accuracy on the samples of any data of the model's shape, by the loss that it was
   * trained with. Inputs are normalized, and targets of a regression standardized, by the
   * statistics of the data that the model was trained on. A copy of the samples is taken. Throws a
   * {@link UsageError} for data of other shapes or types, or of more classes. */
  evaluate<Name extends MetricName = never>(
    data: Dataset,
    options?: EvaluateDataOptions<Name>,
  ): Promise<Evaluation<Name>>;
  /** SHA-256, in hex, over all parameters and running statistics, as that of a trainer. */
  weightsHash(): string;
  /** Waits for open calls and ends all threads. May be called again. */
  close(): Promise<void>;
  /** As {@link LoadedModel.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Loads a model from a checkpoint to predict and evaluate with: `const model = await
 * loadModel('run.ckpt')`. Needs no data. Reading runs no code; throws a {@link UsageError} for a
 * file that is not a checkpoint, and for custom layers that are not allowed.
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
