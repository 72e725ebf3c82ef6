// A user's own loss: a module that the main thread and every worker import. The implementation is
// in layers/customLoss.ts.

import { plainCopy } from '../../base/plain.ts';
import { checkModule, trustModule } from './modules.ts';

/** The data of a custom loss: any `count` samples of a step, flat. */
export interface CustomLossInputs {
  /** Samples in this call. */
  readonly count: number;
  /** Outputs of the model for one sample. */
  readonly outputLength: number;
  /** Whether this is a training step, not an evaluation. */
  readonly training: boolean;
  /** The outputs of the model, [count, outputLength]. */
  readonly outputs: Float32Array;
  /** Classes, [count], or numbers, [count, outputLength], for regression. */
  readonly targets: Int32Array | Float32Array;
  /** The loss of each sample, [count]. `run` writes it. */
  readonly losses: Float64Array;
  /** The gradient of each sample's loss with respect to its outputs, [count, outputLength], neither
   * averaged nor weighted. `run` writes it; undefined in evaluation. */
  readonly gradients: Float32Array | undefined;
}

/** The loss that the module's default export, a function of the options, returns. */
export interface CustomLoss {
  /** Writes the losses and gradients of all samples. The results of a sample may only depend on
   * that sample, since the workers decide which samples are in a call. The run multiplies by the
   * samples' weights and averages over the global batch. */
  run(io: CustomLossInputs): void;
}

/** A custom loss as plain data. */
export interface CustomLossSpec {
  /** The kind of loss. */
  readonly kind: 'customLoss';
  /** `file:` URL or package name of the module. */
  readonly module: string;
  /** Plain data that is passed to the module's default export. */
  readonly options: unknown;
}

/** A loss from your own module, given by a `file:` URL or package name. The module's default export
 * takes the options and returns a {@link CustomLoss}. As with custom layers, the module runs in
 * the main thread and in every worker, options are copied and must be plain data, and modules that
 * are named only in data need permission. Throws a {@link UsageError}.
 *
 * @example
 * nn.customLoss(new URL('./logCosh.mjs', import.meta.url)) */
export function customLoss(module: URL | string, options: unknown = null): CustomLossSpec {
  const spec = customLossSpec(module, options);
  trustModule(spec.module);
  return spec;
}

/** The spec of {@link customLoss} from data: importing its module requires permission. */
export function customLossSpec(module: unknown, options: unknown): CustomLossSpec {
  const name = checkModule(module, 'loss');
  return {
    kind: 'customLoss',
    module: name,
    options: plainCopy('options of a custom loss', options),
  };
}
