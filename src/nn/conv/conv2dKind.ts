// 2-d convolution over [H, W, C] (cross-correlation, as PyTorch's Conv2d). Weight
// [KH, KW, IC/groups, OC]. Implicit matrix products on one padded sample at a time
// (kernels/abi/conv.ts); weights are packed into panels once per step. The weight gradient is
// summed sample by sample within a grain, then over grains.

import { UsageError } from '../../base/errors.ts';
import { channelsOf, type Shape, showShape, sizeOf, sizesDiffer } from '../../base/shape.ts';
import type {
  LayerKind,
  ParameterDeclaration,
  WeightMatrix,
  WorkspaceDeclaration,
} from '../layers/layer.ts';
import { TORCH_CONV2D } from '../layers/torchForm.ts';
import {
  bindStandardized,
  standardizedStatistics,
  standardizedWorkspace,
} from '../layers/weightStandardization.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import { bindConv2d, convWorkspace, readsBySample, takesEnding } from './conv2dPasses.ts';
import { axisOf } from './convGeometry.ts';
import type { ConvAxes } from './convSteps.ts';

/** Both axes of a convolution over an input of the given shape. */
export function convAxes(spec: Conv2dSpec, input: Shape): ConvAxes {
  return { y: axisOf(spec, input, 0), x: axisOf(spec, input, 1) };
}

export const conv2dKind: LayerKind<Conv2dSpec> = {
  kind: 'conv2d',
  keeps: { input: true, output: false },
  readsBySample: (spec, input) => readsBySample(spec, convAxes(spec, input)),

  expectedInput: ({ inChannels }) => [Number.NaN, Number.NaN, inChannels],

  outputShape(spec, input, path) {
    if (input.length !== 3 || sizesDiffer(channelsOf(input), spec.inChannels)) {
      throw new UsageError({
        what: `input of ${path}`,
        given: showShape(input),
        allowed: `HxWx${spec.inChannels}`,
        hint: `inChannels ${channelsOf(input)}, or another layer before it`,
      });
    }
    const { y, x } = convAxes(spec, input);
    if (y.output < 1 || x.output < 1) {
      throw new UsageError({
        what: `input of ${path}`,
        given: showShape(input),
        allowed: `at least the reach of its kernel, ${showShape([
          y.dilation * (y.kernel - 1) + 1 - y.before - y.after,
          x.dilation * (x.kernel - 1) + 1 - x.before - x.after,
        ])}`,
        hint: 'a smaller kernel or more padding',
      });
    }
    return [y.output, x.output, spec.outChannels];
  },

  parameters(spec): readonly ParameterDeclaration[] {
    const { kernel, inChannels, outChannels, groups, init } = spec;
    const area = kernel[0] * kernel[1];
    const fanIn = (area * inChannels) / groups;
    const fanOut = (area * outChannels) / groups;
    const weight: ParameterDeclaration = {
      name: 'weight',
      shape: [kernel[0], kernel[1], inChannels / groups, outChannels],
      role: 'weight',
      init: { kind: init, fanIn, fanOut },
      torch: TORCH_CONV2D,
    };
    if (!spec.bias) return [weight];
    return [
      weight,
      { name: 'bias', shape: [outChannels], role: 'bias', init: { kind: 'torch', fanIn, fanOut } },
    ];
  },

  fusesUntrained: (spec, input) => takesEnding(spec, convAxes(spec, input)),

  workspace: (spec, input): readonly WorkspaceDeclaration[] => [
    ...convWorkspace(spec, convAxes(spec, input)),
    ...(spec.weightStandardization ? standardizedWorkspace(weightMatrix(spec)) : []),
  ],
  statistics: (spec) =>
    spec.weightStandardization ? standardizedStatistics(weightMatrix(spec)) : [],
  weightMatrix,
  multiplyAdds: (spec, _input, output) => weightMatrix(spec).fanIn * sizeOf(output),
  bind(spec, binding) {
    const axes = convAxes(spec, binding.input.shape);
    if (!spec.weightStandardization) return bindConv2d(spec, axes, binding);
    return bindStandardized(binding, weightMatrix(spec), (own) => bindConv2d(spec, axes, own));
  },
};

function weightMatrix({ kernel, inChannels, outChannels, groups }: Conv2dSpec): WeightMatrix {
  return { fanIn: (kernel[0] * kernel[1] * inChannels) / groups, outputs: outChannels };
}
