// A user's own layer: a module that main and every worker import. It works on typed arrays of one
// replica's samples at a time, so that its gradients are folded along the same tree as all others,
// and gets the same arrays again in later steps.

import { UsageError } from '../base/errors.ts';
import { type Shape, sizeOf } from '../base/shape.ts';
import { showError } from '../base/showError.ts';
import type { WeightInit } from './init.ts';
import type {
  Binding,
  BoundLayer,
  GradientSink,
  LayerKind,
  ParameterDeclaration,
} from './layer.ts';

type Floats = Float32Array<ArrayBufferLike>;
type Gradient = Floats | Float64Array<ArrayBufferLike>;

/** What a layer of the user's works on: `count` samples of one replica, channels last, flat. */
export interface CustomForward {
  readonly count: number;
  readonly training: boolean;
  /** Optimizer steps done before this one. */
  readonly step: number;
  /** Index of the replica. */
  readonly replica: number;
  readonly x: Floats;
  /** To be written. */
  readonly y: Floats;
  readonly parameters: Readonly<Record<string, Floats>>;
}

export interface CustomBackward extends CustomForward {
  readonly dy: Floats;
  /** To be written; undefined when nothing before this layer is trained. */
  readonly dx: Floats | undefined;
  /** To be written, whole, also when count is 0: the sums over these samples. Float32 for
   * parameters of the role `weight`, else float64. */
  readonly gradients: Readonly<Record<string, Gradient>>;
}

export interface CustomParameter {
  readonly name: string;
  readonly shape: Shape;
  /** Default `weight`. */
  readonly role?: ParameterDeclaration['role'];
  /** A constant, or a distribution with its fans; default constant 0. */
  readonly init?: number | { kind: WeightInit; fanIn: number; fanOut: number };
}

/** What the module's default export, a function of the options, returns. */
export interface CustomLayer {
  /** Throws where the input does not fit. */
  outputShape(input: Shape): Shape;
  parameters?(input: Shape): readonly CustomParameter[];
  forward(io: CustomForward): void;
  backward(io: CustomBackward): void;
}

export interface CustomSpec {
  readonly kind: 'custom';
  /** URL of the module. */
  readonly module: string;
  /** Plain data, handed to the module's default export. */
  readonly options: unknown;
}

/** A layer from a module of the user's, say `nn.custom(new URL('./swish.js', import.meta.url))`.
 * The module's default export takes the options and returns a {@link CustomLayer}. */
export function custom(module: URL | string, options: unknown = null): CustomSpec {
  const href = typeof module === 'string' ? module : module.href;
  if (!URL.canParse(href)) {
    throw new UsageError({
      what: 'module of a custom layer',
      given: href,
      allowed: 'a URL',
      hint: "new URL('./my-layer.js', import.meta.url)",
    });
  }
  return { kind: 'custom', module: href, options };
}

const factories = new Map<string, (options: unknown) => CustomLayer>();

/** Imports the modules of a model's own layers. To be awaited before the model is resolved. */
export async function loadCustomLayers(modules: readonly string[]): Promise<void> {
  for (const href of modules) {
    if (factories.has(href)) continue;
    let loaded: { default?: unknown };
    try {
      loaded = await import(href);
    } catch (error) {
      throw new UsageError({
        what: `module of a custom layer, ${href}`,
        given: showError(error),
        allowed: 'a module that can be imported',
      });
    }
    if (typeof loaded.default !== 'function') {
      throw new UsageError({
        what: `default export of ${href}`,
        given: typeof loaded.default,
        allowed: 'a function that takes options and returns a layer',
      });
    }
    factories.set(href, loaded.default as (options: unknown) => CustomLayer);
  }
}

/** The kind of a custom layer. Before its module is loaded its shapes count as unknown. */
export function customKindOf(spec: CustomSpec): LayerKind<CustomSpec> {
  const factory = factories.get(spec.module);
  const layer = factory?.(spec.options);
  return {
    kind: 'custom',
    keeps: { input: true, output: true },
    outputShape: (_spec, input) =>
      layer === undefined ? input.map(() => Number.NaN) : layer.outputShape(input),
    parameters: (_spec, input) =>
      (layer?.parameters?.(input) ?? []).map(({ name, shape, role = 'weight', init = 0 }) => ({
        name,
        shape,
        role,
        init: typeof init === 'number' ? { kind: 'constant', value: init } : init,
      })),
    buffers: () => [],
    workspace: () => [],
    bind: (_spec, binding) => bindCustom(layer!, binding),
  };
}

function bindCustom(layer: CustomLayer, binding: Binding): BoundLayer {
  const { memory, step, input, output } = binding;
  const floats = (ptr: number, length: number): Floats =>
    new Float32Array(memory.buffer, ptr, length);
  const declared = layer.parameters?.(input.shape) ?? [];
  const parameters: Record<string, Floats> = {};
  const gradients: Record<string, Gradient> = {};
  const sinks: GradientSink[] = [];
  for (const { name, shape, role = 'weight' } of declared) {
    const length = sizeOf(shape);
    const sink = binding.gradient(name);
    const { leafPtr } = sink;
    sinks.push(sink);
    parameters[name] = floats(binding.parameterPtr(name), length);
    gradients[name] =
      role === 'weight'
        ? floats(leafPtr, length)
        : new Float64Array(memory.buffer, leafPtr, length);
  }

  // Shards come in a handful of sizes; their views are made once each and kept.
  type Views = CustomBackward & { training: boolean; step: number };
  const known = Array.from({ length: binding.countLocalReplicas }, () => new Map<number, Views>());
  const viewsOf = (replica: number): Views => {
    const start = step.replicaStart[replica]!;
    const count = step.replicaStart[replica + 1]! - start;
    const key = start * (binding.capacity + 1) + count;
    let views = known[replica]!.get(key);
    if (views === undefined) {
      const part = (ptr: number, shape: Shape): Floats =>
        floats(ptr + start * sizeOf(shape) * 4, count * sizeOf(shape));
      views = {
        count,
        training: false,
        step: 0,
        replica: binding.firstReplica + replica,
        x: part(input.ptr, input.shape),
        y: part(output.ptr, output.shape),
        dy: part(output.gradPtr, output.shape),
        dx: input.gradPtr === 0 ? undefined : part(input.gradPtr, input.shape),
        parameters,
        gradients,
      };
      known[replica]!.set(key, views);
    }
    views.training = step.training;
    views.step = step.step;
    return views;
  };

  return {
    forward() {
      for (let replica = 0; replica < binding.countLocalReplicas; replica++) {
        const views = viewsOf(replica);
        if (views.count > 0) layer.forward(views);
      }
    },
    backward() {
      for (let replica = 0; replica < binding.countLocalReplicas; replica++) {
        layer.backward(viewsOf(replica));
        for (const sink of sinks) sink.fold(replica);
      }
    },
  };
}
