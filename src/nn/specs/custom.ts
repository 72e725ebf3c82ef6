// A user's own layer: a module that the main thread and every worker import. The implementation is
// in layers/customKind.ts.

import { plainCopy } from '../../base/plain.ts';
import type { Shape } from '../../base/shape.ts';
import { anything, text } from '../../base/values.ts';
import { layerForm } from './form.ts';
import type { WeightInit } from './init.ts';
import { checkModule, trustModule } from './modules.ts';
import type { ParameterRole } from './parameter.ts';

/** The data of a custom layer's forward pass: `count` samples of one replica, or any samples if the
 * layer is `perSample`; channels last, flat. */
export interface CustomForward {
  /** Samples in this call. */
  readonly count: number;
  /** Whether this is a training step, not an evaluation. */
  readonly training: boolean;
  /** Number of optimizer steps before this one. */
  readonly step: number;
  /** Index of the replica; -1 if the layer is `perSample`. */
  readonly replica: number;
  /** The input, [count, ...input shape], channels last. Read-only. */
  readonly x: Float32Array;
  /** The output, [count, ...output shape]. `forward` writes it. */
  readonly y: Float32Array;
  /** The parameters, by their names in `parameters`. Read-only. */
  readonly parameters: Readonly<Record<string, Float32Array>>;
}

/** The data of a custom layer's backward pass: that of forward, and gradients. */
export interface CustomBackward extends CustomForward {
  /** The gradient of the output, [count, ...output shape]. */
  readonly dy: Float32Array;
  /** The gradient of the input. `backward` writes it; undefined if nothing before this layer
   * trains. */
  readonly dx: Float32Array | undefined;
  /** The gradients of the parameters, summed over these samples. `backward` must write all of them,
   * even if count is 0. Float32 for parameters with role `weight`, otherwise float64. */
  readonly gradients: Readonly<Record<string, Float32Array | Float64Array>>;
}

/** A trained parameter of a custom layer. */
export interface CustomParameter {
  /** Unique in the layer. */
  readonly name: string;
  /** At least one axis. */
  readonly shape: Shape;
  /** Default `weight`. */
  readonly role?: ParameterRole;
  /** A constant, or a distribution with its fans; default constant 0. */
  readonly init?: number | { kind: WeightInit; fanIn: number; fanOut: number };
}

/** The layer that the module's default export, a function of the options, returns. */
export interface CustomLayer {
  /** Whether the output of a sample and its contribution to gradients depend on that sample alone.
   * If so, the layer works on any samples, regardless of replicas. Default false, which keeps each
   * replica's samples together on one worker. */
  readonly perSample?: boolean;
  /** Returns the shape of the output. Throws if the input does not fit. */
  outputShape(input: Shape): Shape;
  /** The parameters for inputs of this shape; default none. */
  parameters?(input: Shape): readonly CustomParameter[];
  /** Writes `y`. Called for the samples of a worker, or of a replica unless `perSample`. */
  forward(io: CustomForward): void;
  /** Writes `dx`, if it is there, and adds to the gradients of the parameters. */
  backward(io: CustomBackward): void;
}

/** A custom layer as plain data. */
export interface CustomSpec {
  /** The kind of layer. */
  readonly kind: 'custom';
  /** `file:` URL or package name of the module. */
  readonly module: string;
  /** Plain data that is passed to the module's default export. */
  readonly options: unknown;
}

/** A layer from your own module, say `nn.custom(new URL('./swish.mjs', import.meta.url))`, or from
 * a package, by name. The module's default export takes the options and returns a
 * {@link CustomLayer}; the module runs in the main thread and in every worker. Options are copied.
 * Throws a {@link UsageError} for URLs other than `file:`, and for options that would not survive
 * a round trip through JSON, since checkpoints store them.
 *
 * @example
 * nn.custom(new URL('./swish.mjs', import.meta.url), { beta: 1 }) */
export function custom(module: URL | string, options: unknown = null): CustomSpec {
  const spec = customSpec(module, options);
  trustModule(spec.module);
  return spec;
}

/** The spec of {@link custom} from data: importing its module requires permission. */
export function customSpec(module: unknown, options: unknown): CustomSpec {
  const name = checkModule(module, 'layer');
  return { kind: 'custom', module: name, options: plainCopy('options of a custom layer', options) };
}

export const customForm = layerForm(
  'custom',
  { module: text, options: anything('options of the layer, or null') },
  ({ module, options }) => customSpec(module, options),
);
