// Converts the geometry of a convolution to the byte steps that kernels take (kernels/abi/conv.ts)
// and to the workspace of its passes. All of it depends only on shapes and is computed once.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { sizeOf } from '../../base/shape.ts';
import type { Range } from '../../reduce/gradientSink.ts';
import type { Binding, BoundTensor } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import { type AxisPhase, axisPhases, type ConvAxis, gradientBorder } from './convGeometry.ts';

/** Both axes of a convolution. */
export interface ConvAxes {
  readonly y: ConvAxis;
  readonly x: ConvAxis;
}

/** Steps through a padded sample. */
export interface TapSteps {
  readonly rowStepBytes: number;
  readonly pixelStepBytes: number;
  readonly tapsY: number;
  readonly tapStepYBytes: number;
  readonly tapsX: number;
  readonly tapStepXBytes: number;
  readonly segmentLength: number;
}

/** One phase of the input gradient; offsets within a sample and within one group's panels. */
export interface GradientPhase {
  readonly steps: TapSteps;
  readonly dyOffsetBytes: number;
  readonly dxOffsetBytes: number;
  readonly height: number;
  readonly width: number;
  readonly panelsOffsetBytes: number;
  readonly panelBytes: number;
  /** Where each tap's weights begin, in the order of the panel rows. */
  readonly weightOffsetsBytes: readonly number[];
}

/** All phases, and the bordered dy that they read. */
export interface GradientPlan {
  readonly phases: readonly GradientPhase[];
  readonly groupPanelsBytes: number;
  readonly isBordered: boolean;
  readonly paddedHeight: number;
  readonly paddedWidth: number;
  readonly topRows: number;
  readonly leftColumns: number;
}

export const PANEL_CHANNELS = 8;
export const PANEL_ROW_BYTES = PANEL_CHANNELS * FLOAT_BYTES;

/** The number of panels of 8 channels that hold `channels` channels. */
export function panelCount(channels: number): number {
  return Math.ceil(channels / PANEL_CHANNELS);
}

/** Whether each channel is convolved on its own, which has dedicated kernels. */
export function isDepthwise(spec: Conv2dSpec): boolean {
  return spec.groups > 1 && spec.groups === spec.inChannels && spec.groups === spec.outChannels;
}

/** The kernel arguments for what is done to outputs last. */
export function endingOf({ addend, isRelu, output }: Binding): {
  readonly addendBytes: number;
  readonly isRelu: number;
} {
  const cuts = isRelu === true || addend?.isRelu === true;
  return { addendBytes: addend === undefined ? 0 : addend.ptr - output.ptr, isRelu: cuts ? 1 : 0 };
}

/** The size of an axis with its zeros. */
export function paddedSize(axis: ConvAxis): number {
  return axis.before + axis.input + axis.after;
}

/** Steps of the forward pass and of the weight gradient through the padded input. */
export function forwardSteps(spec: Conv2dSpec, axes: ConvAxes): TapSteps {
  const pixelBytes = spec.inChannels * FLOAT_BYTES;
  const rowBytes = paddedSize(axes.x) * pixelBytes;
  // The taps of a kernel row are adjacent unless other channels or a dilation separate them.
  const isAdjacent = spec.groups === 1 && spec.dilation[1] === 1;
  const segmentLength = isAdjacent
    ? spec.kernel[1] * spec.inChannels
    : spec.inChannels / spec.groups;
  return {
    rowStepBytes: spec.stride[0] * rowBytes,
    pixelStepBytes: spec.stride[1] * pixelBytes,
    tapsY: spec.kernel[0],
    tapStepYBytes: spec.dilation[0] * rowBytes,
    tapsX: isAdjacent ? 1 : spec.kernel[1],
    tapStepXBytes: isAdjacent ? segmentLength * FLOAT_BYTES : spec.dilation[1] * pixelBytes,
    segmentLength,
  };
}

