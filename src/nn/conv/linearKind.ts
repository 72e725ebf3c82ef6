// Fully connected layer, y = x W + b (PyTorch's Linear, with the weight transposed). Weight
// [in, out]. An input with several axes is treated as a flat vector.

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
import { TORCH_LINEAR } from '../layers/torchForm.ts';
import {
  bindStandardized,
  standardizedStatistics,
  standardizedWorkspace,
} from '../layers/weightStandardization.ts';
import type { LinearSpec } from '../specs/linear.ts';
import { PANEL_CHANNELS, panelCount } from './convSteps.ts';
import { bindWeight, type Vectors, vectorsAt } from './vectorProducts.ts';

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
      torch: TORCH_LINEAR,
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
      lifetime: 'pass',
    },
    {
      name: 'gradPanels',
      type: 'f32',
      shape: [panelCount(spec.inFeatures), spec.outFeatures, PANEL_CHANNELS],
      lifetime: 'pass',
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
  const { input, output } = binding;
  const { inFeatures, outFeatures } = spec;
  const weight = bindWeight(binding, {
    ptr: binding.parameterPtr('weight'),
    rows: inFeatures,
    columns: outFeatures,
    biasPtr: spec.bias ? binding.parameterPtr('bias') : 0,
    panelsPtr: binding.workspacePtr('panels'),
    gradPanelsPtr: binding.workspacePtr('gradPanels'),
    gradient: binding.gradient('weight'),
  });
  const foldBias = spec.bias ? bindBiasGradient(binding, 1) : undefined;
  const features = (ptr: number, length: number): Vectors =>
    vectorsAt(ptr, { stepBytes: 0, sampleBytes: length * FLOAT_BYTES, length });
  const x = features(input.ptr, inFeatures);
  const y = features(output.ptr, outFeatures);
  const dx = features(input.gradPtr, inFeatures);
  const dy = features(output.gradPtr, outFeatures);

  return {
    forward() {
      weight.packForward();
      weight.multiply(x, y, 1);
    },
    backward() {
      weight.foldGradient(x, dy, 1);
      foldBias?.();
      if (input.gradPtr === 0) return;
      weight.packBackward();
      weight.multiplyBack(dy, dx, 1);
    },
  };
}
