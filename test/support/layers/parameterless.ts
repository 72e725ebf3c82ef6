// Runs one layer without parameters, forward and backward, in a separate memory; shared by the
// tests of activations, pools, dropout and flatten.

import { InvariantError } from '../../../src/base/errors.ts';
import { type Shape, sizeOf } from '../../../src/base/shape.ts';
import type { NumericMode } from '../../../src/kernels/builds.ts';
import { BYTES_PER_ELEMENT } from '../../../src/memory/layout.ts';
import type { BoundLayer, LayerKind, StepState } from '../../../src/nn/layers/layer.ts';
import { createFixture, type KernelFixture } from '../kernelFixture.ts';

export interface LayerRun {
  readonly fixture: KernelFixture;
  readonly layer: BoundLayer;
  readonly step: StepState;
  readonly outputShape: Shape;
  /** [capacity, ...input shape], as are dx; y and dy have the output shape. */
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly dx: Float32Array;
  readonly dy: Float32Array;
}

export interface LayerRunOptions {
  readonly inputShape: Shape;
  readonly capacity: number;
  readonly mode?: NumericMode;
  readonly index?: number;
  readonly seed?: number;
  /** False: the input's gradient is not needed. */
  readonly wantsInputGradient?: boolean;
}

/** Binds a layer with its tensors full of NaN, in a step that trains on all `capacity` samples. */
export function bindAlone<Spec>(
  kind: LayerKind<Spec>,
  spec: Spec,
  options: LayerRunOptions,
): LayerRun {
  const { inputShape, capacity, wantsInputGradient = true } = options;
  const fixture = createFixture(options.mode ?? 'strict', 32);
  const outputShape = kind.outputShape(spec, inputShape, '0.layer');
  const inputLength = capacity * sizeOf(inputShape);
  const outputLength = capacity * sizeOf(outputShape);
  const [xPtr, dxPtr] = [fixture.reserve(inputLength), fixture.reserve(inputLength)];
  const [yPtr, dyPtr] = [fixture.reserve(outputLength), fixture.reserve(outputLength)];
  const size = { capacity, countGrains: 1, countGroups: () => 1 };
  const workspace = new Map(
    (kind.workspace?.(spec, inputShape, size) ?? []).map(({ name, type, shape }) => [
      name,
      fixture.reserve(sizeOf(shape), BYTES_PER_ELEMENT[type]),
    ]),
  );
  const step: StepState = {
    training: true,
    step: 0,
    countSamples: capacity,
    grainStart: Int32Array.of(0, capacity),
    firstSample: 0,
    isSnapshot: false,
    globalCount: capacity,
  };
  const unasked = (name: string): never => {
    throw new InvariantError('a layer without parameters', name, 'nothing');
  };
  const layer = kind.bind(spec, {
    path: '0.layer',
    index: options.index ?? 0,
    kernels: fixture.kernels,
    memory: fixture.memory,
    step,
    countGrains: 1,
    countGroups: () => 1,
    firstGrain: 0,
    capacity,
    seed: options.seed ?? 0,
    input: { shape: inputShape, ptr: xPtr, gradPtr: wantsInputGradient ? dxPtr : 0 },
    output: { shape: outputShape, ptr: yPtr, gradPtr: dyPtr },
    parameterPtr: unasked,
    gradient: unasked,
    bufferPtr: unasked,
    reduction: unasked,
    workspacePtr: (name) => workspace.get(name) ?? unasked(name),
  });
  return {
    fixture,
    layer,
    step,
    outputShape,
    x: fixture.f32(xPtr, inputLength),
    y: fixture.f32(yPtr, outputLength),
    dx: fixture.f32(dxPtr, inputLength),
    dy: fixture.f32(dyPtr, outputLength),
  };
}
