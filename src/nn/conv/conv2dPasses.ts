// The passes of a convolution, bound to addresses: forward, weight gradient, input gradient.
// Everything that depends on shapes alone is worked out before; the passes only call kernels,
// sample by sample.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { sizeOf } from '../../base/shape.ts';
import { bindBiasGradient } from '../layers/biasGradient.ts';
import type { Binding, BoundLayer, WorkspaceDeclaration } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import { bindDepthwise, depthwiseWorkspace } from './conv2dDepthwise.ts';
import { bindTiles, tilesWorkspace } from './conv2dTiles.ts';
import { bindWinograd, isWinograd, winogradBordered, winogradWorkspace } from './conv2dWinograd.ts';
import { type ConvAxes, type ConvPasses, isDepthwise, paddedSize } from './convSteps.ts';

/** The memory that the passes need: bordered samples and packed weights. */
export function convWorkspace(spec: Conv2dSpec, axes: ConvAxes): readonly WorkspaceDeclaration[] {
  const workspace: WorkspaceDeclaration[] = [];
  const add = (name: string, shape: readonly number[]): void => {
    workspace.push({ name, type: 'f32', shape, isScratch: false });
  };
  const bordered = borderedInput(spec, axes);
  const padded = [bordered.rows, bordered.columns, spec.inChannels];
  if (needsBorder(axes, bordered)) add('padded', padded);
  if (isWinograd(spec, axes)) return [...workspace, ...winogradWorkspace(spec, axes)];
  if (isDepthwise(spec)) return [...workspace, ...depthwiseWorkspace(spec, axes)];
  return [...workspace, ...tilesWorkspace(spec, axes)];
}

/** Binds the passes of a convolution over all samples of a worker. */
export function bindConv2d(spec: Conv2dSpec, axes: ConvAxes, binding: Binding): BoundLayer {
  const { step, input, output } = binding;
  const loadSample = bindPadding(spec, axes, binding);
  const passes = bindPasses(spec, axes, binding);
  const xBytes = sizeOf(input.shape) * FLOAT_BYTES;
  const yBytes = sizeOf(output.shape) * FLOAT_BYTES;
  const foldWeight = bindWeightGradient(spec, binding, { passes, loadSample });
  const pixels = axes.y.output * axes.x.output;
  const foldBias = spec.bias ? bindBiasGradient(binding, pixels) : undefined;
  return {
    forward() {
      passes.prepare();
      for (let sample = 0; sample < step.countSamples; sample++) {
        passes.forward(loadSample(sample), output.ptr + sample * yBytes);
      }
    },
    backward() {
      foldWeight?.();
      foldBias?.();
      if (input.gradPtr === 0) return;
      passes.prepareInputGrad();
      for (let sample = 0; sample < step.countSamples; sample++) {
        passes.inputGrad(output.gradPtr + sample * yBytes, input.gradPtr + sample * xBytes);
      }
    },
  };
}

/** Returns what folds the weight's gradient, grain by grain; undefined where it is frozen. */
function bindWeightGradient(
  spec: Conv2dSpec,
  binding: Binding,
  of: { readonly passes: ConvPasses; readonly loadSample: (sample: number) => number },
): (() => void) | undefined {
  const { kernels, step, output } = binding;
  const { passes, loadSample } = of;
  const weightGrad = binding.gradient('weight');
  if (weightGrad === undefined) return undefined;
  const yBytes = sizeOf(output.shape) * FLOAT_BYTES;
  const area = spec.kernel[0] * spec.kernel[1];
  const weightBytes = (area * spec.inChannels * spec.outChannels * FLOAT_BYTES) / spec.groups;
  return () => {
    for (let grain = 0; grain < binding.countGrains; grain++) {
      const start = step.grainStart[grain]!;
      const end = step.grainStart[grain + 1]!;
      const leafPtr = weightGrad.leafPtr(grain);
      if (start === end) kernels.zeroBytes(leafPtr, weightBytes);
      for (let sample = start; sample < end; sample++) {
        const dyPtr = output.gradPtr + sample * yBytes;
        passes.weightGrad(loadSample(sample), dyPtr, leafPtr, sample > start ? 1 : 0);
      }
      if (end > start) passes.endWeightGrad(leafPtr);
      weightGrad.fold(grain);
    }
  };
}

/** The way to convolve that suits the shapes, which alone decide. */
function bindPasses(spec: Conv2dSpec, axes: ConvAxes, binding: Binding): ConvPasses {
  if (isDepthwise(spec)) return bindDepthwise(spec, axes, binding);
  if (isWinograd(spec, axes)) return bindWinograd(spec, axes, binding);
  return bindTiles(spec, axes, binding);
}

interface Bordered {
  readonly rows: number;
  readonly columns: number;
}

/** The size of a sample as the passes read it. */
function borderedInput(spec: Conv2dSpec, axes: ConvAxes): Bordered {
  if (isWinograd(spec, axes)) return winogradBordered(axes);
  return { rows: paddedSize(axes.y), columns: paddedSize(axes.x) };
}

function needsBorder(axes: ConvAxes, { rows, columns }: Bordered): boolean {
  return rows !== axes.y.input || columns !== axes.x.input;
}

/** Returns where a sample lies with its zero border; without one that is the input itself. */
function bindPadding(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
): (sample: number) => number {
  const { kernels, input } = binding;
  const sampleBytes = sizeOf(input.shape) * FLOAT_BYTES;
  const bordered = borderedInput(spec, axes);
  if (!needsBorder(axes, bordered)) return (sample) => input.ptr + sample * sampleBytes;
  // The border is zero from the start and never written.
  const paddedPtr = binding.workspacePtr('padded');
  const pixelBytes = spec.inChannels * FLOAT_BYTES;
  const paddedRowBytes = bordered.columns * pixelBytes;
  const insidePtr = paddedPtr + axes.y.padding * paddedRowBytes + axes.x.padding * pixelBytes;
  const rows = axes.y.input;
  const length = axes.x.input * spec.inChannels;
  const rowBytes = length * FLOAT_BYTES;
  return (sample) => {
    const fromPtr = input.ptr + sample * sampleBytes;
    kernels.copyRowsF32(fromPtr, rowBytes, insidePtr, paddedRowBytes, rows, length);
    return paddedPtr;
  };
}
