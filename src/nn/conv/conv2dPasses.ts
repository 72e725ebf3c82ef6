// The passes of a convolution, bound to addresses: forward, weight gradient, input gradient. A
// transposed convolution uses the same passes with input and output exchanged. Everything that
// depends only on shapes is computed in advance, so the passes only call kernels.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { sizeOf } from '../../base/shape.ts';
import type { GradientSink } from '../../reduce/gradientSink.ts';
import { bindBiasGradient } from '../layers/biasGradient.ts';
import type { Binding, BoundLayer, BoundTensor, WorkspaceDeclaration } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import { bindDepthwise, depthwiseWorkspace } from './conv2dDepthwise.ts';
import { bindPlanes, isPlanes, planesWorkspace } from './conv2dPlanes.ts';
import { bindTileGrads, bindTiles, isOnePart, tilesWorkspace } from './conv2dTiles.ts';
import { bindWinograd } from './conv2dWinograd.ts';
import { bindWinogradGrads, transformsOnce } from './conv2dWinogradGrad.ts';
import {
  bindSamples,
  type ConvAxes,
  type ConvPasses,
  isDepthwise,
  paddedSize,
  type SampleGradPart,
  type SamplePasses,
  type WeightGradPart,
} from './convSteps.ts';
import { bindFolds, bindTapFolds, FOLD_SCRATCH, foldsTaps } from './foldedGradient.ts';
import { winogradWorkspace } from './winogradLayout.ts';
import { isWinograd, sumsTiles } from './winogradPlan.ts';

/** The memory that the passes need: bordered samples and packed weights. */
export function convWorkspace(spec: Conv2dSpec, axes: ConvAxes): readonly WorkspaceDeclaration[] {
  if (isDepthwise(spec)) return depthwiseWorkspace(spec, axes);
  const folds = foldsTaps(spec, axes) ? [FOLD_SCRATCH] : [];
  const padded = [paddedSize(axes.y), paddedSize(axes.x), spec.inChannels];
  const bordered: readonly WorkspaceDeclaration[] = needsBorder(axes)
    ? [{ name: 'padded', type: 'f32', shape: padded, lifetime: 'run' }]
    : [];
  if (isWinograd(spec, axes)) {
    return [...winogradWorkspace(spec, axes), ...(sumsTiles(axes) ? [] : bordered), ...folds];
  }
  const own = isPlanes(spec, axes) ? planesWorkspace(spec) : tilesWorkspace(spec, axes);
  return [...bordered, ...own, ...folds];
}

/** Whether backward reads the input sample by sample, each sample once or twice. */
export function readsBySample(spec: Conv2dSpec, axes: ConvAxes): boolean {
  if (foldsTaps(spec, axes)) return false;
  const sumsInTiles = isWinograd(spec, axes) && sumsTiles(axes);
  return sumsInTiles ? transformsOnce(spec, axes) : isDepthwise(spec) || isOnePart(spec, axes);
}

/** Binds the passes of a convolution over all samples of a worker. */
export function bindConv2d(spec: Conv2dSpec, axes: ConvAxes, binding: Binding): BoundLayer {
  const { step, input } = binding;
  const passes = bindPasses(spec, axes, binding, 0);
  const foldWeight = bindWeightGradient(binding, passes);
  const pixels = axes.y.output * axes.x.output;
  const foldBias = spec.bias ? bindBiasGradient(binding, pixels) : undefined;
  return {
    forward() {
      passes.forward(step.countSamples);
    },
    backward() {
      foldWeight?.();
      foldBias?.();
      if (input.gradPtr !== 0) passes.inputGrad(step.countSamples);
    },
  };
}

/** Returns a function that folds the weight gradient, part by part and grain by grain, or undefined
 * if the weight is frozen. */
export function bindWeightGradient(binding: Binding, passes: ConvPasses): (() => void) | undefined {
  const sink = binding.gradient('weight');
  if (sink === undefined) return undefined;
  const foldLeaves = bindLeaves(binding, passes, sink);
  const foldTrees = passes.foldGrads && bindFolds(binding, sink, passes.foldGrads);
  if (foldTrees === undefined) return foldLeaves;
  return () => {
    if (!foldTrees()) foldLeaves();
  };
}

/** Computes the gradient grain by grain, in parts if the sink supports them, otherwise whole. */
function bindLeaves(
  { kernels, step, countGrains }: Binding,
  { weightGrads }: ConvPasses,
  sink: GradientSink,
): () => void {
  const compute = ({ ranges, run }: WeightGradPart, grain: number, ptrs: readonly number[]) => {
    const start = step.grainStart[grain]!;
    const end = step.grainStart[grain + 1]!;
    if (end > start) run(start, end, ptrs);
    else {
      for (const [i, { length }] of ranges.entries()) {
        kernels.zeroBytes(ptrs[i]!, length * FLOAT_BYTES);
      }
    }
  };
  if (sink.part === undefined) {
    const parts = weightGrads.map((part) => ({ part, ptrs: part.ranges.map(() => 0) }));
    return () => {
      for (let grain = 0; grain < countGrains; grain++) {
        const ptr = sink.leafPtr(grain);
        for (const { part, ptrs } of parts) {
          for (const [i, { offset }] of part.ranges.entries()) ptrs[i] = ptr + offset * FLOAT_BYTES;
          compute(part, grain, ptrs);
        }
        sink.fold(grain);
      }
    };
  }
  const parts = weightGrads.map((part) => ({ part, own: sink.part!(part.ranges) }));
  return () => {
    for (const { part, own } of parts) {
      for (let grain = 0; grain < countGrains; grain++) {
        compute(part, grain, own.leafPtrs(grain));
        own.fold(grain);
      }
    }
  };
}

