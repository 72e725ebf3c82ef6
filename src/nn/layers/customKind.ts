// What a user's own layer does: it works on typed arrays of one replica's samples at a time, so
// that its gradients are folded along the same tree as all others, and gets the same arrays again
// in later steps.

import { UsageError } from '../../base/errors.ts';
import { type Shape, sizeOf } from '../../base/shape.ts';
import type { CustomBackward, CustomLayer, CustomSpec } from '../specs/custom.ts';
import { factoryOf } from '../specs/modules.ts';
import type { Binding, BoundLayer, GradientSink, LayerKind } from './layer.ts';

const METHODS = ['outputShape', 'forward', 'backward'] as const;
const EXAMPLE = 'export default (options) => ({ outputShape, forward, backward })';

/** The kind of a custom layer. Before its module is loaded its shapes count as unknown. */
export function customKindOf(spec: CustomSpec): LayerKind<CustomSpec> {
  const layer = layerOf(spec);
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
    bind: (_spec, binding) => bindCustom(layer!, binding),
  };
}

/** What the module makes of the options; undefined before it is loaded. */
function layerOf({ module, options }: CustomSpec): CustomLayer | undefined {
  const factory = factoryOf(module);
  if (factory === undefined) return undefined;
  const layer = factory(options) as Partial<CustomLayer> | null | undefined;
  const missing = METHODS.filter((method) => typeof layer?.[method] !== 'function');
  if (missing.length === 0) return layer as CustomLayer;
  const problem = `lacks ${missing.join(', ')}`;
  throw new UsageError({ what: `the layer that ${module} makes`, problem, hint: EXAMPLE });
}

function bindCustom(layer: CustomLayer, binding: Binding): BoundLayer {
  const { memory, step, input, output } = binding;
  const floats = (ptr: number, length: number): Float32Array =>
    new Float32Array(memory.buffer, ptr, length);
  const declared = layer.parameters?.(input.shape) ?? [];
  const parameters: Record<string, Float32Array> = {};
  const gradients: Record<string, Float32Array | Float64Array> = {};
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
      const part = (ptr: number, shape: Shape): Float32Array =>
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
