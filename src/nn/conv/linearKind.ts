// Fully connected layer, y = x W + b (PyTorch's Linear, with the weight transposed). Weight [in,
// out]. An input of several axes is taken as a flat vector. Runs on the convolution's kernels: the
// samples are the pixels of one row, the features its channels.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { UsageError } from '../../base/errors.ts';
import { type Shape, showShape, sizeOf, sizesDiffer } from '../../base/shape.ts';
import { bindBiasGradient } from '../layers/biasGradient.ts';
import type {
  Binding,
  BoundLayer,
  LayerKind,
  ParameterDeclaration,
  WeightMatrix,
} from '../layers/layer.ts';
import {
  bindStandardized,
  standardizedStatistics,
  standardizedWorkspace,
} from '../layers/weightStandardization.ts';
import type { LinearSpec } from '../specs/linear.ts';
import { PANEL_CHANNELS, PANEL_ROW_BYTES, panelCount } from './convSteps.ts';

export const linearKind: LayerKind<LinearSpec> = {
  kind: 'linear',
  keeps: { input: true, output: false },

  expectedInput: ({ inFeatures }) => [inFeatures],

  outputShape(spec, input, path): Shape {
    if (sizesDiffer(sizeOf(input), spec.inFeatures)) {
      throw new UsageError({
        what: `input of ${path}`,
        given: `${showShape(input)} (${sizeOf(input)} features)`,
        allowed: `${spec.inFeatures} features`,
        hint: `inFeatures ${sizeOf(input)}, or another layer before it`,
      });
    }
    return [spec.outFeatures];
  },

  parameters(spec): readonly ParameterDeclaration[] {
    const fans = { fanIn: spec.inFeatures, fanOut: spec.outFeatures };
    const shape = [spec.inFeatures, spec.outFeatures];
    const weight: ParameterDeclaration = {
      name: 'weight',
      shape,
      role: 'weight',
      init: { kind: spec.init, ...fans },
    };
    if (!spec.bias) return [weight];
    const bias = { name: 'bias', shape: [spec.outFeatures], role: 'bias' } as const;
    return [weight, { ...bias, init: { kind: 'torch', ...fans } }];
  },

  workspace: (spec) => [
    {
      name: 'panels',
      type: 'f32',
      shape: [panelCount(spec.outFeatures), spec.inFeatures, PANEL_CHANNELS],
      isScratch: true,
    },
    {
      name: 'gradPanels',
      type: 'f32',
      shape: [panelCount(spec.inFeatures), spec.outFeatures, PANEL_CHANNELS],
      isScratch: true,
    },
    ...(spec.weightStandardization ? standardizedWorkspace(weightMatrix(spec)) : []),
  ],
  statistics: (spec) =>
    spec.weightStandardization ? standardizedStatistics(weightMatrix(spec)) : [],
  weightMatrix,
  multiplyAdds: (spec) => spec.inFeatures * spec.outFeatures,
  bind(spec, binding) {
    if (!spec.weightStandardization) return bindLinear(spec, binding);
    return bindStandardized(binding, weightMatrix(spec), (own) => bindLinear(spec, own));
  },
};

function weightMatrix({ inFeatures, outFeatures }: LinearSpec): WeightMatrix {
  return { fanIn: inFeatures, outputs: outFeatures };
}

function bindLinear(spec: LinearSpec, binding: Binding): BoundLayer {
  const { kernels, step, input, output } = binding;
  const { inFeatures, outFeatures } = spec;
  const panelsPtr = binding.workspacePtr('panels');
  const gradPanelsPtr = binding.workspacePtr('gradPanels');
  const weightPtr = binding.parameterPtr('weight');
  const biasPtr = spec.bias ? binding.parameterPtr('bias') : 0;
  const weightGrad = binding.gradient('weight');
  const foldBias = spec.bias ? bindBiasGradient(binding, 1) : undefined;
  const inBytes = inFeatures * FLOAT_BYTES;
  const outBytes = outFeatures * FLOAT_BYTES;
  const panelBytes = outFeatures * PANEL_ROW_BYTES;

  // One row of `samples` pixels, a single tap that is the whole feature vector.
  const multiply = (
    fromPtr: number,
    fromFeatures: number,
    packedPtr: number,
    toPtr: number,
    toFeatures: number,
    addPtr: number,
  ): void => {
    const fromBytes = fromFeatures * FLOAT_BYTES;
    const toBytes = toFeatures * FLOAT_BYTES;
    kernels.convTilesF32(
      fromPtr,
      0,
      fromBytes,
      1,
      fromBytes,
      1,
      fromBytes,
      fromFeatures,
      packedPtr,
      addPtr,
      toPtr,
      0,
      toBytes,
      1,
      step.countSamples,
      toFeatures,
    );
  };

  const foldWeightGradient = (grain: number): void => {
    const start = step.grainStart[grain]!;
    const samples = step.grainStart[grain + 1]! - start;
    const xPtr = input.ptr + start * inBytes;
    const dyPtr = output.gradPtr + start * outBytes;
    kernels.convWeightGradTilesF32(
      xPtr,
      0,
      inBytes,
      1,
      inBytes,
      1,
      inBytes,
      inFeatures,
      dyPtr,
      0,
      outBytes,
      1,
      samples,
      outFeatures,
      weightGrad.leafPtr(grain),
      outBytes,
      0,
    );
    weightGrad.fold(grain);
  };

  return {
    forward() {
      kernels.packPanelsF32(weightPtr, outBytes, inFeatures, outFeatures, panelsPtr);
      multiply(input.ptr, inFeatures, panelsPtr, output.ptr, outFeatures, biasPtr);
    },
    backward() {
      for (let grain = 0; grain < binding.countGrains; grain++) foldWeightGradient(grain);
      foldBias?.();
      if (input.gradPtr === 0) return;
      kernels.packTransposedPanelsF32(
        weightPtr,
        outBytes,
        outFeatures,
        inFeatures,
        gradPanelsPtr,
        panelBytes,
      );
      multiply(output.gradPtr, outFeatures, gradPanelsPtr, input.gradPtr, inFeatures, 0);
    },
  };
}
