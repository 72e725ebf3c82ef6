// 2-d transposed convolution over [H, W, C] (PyTorch's ConvTranspose2d): the transpose of the
// convolution that maps this layer's output shape to its input shape. The forward pass here is that
// convolution's input gradient, the input gradient is its forward pass, and the weight gradient has
// input and output exchanged, as does the weight, [KH, KW, OC/groups, IC].

import { UsageError } from '../../base/errors.ts';
import { channelsOf, type Shape, showShape, sizeOf, sizesDiffer } from '../../base/shape.ts';
import { bindBiasGradient } from '../layers/biasGradient.ts';
import type {
  Binding,
  BoundLayer,
  BoundTensor,
  LayerKind,
  ParameterDeclaration,
  WeightMatrix,
} from '../layers/layer.ts';
import { TORCH_CONV2D } from '../layers/torchForm.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import type { ConvTranspose2dSpec } from '../specs/convTranspose2d.ts';
import { bindPasses, bindWeightGradient, convWorkspace } from './conv2dPasses.ts';
import type { ConvAxis } from './convGeometry.ts';
import type { ConvAxes } from './convSteps.ts';

/** The convolution that this layer transposes, without a bias. */
export function convolutionOf(spec: ConvTranspose2dSpec): Conv2dSpec {
  const { outputPadding: _outputPadding, ...same } = spec;
  return {
    ...same,
    kind: 'conv2d',
    inChannels: spec.outChannels,
    outChannels: spec.inChannels,
    bias: false,
    weightStandardization: false,
  };
}

/** Both axes of that convolution for an input of this layer with the given shape. */
export function transposedAxes(spec: ConvTranspose2dSpec, input: Shape): ConvAxes {
  const axis = (i: 0 | 1): ConvAxis => {
    const [kernel, stride, dilation] = [spec.kernel[i], spec.stride[i], spec.dilation[i]];
    const [padding, output] = [spec.padding[i], input[i]!];
    const whole = (output - 1) * stride + dilation * (kernel - 1) + 1;
    return {
      input: whole - 2 * padding + spec.outputPadding[i],
      ...{ output, kernel, stride, dilation, before: padding, after: padding },
    };
  };
  return { y: axis(0), x: axis(1) };
}

export const convTranspose2dKind: LayerKind<ConvTranspose2dSpec> = {
  kind: 'convTranspose2d',
  keeps: { input: true, output: false },

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
    const { y, x } = transposedAxes(spec, input);
    if (y.input < 1 || x.input < 1) {
      throw new UsageError({
        what: `input of ${path}`,
        given: showShape(input),
        allowed: `one large enough for padding ${showShape(spec.padding)} to leave an output`,
        hint: 'less padding',
      });
    }
    return [y.input, x.input, spec.outChannels];
  },

  parameters(spec): readonly ParameterDeclaration[] {
    const { kernel, inChannels, outChannels, groups, init } = spec;
    const area = kernel[0] * kernel[1];
    // PyTorch counts a neuron's inputs as it does for the convolution.
    const fanIn = (area * outChannels) / groups;
    const fanOut = (area * inChannels) / groups;
    const weight: ParameterDeclaration = {
      name: 'weight',
      shape: [kernel[0], kernel[1], outChannels / groups, inChannels],
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

  workspace: (spec, input) => convWorkspace(convolutionOf(spec), transposedAxes(spec, input)),
  weightMatrix,
  multiplyAdds: (spec, input) =>
    (sizeOf(input) * spec.kernel[0] * spec.kernel[1] * spec.outChannels) / spec.groups,
  bind: bindConvTranspose2d,
};

/** Rows of the weight are (tap, output channel of a group), columns input channels. */
function weightMatrix(spec: ConvTranspose2dSpec): WeightMatrix {
  const { kernel, inChannels, outChannels, groups } = spec;
  const groupIn = inChannels / groups;
  const groupOut = outChannels / groups;
  return {
    fanIn: kernel[0] * kernel[1] * groupIn,
    outputs: outChannels,
    outputOf(element) {
      const group = Math.floor((element % inChannels) / groupIn);
      return group * groupOut + (Math.floor(element / inChannels) % groupOut);
    },
  };
}

/** Exchanges values and gradients, which is how the convolution sees them. */
function exchanged({ shape, ptr, gradPtr }: BoundTensor): BoundTensor {
  return { shape, ptr: gradPtr, gradPtr: ptr };
}

function bindConvTranspose2d(spec: ConvTranspose2dSpec, binding: Binding): BoundLayer {
  const { step, input, output } = binding;
  const convolution = convolutionOf(spec);
  const axes = transposedAxes(spec, input.shape);
  const turned = { ...binding, input: exchanged(output), output: exchanged(input) };
  const biasPtr = spec.bias ? binding.parameterPtr('bias') : 0;
  const passes = bindPasses(convolution, axes, turned, biasPtr);
  const foldWeight = bindWeightGradient(turned, passes);
  const foldBias = spec.bias ? bindBiasGradient(binding, axes.y.input * axes.x.input) : undefined;
  return {
    forward() {
      passes.inputGrad(step.countSamples);
    },
    backward() {
      foldWeight?.();
      foldBias?.();
      if (input.gradPtr !== 0) passes.forward(step.countSamples);
    },
  };
}