/** Binds the algorithm that the spec requests or, failing that, the one that suits the shapes. Each
 * pixel of the input gradient starts from the values at `dxBiasPtr`, which is the bias if that
 * gradient is a layer's output; 0 for none. */
export function bindPasses(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
  dxBiasPtr: number,
): ConvPasses {
  const { input } = binding;
  const gradsOf = (parts: readonly SampleGradPart[]): readonly WeightGradPart[] =>
    overSamples(parts, bindPadding(spec, axes, binding, input), binding);
  const foldGrads = foldsTaps(spec, axes) ? bindTapFolds(spec, axes, binding) : undefined;
  if (isWinograd(spec, axes)) {
    const weightGrads = sumsTiles(axes)
      ? bindWinogradGrads(spec, axes, binding)
      : gradsOf(bindTileGrads(spec, axes, binding));
    return { ...bindWinograd(spec, axes, binding, dxBiasPtr), weightGrads, foldGrads };
  }
  if (isPlanes(spec, axes)) {
    const weightGrads = gradsOf(bindTileGrads(spec, axes, binding));
    return { ...bindPlanes(spec, axes, binding, dxBiasPtr), weightGrads, foldGrads };
  }
  const passes = isDepthwise(spec)
    ? bindDepthwise(spec, axes, binding, dxBiasPtr)
    : bindTiles(spec, axes, binding, dxBiasPtr);
  const stored = bindPadding(spec, axes, binding, { ...input, sampleAt: undefined });
  const weightGrads = gradsOf(passes.weightGrads);
  return { ...sampleBySample(passes, stored, binding), weightGrads, foldGrads };
}

/** Whether the forward pass can add another tensor and apply a relu as it writes. Register tiles
 * and Winograd can, with a bias. */
export function takesEnding(spec: Conv2dSpec, axes: ConvAxes): boolean {
  if (!spec.bias) return false;
  return isWinograd(spec, axes) || !(isPlanes(spec, axes) || isDepthwise(spec));
}

/** Runs passes over many samples, one at a time. */
function sampleBySample(
  passes: SamplePasses,
  loadSample: (sample: number) => number,
  binding: Binding,
): Omit<ConvPasses, 'weightGrads'> {
  const { input, output } = binding;
  const xBytes = sizeOf(input.shape) * FLOAT_BYTES;
  const yBytes = sizeOf(output.shape) * FLOAT_BYTES;
  return {
    forward(countSamples) {
      passes.prepare();
      for (let sample = 0; sample < countSamples; sample++) {
        passes.forward(loadSample(sample), output.ptr + sample * yBytes);
      }
    },
    inputGrad(countSamples) {
      passes.prepareInputGrad();
      for (let sample = 0; sample < countSamples; sample++) {
        passes.inputGrad(output.gradPtr + sample * yBytes, input.gradPtr + sample * xBytes);
      }
    },
  };
}

/** Gradients over many samples, from those of one. */
function overSamples(
  parts: readonly SampleGradPart[],
  loadSample: (sample: number) => number,
  { output }: Binding,
): readonly WeightGradPart[] {
  const yBytes = sizeOf(output.shape) * FLOAT_BYTES;
  return parts.map(({ range, run }) => ({
    ranges: [range],
    run(start, end, ptrs) {
      for (let sample = start; sample < end; sample++) {
        const dyPtr = output.gradPtr + sample * yBytes;
        run(loadSample(sample), dyPtr, ptrs[0]!, sample > start ? 1 : 0);
      }
    },
  }));
}

function needsBorder(axes: ConvAxes): boolean {
  return [axes.y, axes.x].some(({ before, after }) => before > 0 || after > 0);
}

/** Returns the address of a sample with its zero border, or of the input itself if there is no
 * border. */
function bindPadding(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
  input: BoundTensor,
): (sample: number) => number {
  const { kernels } = binding;
  const sampleAt = bindSamples(input);
  if (isDepthwise(spec) || !needsBorder(axes)) return sampleAt;
  // The border is zero from the start and never written.
  const paddedPtr = binding.workspacePtr('padded');
  const pixelBytes = spec.inChannels * FLOAT_BYTES;
  const paddedRowBytes = paddedSize(axes.x) * pixelBytes;
  const insidePtr = paddedPtr + axes.y.before * paddedRowBytes + axes.x.before * pixelBytes;
  const rows = axes.y.input;
  const length = axes.x.input * spec.inChannels;
  const rowBytes = length * FLOAT_BYTES;
  return (sample) => {
    kernels.copyRowsF32(sampleAt(sample), rowBytes, insidePtr, paddedRowBytes, rows, length);
    return paddedPtr;
  };
}
