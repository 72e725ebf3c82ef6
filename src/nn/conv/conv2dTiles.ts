// The general convolution: register tiles over packed weights, group by group. It handles all
// shapes, and its passes only call kernels, one sample at a time.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import type { Binding, WorkspaceDeclaration } from '../layers/layer.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import {
  type ConvAxes,
  endingOf,
  forwardSteps,
  type GradientPlan,
  gradientPlan,
  PANEL_CHANNELS,
  PANEL_ROW_BYTES,
  panelCount,
  type SampleGradPart,
  type SamplePasses,
  type TapSteps,
} from './convSteps.ts';
import { gradStripFloats } from './gradStrips.ts';

/** The gradient of a weight with more elements is computed in parts of about this size (256 KB),
 * which are folded over the grains while they are in the L2 cache. */
const PART_FLOATS = 64 * 1024;
/** With more output pixels, computing the sums takes longer than writing them. */
const FEW_PIXELS = 128;
/** Parts begin at whole strips and tiles. */
const ROW_MULTIPLE = 16;

/** The memory that the passes need besides the bordered input: packed weights, strips of the weight
 * gradient's inputs, and a bordered gradient if taps reach beyond its edge. */
export function tilesWorkspace(spec: Conv2dSpec, axes: ConvAxes): readonly WorkspaceDeclaration[] {
  const { groups, kernel, inChannels, outChannels } = spec;
  const rows = (kernel[0] * kernel[1] * inChannels) / groups;
  const plan = gradientPlan(spec, axes);
  const panels = [groups, panelCount(outChannels / groups), rows, PANEL_CHANNELS];
  const gradPanels = [(plan.groupPanelsBytes * groups) / FLOAT_BYTES];
  const paddedGrad = [plan.paddedHeight, plan.paddedWidth, outChannels];
  const stripFloats = gradStripFloats(spec, axes);
  return [
    { name: 'panels', type: 'f32', shape: panels, lifetime: 'pass' },
    { name: 'gradPanels', type: 'f32', shape: gradPanels, lifetime: 'pass' },
    ...(stripFloats > 0
      ? [{ name: 'gradStrips', type: 'f32', shape: [stripFloats], lifetime: 'pass' } as const]
      : []),
    ...(plan.isBordered
      ? [{ name: 'paddedGrad', type: 'f32', shape: paddedGrad, lifetime: 'run' } as const]
      : []),
  ];
}

/** Binds the passes of one sample. */
export function bindTiles(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
  dxBiasPtr: number,
): SamplePasses {
  const plan = planTiles(spec, axes);
  return {
    ...bindForward(spec, plan, binding),
    weightGrads: bindTileGrads(spec, axes, binding),
    ...bindInputGrad({ spec, axes, dxBiasPtr }, plan, binding),
  };
}

/** Sizes that the passes share. */
interface TilePlan extends TapSteps {
  readonly groups: number;
  /** Channels of one group, and their bytes. */
  readonly groupIn: number;
  readonly groupOut: number;
  readonly inBytes: number;
  readonly outBytes: number;
  /** The output of one sample. */
  readonly height: number;
  readonly width: number;
  readonly pixelBytes: number;
  readonly rowBytes: number;
}

function planTiles(spec: Conv2dSpec, axes: ConvAxes): TilePlan {
  const { groups } = spec;
  const groupIn = spec.inChannels / groups;
  const groupOut = spec.outChannels / groups;
  const pixelBytes = spec.outChannels * FLOAT_BYTES;
  return {
    ...forwardSteps(spec, axes),
    ...{ groups, groupIn, groupOut, pixelBytes },
    inBytes: groupIn * FLOAT_BYTES,
    outBytes: groupOut * FLOAT_BYTES,
    height: axes.y.output,
    width: axes.x.output,
    rowBytes: axes.x.output * pixelBytes,
  };
}

