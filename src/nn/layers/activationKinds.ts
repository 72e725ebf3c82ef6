// Implements the activation functions: layers that change each element on its own and keep the
// shape. The formulas are in kernels/abi/pointwise.ts and ramp.ts. If the derivative follows from
// the output, the memory of the input is freed.

import { FLOAT_BYTES } from '../../base/bytes.ts';
import { sizeOf } from '../../base/shape.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import type {
  ActivationSpec,
  EluSpec,
  GeluSpec,
  HardSigmoidSpec,
  HardSwishSpec,
  LeakyReluSpec,
  Relu6Spec,
  ReluSpec,
  SigmoidSpec,
  SiluSpec,
  TanhSpec,
} from '../specs/activations.ts';
import type { Binding, BoundLayer, BoundTensor, LayerKind } from './layer.ts';

/** Those that are computed again in backward, from an input that after a norm is not stored either:
 * that takes no longer than reading what was stored. An exponential takes longer. */
const CHEAP: ReadonlySet<ActivationSpec['kind']> = new Set(['relu6', 'hardSwish']);

/** The two passes of an activation over n elements. `savedPtr` is the tensor that is kept for
 * backward. */
interface Passes {
  forward(xPtr: number, yPtr: number, n: number): void;
  backward(dyPtr: number, savedPtr: number, dxPtr: number, n: number): void;
}

export const reluKind = activationKind<ReluSpec>('relu', 'output', (kernels) => ({
  forward: kernels.reluF32,
  backward: kernels.reluGradF32,
}));

export const leakyReluKind = activationKind<LeakyReluSpec>(
  'leakyRelu',
  'output',
  (kernels, { negativeSlope }) => ({
    forward: (xPtr, yPtr, n) => kernels.leakyReluF32(xPtr, yPtr, n, negativeSlope),
    backward: (dyPtr, yPtr, dxPtr, n) =>
      kernels.leakyReluGradF32(dyPtr, yPtr, dxPtr, n, negativeSlope),
  }),
);

/** min(max(x, 0), 6). */
export const relu6Kind = activationKind<Relu6Spec>('relu6', 'input', (kernels) => ({
  forward: (xPtr, yPtr, n) => kernels.rampF32(xPtr, yPtr, n, 0, 6, 1),
  backward: (dyPtr, xPtr, dxPtr, n) => kernels.rampGradF32(dyPtr, xPtr, dxPtr, n, 6, 1),
}));

export const eluKind = activationKind<EluSpec>('elu', 'output', (kernels, { alpha }) => ({
  forward: (xPtr, yPtr, n) => kernels.eluF32(xPtr, yPtr, n, alpha),
  backward: (dyPtr, yPtr, dxPtr, n) => kernels.eluGradF32(dyPtr, yPtr, dxPtr, n, alpha),
}));

/** The constants of gelu's tanh form, 2 sqrt(2 / pi) and 0.044715 (Hendrycks and Gimpel 2016). */
const GELU_SLOPE = 2 * 0.7978845608028654;
const GELU_CUBE = 0.044715;

export const geluKind = activationKind<GeluSpec>('gelu', 'input', (kernels, { approximate }) =>
  approximate === 'none'
    ? { forward: kernels.geluF32, backward: kernels.geluGradF32 }
    : gatedPasses(kernels, GELU_SLOPE, GELU_CUBE),
);

export const siluKind = activationKind<SiluSpec>('silu', 'input', (kernels) =>
  gatedPasses(kernels, 1, 0),
);

export const sigmoidKind = activationKind<SigmoidSpec>('sigmoid', 'output', (kernels) => ({
  forward: kernels.sigmoidF32,
  backward: kernels.sigmoidGradF32,
}));

export const tanhKind = activationKind<TanhSpec>('tanh', 'output', (kernels) => ({
  forward: kernels.tanhF32,
  backward: kernels.tanhGradF32,
}));

/** relu6(x + 3) / 6. */
export const hardSigmoidKind = activationKind<HardSigmoidSpec>(
  'hardSigmoid',
  'output',
  (kernels) => ({
    forward: (xPtr, yPtr, n) => kernels.rampF32(xPtr, yPtr, n, 3, 6, 1 / 6),
    backward: (dyPtr, yPtr, dxPtr, n) => kernels.rampGradF32(dyPtr, yPtr, dxPtr, n, 1, 1 / 6),
  }),
);

export const hardSwishKind = activationKind<HardSwishSpec>('hardSwish', 'input', (kernels) => ({
  forward: (xPtr, yPtr, n) => kernels.rampGatedF32(xPtr, yPtr, n, 3, 6, 1 / 6),
  backward: (dyPtr, xPtr, dxPtr, n) =>
    kernels.rampGatedGradF32(dyPtr, xPtr, dxPtr, n, 3, 6, 1 / 6, 1),
}));

/** All elementwise activations without parameters. */
export const activationKinds = [
  ...[eluKind, geluKind, hardSigmoidKind, hardSwishKind, leakyReluKind],
  ...[reluKind, relu6Kind, siluKind, sigmoidKind, tanhKind],
];

function activationKind<Spec extends ActivationSpec>(
  kind: Spec['kind'],
  keeps: 'input' | 'output',
  passesOf: (kernels: KernelExports, spec: Spec) => Passes,
): LayerKind<Spec> {
  return {
    kind,
    keeps: { input: keeps === 'input', output: keeps === 'output' },
    gradientInPlace: true,
    derivesOutput: () => CHEAP.has(kind),
    readsBySample: () => keeps === 'input',
    outputShape: (_spec, input) => input,
    bind: (spec, binding) => bindPasses(passesOf(binding.kernels, spec), binding, binding[keeps]),
  };
}

/** x times a sigmoid of slope (x + cube x^3). */
function gatedPasses(kernels: KernelExports, slope: number, cube: number): Passes {
  return {
    forward: (xPtr, yPtr, n) => kernels.gatedF32(xPtr, yPtr, n, slope, cube),
    backward: (dyPtr, xPtr, dxPtr, n) => kernels.gatedGradF32(dyPtr, xPtr, dxPtr, n, slope, cube),
  };
}

function bindPasses(passes: Passes, binding: Binding, saved: BoundTensor): BoundLayer {
  const { step, input, output } = binding;
  const { sampleAt } = saved;
  const size = sizeOf(input.shape);
  const sampleBytes = size * FLOAT_BYTES;
  return {
    forward() {
      passes.forward(input.ptr, output.ptr, step.countSamples * size);
    },
    backward() {
      if (input.gradPtr === 0) return;
      if (sampleAt === undefined) {
        passes.backward(output.gradPtr, saved.ptr, input.gradPtr, step.countSamples * size);
        return;
      }
      for (let sample = 0; sample < step.countSamples; sample++) {
        const at = sample * sampleBytes;
        passes.backward(output.gradPtr + at, sampleAt(sample), input.gradPtr + at, size);
      }
    },
    derive(sample, toPtr) {
      input.derive?.(sample, toPtr);
      const fromPtr = input.derive === undefined ? input.ptr + sample * sampleBytes : toPtr;
      passes.forward(fromPtr, toPtr, size);
    },
  };
}
