// Runs a user's own layer. It works on typed arrays of one grain's samples at a time, so its
// gradients are folded along the same tree as all others, and it gets the same arrays again in
// later steps. A grain is a whole replica unless the layer declares that samples are independent.
// The layer also writes the gradients of frozen parameters, into arrays that nothing reads.

import { UsageError } from '../../base/errors.ts';
import { type Shape, sizeOf } from '../../base/shape.ts';
import type { GradientSink } from '../../reduce/gradientSink.ts';
import type { CustomBackward, CustomLayer, CustomSpec } from '../specs/custom.ts';
import { factoryOf } from '../specs/modules.ts';
import type { Binding, BoundLayer, LayerKind } from './layer.ts';

const METHODS = ['outputShape', 'forward', 'backward'] as const;
const EXAMPLE = 'export default (options) => ({ outputShape, forward, backward })';

/** The kind of a custom layer. Its shapes are unknown until its module is loaded. */
export function customKindOf(spec: CustomSpec): LayerKind<CustomSpec> {
  const layer = layerOf(spec);
  return {
    kind: 'custom',
    keeps: { input: true, output: true },
    dependsOnBatch: layer?.perSample !== true,
    needsWholeReplicas: () => layer?.perSample !== true,
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

/** The layer that the module makes from the options, or undefined before the module is loaded. */
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
  const sinks: (GradientSink | undefined)[] = [];
  const unread: (Float32Array | Float64Array)[] = [];
  for (const { name, shape, role = 'weight' } of declared) {
    sinks.push(binding.gradient(name));
    unread.push(
      role === 'weight' ? new Float32Array(sizeOf(shape)) : new Float64Array(sizeOf(shape)),
    );
    parameters[name] = floats(binding.parameterPtr(name), sizeOf(shape));
  }
  const gradientsOf = (grain: number): CustomBackward['gradients'] =>
    Object.fromEntries(
      declared.map(({ name, shape, role = 'weight' }, i) => {
        const leafPtr = sinks[i]?.leafPtr(grain);
        if (leafPtr === undefined) return [name, unread[i]!];
        const length = sizeOf(shape);
        const isNarrow = role === 'weight';
        return [
          name,
          isNarrow ? floats(leafPtr, length) : new Float64Array(memory.buffer, leafPtr, length),
        ];
      }),
    );

  // Grains come in a handful of sizes. The views of each size are made once and kept.
  type Views = CustomBackward & { training: boolean; step: number };
  const known = Array.from({ length: binding.countGrains }, () => new Map<number, Views>());
  const viewsOf = (grain: number): Views => {
    const start = step.grainStart[grain]!;
    const count = step.grainStart[grain + 1]! - start;
    const key = start * (binding.capacity + 1) + count;
    let views = known[grain]!.get(key);
    if (views === undefined) {
      const part = (ptr: number, shape: Shape): Float32Array =>
        floats(ptr + start * sizeOf(shape) * 4, count * sizeOf(shape));
      views = {
        count,
        training: false,
        step: 0,
        replica: layer.perSample === true ? -1 : binding.firstGrain + grain,
        x: part(input.ptr, input.shape),
        y: part(output.ptr, output.shape),
        dy: part(output.gradPtr, output.shape),
        dx: input.gradPtr === 0 ? undefined : part(input.gradPtr, input.shape),
        parameters,
        gradients: gradientsOf(grain),
      };
      known[grain]!.set(key, views);
    }
    views.training = step.training;
    views.step = step.step;
    return views;
  };

  return {
    forward() {
      for (let grain = 0; grain < binding.countGrains; grain++) {
        const views = viewsOf(grain);
        if (views.count > 0) layer.forward(views);
      }
    },
    backward() {
      for (let grain = 0; grain < binding.countGrains; grain++) {
        layer.backward(viewsOf(grain));
        for (const sink of sinks) sink?.fold(grain);
      }
    },
  };
}