function bindForward(
  spec: Conv2dSpec,
  plan: TilePlan,
  binding: Binding,
): Pick<SamplePasses, 'prepare' | 'forward'> {
  const { kernels } = binding;
  const { groups, groupIn, groupOut, inBytes, outBytes, rowBytes, pixelBytes } = plan;
  const { rowStepBytes, pixelStepBytes, tapsY, tapStepYBytes, tapsX, tapStepXBytes } = plan;
  const { segmentLength, height, width } = plan;
  const rows = spec.kernel[0] * spec.kernel[1] * groupIn;
  const panelsPtr = binding.workspacePtr('panels');
  const panelsBytes = panelCount(groupOut) * rows * PANEL_ROW_BYTES;
  const weightPtr = binding.parameterPtr('weight');
  const biasPtr = spec.bias ? binding.parameterPtr('bias') : 0;
  const biasStep = spec.bias ? outBytes : 0;
  const { addendBytes, isRelu } = endingOf(binding);
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
          addendBytes,
          isRelu,
        );
      }
    },
  };
}

/** Binds the weight gradient of one sample. */
export function bindTileGrads(
  spec: Conv2dSpec,
  axes: ConvAxes,
  binding: Binding,
): SamplePasses['weightGrads'] {
  const { kernels } = binding;
  const plan = planTiles(spec, axes);
  const stripsPtr = gradStripFloats(spec, axes) > 0 ? binding.workspacePtr('gradStrips') : 0;
  const { groups, groupIn, groupOut, inBytes, outBytes, rowBytes, pixelBytes } = plan;
  const { rowStepBytes, pixelStepBytes, tapStepYBytes, tapStepXBytes, height, width } = plan;
  const gradient = (taps: TapRange): SampleGradPart['run'] => {
    const { offsetBytes, tapsY, tapsX, segmentLength } = taps;
    return (xPtr, dyPtr, gradPtr, accumulate) => {
      for (let g = 0; g < groups; g++) {
        kernels.convWeightGradTilesF32(
          xPtr + offsetBytes + g * inBytes,
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
          stripsPtr,
        );
      }
    };
  };
  if (isOnePart(spec, axes)) {
    const length = spec.kernel[0] * spec.kernel[1] * groupIn * spec.outChannels;
    return [{ range: { offset: 0, length }, run: gradient({ ...plan, offsetBytes: 0 }) }];
  }
  let offset = 0;
  return tapRanges(plan, Math.ceil(PART_FLOATS / groupOut)).map((taps) => {
    const range = { offset, length: taps.segmentLength * groupOut };
    offset += range.length;
    return { range, run: gradient(taps) };
  });
}

/** Whether the gradient is computed whole. */
export function isOnePart(
  { kernel, inChannels, outChannels, groups }: Conv2dSpec,
  { y, x }: ConvAxes,
) {
  const length = kernel[0] * kernel[1] * inChannels * outChannels;
  return groups > 1 || length <= PART_FLOATS || y.output * x.output > FEW_PIXELS;
}

/** Taps of a weight gradient, the channels of each, and the place in the input where they start. */
interface TapRange extends Pick<TapSteps, 'tapsY' | 'tapsX' | 'segmentLength'> {
  readonly offsetBytes: number;
}

/** The segments of all taps, cut into ranges of about `rows` weight rows. */
function tapRanges(plan: TilePlan, rows: number): readonly TapRange[] {
  const { tapsY, tapsX, tapStepYBytes, tapStepXBytes, segmentLength } = plan;
  const pieces = Math.max(1, Math.round(segmentLength / rows));
  const step = Math.ceil(segmentLength / pieces / ROW_MULTIPLE) * ROW_MULTIPLE;
  const ranges: TapRange[] = [];
  for (let y = 0; y < tapsY; y++) {
    for (let x = 0; x < tapsX; x++) {
      for (let from = 0; from < segmentLength; from += step) {
        const offsetBytes = y * tapStepYBytes + x * tapStepXBytes + from * FLOAT_BYTES;
        const own = Math.min(step, segmentLength - from);
        ranges.push({ offsetBytes, tapsY: 1, tapsX: 1, segmentLength: own });
      }
    }
  }
  return ranges;
}

