// The passes of a convolution, bound to addresses: forward, weight gradient, input gradient.
// Everything that depends on shapes alone is worked out before; the passes only call kernels,
// sample by sample.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { sizeOf } from '../../base/shape.ts';
import { bindBiasGradient } from '../layers/biasGradient.ts';
import type { Binding, BoundLayer, WorkspaceDeclaration } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import { bindDepthwise } from './conv2dDepthwise.ts';
import { bindWinograd, isWinograd, winogradBordered, winogradWorkspace } from './conv2dWinograd.ts';
import {
  type ConvAxes,
  type ConvPasses,
  forwardSteps,
  gradientPlan,
  isDepthwise,
  PANEL_CHANNELS,
  PANEL_ROW_BYTES,
  paddedSize,
  panelCount,
} from './convSteps.ts';

/** The memory that the passes need: bordered samples and packed weights. */
export function convWorkspace(spec: Conv2dSpec, axes: ConvAxes): readonly WorkspaceDeclaration[] {
  const workspace: WorkspaceDeclaration[] = [];
  const add = (name: string, shape: readonly number[], isScratch = false): void => {
    workspace.push({ name, type: 'f32', shape, isScratch });
  };
  const bordered = borderedInput(spec, axes);
  const padded = [bordered.rows, bordered.columns, spec.inChannels];
  if (needsBorder(axes, bordered)) add('padded', padded);
  if (isWinograd(spec, axes)) return [...workspace, ...winogradWorkspace(spec, axes)];
  if (isDepthwise(spec)) {
    add('paddedGrad', padded);
    return workspace;
  }
  const { groups, kernel, inChannels, outChannels } = spec;
  const rows = (kernel[0] * kernel[1] * inChannels) / groups;
  add('panels', [groups, panelCount(outChannels / groups), rows, PANEL_CHANNELS], true);
  const plan = gradientPlan(spec, axes);
  add('gradPanels', [(plan.groupPanelsBytes * groups) / FLOAT_BYTES], true);
  if (plan.isBordered) add('paddedGrad', [plan.paddedHeight, plan.paddedWidth, outChannels]);
  return workspace;
}

