// A user's own loss: a module that main and every worker import. What it does is in
// layers/customLoss.ts.

import { plainCopy } from '../../base/plain.ts';
import { checkModule, trustModule } from './modules.ts';

/** What a loss of the user's works on: any `count` samples of a step, flat. */
export interface CustomLossInputs {
  /** Samples in this call. */
  readonly count: number;
  /** Outputs of the model for one sample. */
  readonly outputLength: number;
  /** Whether this is a training step, not an evaluation. */
  readonly training: boolean;
  /** [count, outputLength]. */
  readonly outputs: Float32Array;
  /** Classes, [count]; or numbers, [count, outputLength], of data for regression. */
  readonly targets: Int32Array | Float32Array;
  /** To be written, [count]: the loss of each sample. */
  readonly losses: Float64Array;
  /** To be written, [count, outputLength]: of each sample the gradient of its own loss with regard
   * to its outputs, neither averaged nor weighted; undefined in evaluation. */
  readonly gradients: Float32Array | undefined;
}

/** What the module's default export, a function of the options, returns. */
export interface CustomLoss {
  /** Writes the losses and gradients of all samples. What is written for a sample may depend on
   * that sample alone: which samples are here follows from the workers. The run multiplies by the
   * samples' weights and takes the mean over the global batch. */
  run(io: CustomLossInputs): void;
}

/** A loss of the user's as plain data. */
export interface CustomLossSpec {
  /** The kind of loss. */
  readonly kind: 'customLoss';
  /** `file:` URL or package name of the module. */
  readonly module: string;
  /** Plain data, handed to the module's default export. */
  readonly options: unknown;
}

/** A loss from a module of the user's, named by a `file:` URL or as a package. The module's default
 * export takes the options and returns a {@link CustomLoss}. As for custom layers, the module runs
 * in the main thread and in every worker, options are copied and must be plain data, and modules
 * that only data names need a permission. Throws a {@link UsageError}.
 *
 * @example
 * nn.customLoss(new URL('./logCosh.mjs', import.meta.url))
 */
export function customLoss(module: URL | string, options: unknown = null): CustomLossSpec {
  const spec = customLossSpec(module, options);
  trustModule(spec.module);
  return spec;
}

/** {@link customLoss} as data has it: what it names may not be imported without a permission. */
export function customLossSpec(module: unknown, options: unknown): CustomLossSpec {
  const name = checkModule(module, 'loss');
  return {
    kind: 'customLoss',
    module: name,
    options: plainCopy('options of a custom loss', options),
  };
}