/** Binds the input gradient: a convolution of the bordered dy for each phase of the stride. */
function bindInputGrad(
  {
    spec,
    axes,
    dxBiasPtr,
  }: { readonly spec: Conv2dSpec; readonly axes: ConvAxes; readonly dxBiasPtr: number },
  plan: TilePlan,
  binding: Binding,
): Pick<SamplePasses, 'prepareInputGrad' | 'inputGrad'> {
  const { kernels } = binding;
  const { groups, groupIn, inBytes, outBytes } = plan;
  const gradient = gradientPlan(spec, axes);
  const panelsPtr = binding.workspacePtr('gradPanels');
  const loadGradient = bindBorder(plan, gradient, binding);
  const dxPixelBytes = spec.stride[1] * spec.inChannels * FLOAT_BYTES;
  const dxRowBytes = spec.stride[0] * axes.x.input * spec.inChannels * FLOAT_BYTES;
  // Without a bias, positions that no tap reaches are zero. One fill is faster than a phase of
  // empty sums.
  const hasBias = dxBiasPtr !== 0;
  const phases = gradient.phases.filter((phase) => hasBias || phase.steps.tapsY > 0);
  const dxBytes = axes.y.input * axes.x.input * spec.inChannels * FLOAT_BYTES;
  const clearedBytes = phases.length < gradient.phases.length ? dxBytes : 0;
  return {
    prepareInputGrad: bindGradPanels(plan, { ...gradient, phases }, binding),
    inputGrad(dyPtr, dxPtr) {
      const fromPtr = loadGradient(dyPtr);
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
            panelsPtr + g * gradient.groupPanelsBytes + phase.panelsOffsetBytes,
            hasBias ? dxBiasPtr + g * inBytes : 0,
            dxPtr + phase.dxOffsetBytes + g * inBytes,
            dxRowBytes,
            dxPixelBytes,
            phase.height,
            phase.width,
            groupIn,
            0,
            0,
          );
        }
      }
    },
  };
}

/** Returns a function that packs the weights for the input gradient, phase by phase. */
function bindGradPanels(plan: TilePlan, gradient: GradientPlan, binding: Binding): () => void {
  const { kernels } = binding;
  const { groups, groupIn, groupOut, outBytes, pixelBytes } = plan;
  const { phases, groupPanelsBytes } = gradient;
  const panelsPtr = binding.workspacePtr('gradPanels');
  const weightPtr = binding.parameterPtr('weight');
  return () => {
    for (const { panelsOffsetBytes, weightOffsetsBytes, panelBytes } of phases) {
      for (let g = 0; g < groups; g++) {
        let toPtr = panelsPtr + g * groupPanelsBytes + panelsOffsetBytes;
        for (const offsetBytes of weightOffsetsBytes) {
          kernels.packTransposedPanelsF32(
            weightPtr + offsetBytes + g * outBytes,
            pixelBytes,
            groupOut,
            groupIn,
            toPtr,
            panelBytes,
          );
          toPtr += groupOut * PANEL_ROW_BYTES;
        }
      }
    }
  };
}

/** Returns the address of a sample of dy with its zero border, or of dy itself if there is no
 * border. */
function bindBorder(
  { height, rowBytes, pixelBytes }: TilePlan,
  gradient: GradientPlan,
  binding: Binding,
): (dyPtr: number) => number {
  if (!gradient.isBordered) return (dyPtr) => dyPtr;
  const { kernels } = binding;
  const paddedPtr = binding.workspacePtr('paddedGrad');
  const paddedRowBytes = gradient.paddedWidth * pixelBytes;
  const insidePtr =
    paddedPtr + gradient.topRows * paddedRowBytes + gradient.leftColumns * pixelBytes;
  const length = rowBytes / FLOAT_BYTES;
  return (dyPtr) => {
    kernels.copyRowsF32(dyPtr, rowBytes, insidePtr, paddedRowBytes, height, length);
    return paddedPtr;
  };
}