/** Binds the passes of a convolution over all samples of a worker. */
export function bindConv2d(spec: Conv2dSpec, axes: ConvAxes, binding: Binding): BoundLayer {
  const { kernels, step, input, output } = binding;
  const loadSample = bindPadding(spec, axes, binding);
  const passes = bindPasses(spec, axes, binding);
  const xBytes = sizeOf(input.shape) * FLOAT_BYTES;
  const yBytes = sizeOf(output.shape) * FLOAT_BYTES;
  const weightGrad = binding.gradient('weight');
  const pixels = axes.y.output * axes.x.output;
  const foldBias = spec.bias ? bindBiasGradient(binding, pixels) : undefined;
  const area = spec.kernel[0] * spec.kernel[1];
  const weightBytes = (area * spec.inChannels * spec.outChannels * FLOAT_BYTES) / spec.groups;
  return {
    forward() {
      passes.prepare();
      for (let sample = 0; sample < step.countSamples; sample++) {
        passes.forward(loadSample(sample), output.ptr + sample * yBytes);
      }
    },
    backward() {
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
      foldBias?.();
      if (input.gradPtr === 0) return;
      passes.prepareInputGrad();
      for (let sample = 0; sample < step.countSamples; sample++) {
        passes.inputGrad(output.gradPtr + sample * yBytes, input.gradPtr + sample * xBytes);
      }
    },
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

/** The general way: register tiles over packed weights, group by group. */
function bindTiles(spec: Conv2dSpec, axes: ConvAxes, binding: Binding): ConvPasses {
  const { kernels } = binding;
  const { groups } = spec;
  const groupIn = spec.inChannels / groups;
  const groupOut = spec.outChannels / groups;
  const inBytes = groupIn * FLOAT_BYTES;
  const outBytes = groupOut * FLOAT_BYTES;
  const {
    rowStepBytes,
    pixelStepBytes,
    tapsY,
    tapStepYBytes,
    tapsX,
    tapStepXBytes,
    segmentLength,
  } = forwardSteps(spec, axes);
  const rows = spec.kernel[0] * spec.kernel[1] * groupIn;
  const panelsPtr = binding.workspacePtr('panels');
  const panelsBytes = panelCount(groupOut) * rows * PANEL_ROW_BYTES;
  const weightPtr = binding.parameterPtr('weight');
  const biasPtr = spec.bias ? binding.parameterPtr('bias') : 0;
  const biasStep = spec.bias ? outBytes : 0;
  const height = axes.y.output;
  const width = axes.x.output;
  const pixelBytes = spec.outChannels * FLOAT_BYTES;
  const rowBytes = width * pixelBytes;
  return {
    prepare() {
      for (let g = 0; g < groups; g++) {
        kernels.packPanelsF32(
          weightPtr + g * outBytes,
          pixelBytes,
          rows,
          groupOut,
          panelsPtr + g * panelsBytes,
        );
      }
    },
    forward(xPtr, yPtr) {
      for (let g = 0; g < groups; g++) {
        kernels.convTilesF32(
          xPtr + g * inBytes,
          rowStepBytes,
          pixelStepBytes,
          tapsY,
          tapStepYBytes,
          tapsX,
          tapStepXBytes,
          segmentLength,
          panelsPtr + g * panelsBytes,
          biasPtr + g * biasStep,
          yPtr + g * outBytes,
          rowBytes,
          pixelBytes,
          height,
          width,
          groupOut,
        );
      }
    },
    weightGrad(xPtr, dyPtr, gradPtr, accumulate) {
      for (let g = 0; g < groups; g++) {
        kernels.convWeightGradTilesF32(
          xPtr + g * inBytes,
          rowStepBytes,
          pixelStepBytes,
          tapsY,
          tapStepYBytes,
          tapsX,
          tapStepXBytes,
          segmentLength,
          dyPtr + g * outBytes,
          rowBytes,
          pixelBytes,
          height,
          width,
          groupOut,
          gradPtr + g * outBytes,
          pixelBytes,
          accumulate,
        );
      }
    },
    // Every sample adds to the gradient itself.
    endWeightGrad() {},
    ...bindInputGrad(spec, axes, binding),
  };
}

/** The input gradient: a convolution of the bordered dy for each phase of the stride. */
function bindInputGrad(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
): Pick<ConvPasses, 'prepareInputGrad' | 'inputGrad'> {
  const { kernels } = binding;
  const { groups } = spec;
  const groupIn = spec.inChannels / groups;
  const groupOut = spec.outChannels / groups;
  const inBytes = groupIn * FLOAT_BYTES;
  const outBytes = groupOut * FLOAT_BYTES;
  const plan = gradientPlan(spec, axes);
  const panelsPtr = binding.workspacePtr('gradPanels');
  const weightPtr = binding.parameterPtr('weight');
  const paddedPtr = plan.isBordered ? binding.workspacePtr('paddedGrad') : 0;
  const dyPixelBytes = spec.outChannels * FLOAT_BYTES;
  const dyRowBytes = axes.x.output * dyPixelBytes;
  const paddedRowBytes = plan.paddedWidth * dyPixelBytes;
  const insidePtr = paddedPtr + plan.topRows * paddedRowBytes + plan.leftColumns * dyPixelBytes;
  const dxPixelBytes = spec.stride[1] * spec.inChannels * FLOAT_BYTES;
  const dxRowBytes = spec.stride[0] * axes.x.input * spec.inChannels * FLOAT_BYTES;
  // Positions that no tap reaches are zero; one fill is faster than a phase of empty sums.
  const phases = plan.phases.filter((phase) => phase.steps.tapsY > 0);
  const dxBytes = axes.y.input * axes.x.input * spec.inChannels * FLOAT_BYTES;
  const clearedBytes = phases.length < plan.phases.length ? dxBytes : 0;
  return {
    prepareInputGrad() {
      for (const phase of phases) {
        for (let g = 0; g < groups; g++) {
          let toPtr = panelsPtr + g * plan.groupPanelsBytes + phase.panelsOffsetBytes;
          for (const offsetBytes of phase.weightOffsetsBytes) {
            const fromPtr = weightPtr + offsetBytes + g * outBytes;
            const panelBytes = phase.panelBytes;
            kernels.packTransposedPanelsF32(
              fromPtr,
              dyPixelBytes,
              groupOut,
              groupIn,
              toPtr,
              panelBytes,
            );
            toPtr += groupOut * PANEL_ROW_BYTES;
          }
        }
      }
    },
    inputGrad(dyPtr, dxPtr) {
      let fromPtr = dyPtr;
      if (plan.isBordered) {
        const rows = axes.y.output;
        const length = dyRowBytes / FLOAT_BYTES;
        kernels.copyRowsF32(dyPtr, dyRowBytes, insidePtr, paddedRowBytes, rows, length);
        fromPtr = paddedPtr;
      }
      if (clearedBytes > 0) kernels.zeroBytes(dxPtr, clearedBytes);
      for (const phase of phases) {
        const { steps } = phase;
        for (let g = 0; g < groups; g++) {
          kernels.convTilesF32(
            fromPtr + phase.dyOffsetBytes + g * outBytes,
            steps.rowStepBytes,
            steps.pixelStepBytes,
            steps.tapsY,
            steps.tapStepYBytes,
            steps.tapsX,
            steps.tapStepXBytes,
            steps.segmentLength,
            panelsPtr + g * plan.groupPanelsBytes + phase.panelsOffsetBytes,
            0,
            dxPtr + phase.dxOffsetBytes + g * inBytes,
            dxRowBytes,
            dxPixelBytes,
            phase.height,
            phase.width,
            groupIn,
          );
        }
      }
    },
  };
}