/** The input gradient as convolutions of the bordered dy, one for each phase of the stride. */
export function gradientPlan(spec: Conv2dSpec, axes: ConvAxes): GradientPlan {
  const phasesY = axisPhases(axes.y);
  const phasesX = axisPhases(axes.x);
  const borderY = gradientBorder(axes.y, phasesY);
  const borderX = gradientBorder(axes.x, phasesX);
  const paddedWidth = axes.x.output + borderX.before + borderX.after;
  const phases: GradientPhase[] = [];
  let groupPanelsBytes = 0;
  for (const y of phasesY) {
    for (const x of phasesX) {
      const phase = gradientPhase(spec, { y, x }, paddedWidth, groupPanelsBytes);
      const pixelBytes = spec.outChannels * FLOAT_BYTES;
      const top = y.first + borderY.before;
      const left = x.first + borderX.before;
      phases.push({
        ...phase,
        dyOffsetBytes: phase.steps.tapsY === 0 ? 0 : (top * paddedWidth + left) * pixelBytes,
        dxOffsetBytes: (y.start * axes.x.input + x.start) * spec.inChannels * FLOAT_BYTES,
      });
      groupPanelsBytes += phase.panelBytes * panelCount(spec.inChannels / spec.groups);
    }
  }
  return {
    phases,
    groupPanelsBytes,
    isBordered: borderY.before + borderY.after + borderX.before + borderX.after > 0,
    paddedHeight: axes.y.output + borderY.before + borderY.after,
    paddedWidth,
    topRows: borderY.before,
    leftColumns: borderX.before,
  };
}

function gradientPhase(
  spec: Conv2dSpec,
  phase: { readonly y: AxisPhase; readonly x: AxisPhase },
  paddedWidth: number,
  panelsOffsetBytes: number,
): Omit<GradientPhase, 'dyOffsetBytes' | 'dxOffsetBytes'> {
  const { y, x } = phase;
  const groupIn = spec.inChannels / spec.groups;
  const groupOut = spec.outChannels / spec.groups;
  const pixelBytes = spec.outChannels * FLOAT_BYTES;
  const isAdjacent = spec.groups === 1 && x.step === 1;
  const hasTaps = y.taps.length > 0 && x.taps.length > 0;
  const segmentLength = isAdjacent && hasTaps ? x.taps.length * groupOut : groupOut;
  const weightOffsetsBytes: number[] = [];
  for (const ky of y.taps) {
    for (const kx of x.taps) {
      weightOffsetsBytes.push((ky * spec.kernel[1] + kx) * groupIn * pixelBytes);
    }
  }
  return {
    steps: {
      rowStepBytes: paddedWidth * pixelBytes,
      pixelStepBytes: pixelBytes,
      tapsY: hasTaps ? y.taps.length : 0,
      tapStepYBytes: y.step * paddedWidth * pixelBytes,
      tapsX: isAdjacent ? 1 : x.taps.length,
      tapStepXBytes: isAdjacent ? segmentLength * FLOAT_BYTES : x.step * pixelBytes,
      segmentLength,
    },
    height: y.count,
    width: x.count,
    panelsOffsetBytes,
    panelBytes: weightOffsetsBytes.length * groupOut * PANEL_ROW_BYTES,
    weightOffsetsBytes,
  };
}

/** Returns a function that gives the address of an input sample in backward, valid until the next
 * call. */
export function bindSamples({ ptr, shape, sampleAt }: BoundTensor): (sample: number) => number {
  const sampleBytes = sizeOf(shape) * FLOAT_BYTES;
  return sampleAt ?? ((sample) => ptr + sample * sampleBytes);
}

/** The passes of a convolution algorithm, bound to the layer's input and output. */
export interface ConvPasses {
  forward(countSamples: number): void;
  /** The parts of the weight gradient, run one after the other. */
  readonly weightGrads: readonly WeightGradPart[];
  /** The same for grains that are folded together; undefined if that is not faster. */
  readonly foldGrads?: ((leaves: Leaves) => void) | undefined;
  inputGrad(countSamples: number): void;
}

/** Grains of one size that are folded together. */
export interface Leaves {
  /** The first sample, and the number of samples in each grain. */
  readonly start: number;
  readonly samples: number;
  /** A power of two. */
  readonly leaves: number;
  readonly gradPtr: number;
}

/** A part of a weight that has its gradient computed separately. */
export interface WeightGradPart {
  readonly ranges: readonly Range[];
  /** Computes the gradient of a range of at least one sample. Each of the part's ranges goes to one
   * of `ptrs`. */
  run(start: number, end: number, ptrs: readonly number[]): void;
}

/** An algorithm that convolves one sample at a time. The input has its zero border, except for
 * depthwise convolution. */
export interface SamplePasses {
  prepare(): void;
  forward(xPtr: number, yPtr: number): void;
  /** As in {@link ConvPasses}. */
  readonly weightGrads: readonly SampleGradPart[];
  prepareInputGrad(): void;
  inputGrad(dyPtr: number, dxPtr: number): void;
}

export interface SampleGradPart {
  readonly range: Range;
  /** Adds a sample to the gradient; without `accumulate` the sample is the first one. */
  run(xPtr: number, dyPtr: number, gradPtr: number, accumulate: number): void;
}
