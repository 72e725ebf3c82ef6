// A user's own layer: a module that main and every worker import. What the layer does is in
// layers/customKind.ts.

import { plainCopy } from '../../base/plain.ts';
import type { Shape } from '../../base/shape.ts';
import { anything, text } from '../../base/values.ts';
import { layerForm } from './form.ts';
import type { WeightInit } from './init.ts';
import { checkModule, trustModule } from './modules.ts';
import type { ParameterRole } from './parameter.ts';

/** What a layer of the user's works on: `count` samples of one replica, or any samples where the
 * layer is `perSample`; channels last, flat. */
export interface CustomForward {
  /** Samples in this call. */
  readonly count: number;
  /** Whether this is a training step, not an evaluation. */
  readonly training: boolean;
  /** Optimizer steps done before this one. */
  readonly step: number;
  /** Index of the replica; -1 where the layer is `perSample`. */
  readonly replica: number;
  /** The input, [count, ...input shape], channels last. Not to be changed. */
  readonly x: Float32Array;
  /** To be written. */
  readonly y: Float32Array;
  /** By name, as `parameters` declared them. Not to be changed. */
  readonly parameters: Readonly<Record<string, Float32Array>>;
}

/** What `backward` of a custom layer is given: all of forward, and gradients. */
export interface CustomBackward extends CustomForward {
  /** The gradient of the output, [count, ...output shape]. */
  readonly dy: Float32Array;
  /** To be written; undefined when nothing before this layer is trained. */
  readonly dx: Float32Array | undefined;
  /** To be written, whole, also when count is 0: the sums over these samples. Float32 for
   * parameters of the role `weight`, else float64. */
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

/** What the module's default export, a function of the options, returns. */
export interface CustomLayer {
  /** Whether what comes out for a sample, and what it adds to gradients, depends on that sample
   * alone. Then the layer works on any samples, and replicas do not matter to it; default false,
   * which takes each replica's samples together, on one worker. */
  readonly perSample?: boolean;
  /** Throws where the input does not fit. */
  outputShape(input: Shape): Shape;
  /** The parameters for inputs of this shape; default none. */
  parameters?(input: Shape): readonly CustomParameter[];
  /** Writes `y`. Called for the samples of a worker, or of a replica unless `perSample`. */
  forward(io: CustomForward): void;
  /** Writes `dx`, if it is there, and adds to the gradients of the parameters. */
  backward(io: CustomBackward): void;
}

/** A layer of the user's as plain data. */
export interface CustomSpec {
  /** The kind of layer. */
  readonly kind: 'custom';
  /** `file:` URL or package name of the module. */
  readonly module: string;
  /** Plain data, handed to the module's default export. */
  readonly options: unknown;
}

/** A layer from a module of the user's, say `nn.custom(new URL('./swish.mjs', import.meta.url))`,
 * or from a package, by its name. The module's default export takes the options and returns a
 * {@link CustomLayer}; the module runs in the main thread and in every worker. Options are copied.
 * Throws a {@link UsageError} for other URLs than `file:`, and for options that JSON would not give
 * back as they were, since checkpoints keep them.
 *
 * @example
 * nn.custom(new URL('./swish.mjs', import.meta.url), { beta: 1 })
 */
export function custom(module: URL | string, options: unknown = null): CustomSpec {
  const spec = customSpec(module, options);
  trustModule(spec.module);
  return spec;
}

/** {@link custom} as data has it: what it names may not be imported without a permission. */
export function customSpec(module: unknown, options: unknown): CustomSpec {
  const name = checkModule(module, 'layer');
  return { kind: 'custom', module: name, options: plainCopy('options of a custom layer', options) };
}

export const customForm = layerForm(
  'custom',
  { module: text, options: anything('options of the layer, or null') },
  ({ module, options }) => customSpec(module, options),
);
