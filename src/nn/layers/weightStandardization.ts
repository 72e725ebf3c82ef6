// Weight standardization (Qiao et al. 2019) of conv2d and linear: each output channel's weights
// minus their mean, divided by their standard deviation, sqrt(biased var + eps) with the paper's
// 1e-5 (timm's StdConv2d: the same with 1e-6). A weight is [fanIn, outputs], so this is batch
// normalization of its columns, with the same kernels. The layer itself is bound to the
// standardized weight. Every worker computes all of it, so bits do not depend on the number of
// workers.

import { DOUBLE_BYTES } from '../../base/bytes.ts';
import { coefficientsLength } from '../../norm/batchNorm.ts';
import type { GradientSink } from '../../reduce/gradientSink.ts';
import type {
  Binding,
  BoundLayer,
  StatisticsDeclaration,
  WeightMatrix,
  WorkspaceDeclaration,
} from './layer.ts';

/** Added to the variance of an output channel's weights. */
export const WEIGHT_STANDARDIZATION_EPS = 1e-5;

/** The statistics that it computes of each output channel's weights. */
export function standardizedStatistics({ fanIn }: WeightMatrix): readonly StatisticsDeclaration[] {
  const cure = 'weightStandardization: false for this layer';
  return [{ per: "output channel's weights", values: fanIn, cure }];
}

/** The memory that the standardization needs. */
export function standardizedWorkspace({
  fanIn,
  outputs,
}: WeightMatrix): readonly WorkspaceDeclaration[] {
  return [
    { name: 'standardized', type: 'f32', shape: [fanIn, outputs], lifetime: 'run' },
    { name: 'standardizedGrad', type: 'f32', shape: [fanIn, outputs], lifetime: 'run' },
    // Coefficients and gradient coefficients, sums, moments.
    {
      name: 'statistics',
      type: 'f64',
      shape: [coefficientsLength(outputs, 1) + 2 * outputs + 1 + 2 * outputs],
      lifetime: 'run',
    },
  ];
}

/** Binds a layer to standardized weights. They are computed at the start of each forward pass, and
 * the gradient of each grain is propagated back through the standardization before it is folded. */
export function bindStandardized(
  binding: Binding,
  { fanIn, outputs }: WeightMatrix,
  bindLayer: (binding: Binding) => BoundLayer,
): BoundLayer {
  const { kernels } = binding;
  const weightPtr = binding.parameterPtr('weight');
  const standardizedPtr = binding.workspacePtr('standardized');
  const gradPtr = binding.workspacePtr('standardizedGrad');
  const arrayBytes = outputs * DOUBLE_BYTES;
  const coefficientsPtr = binding.workspacePtr('statistics');
  const gradCoefficientsPtr = coefficientsPtr + 4 * arrayBytes;
  const sumsPtr = coefficientsPtr + coefficientsLength(outputs, 1) * DOUBLE_BYTES;
  const momentsPtr = sumsPtr + 2 * arrayBytes;
  const meanPtr = momentsPtr + DOUBLE_BYTES;
  const sink = binding.gradient('weight');

  const gradient: GradientSink | undefined = sink && {
    leafPtr: () => gradPtr,
    fold(grain) {
      kernels.normGradSumsF32(
        weightPtr,
        gradPtr,
        fanIn,
        outputs,
        coefficientsPtr,
        gradCoefficientsPtr,
        sumsPtr,
      );
      kernels.batchNormGradCoefficients(
        sumsPtr,
        momentsPtr,
        outputs,
        coefficientsPtr,
        gradCoefficientsPtr,
      );
      const leafPtr = sink.leafPtr(grain);
      kernels.normInputGradF32(weightPtr, gradPtr, leafPtr, fanIn, outputs, gradCoefficientsPtr);
      sink.fold(grain);
    },
  };
  const bound = bindLayer({
    ...binding,
    parameterPtr: (name) => (name === 'weight' ? standardizedPtr : binding.parameterPtr(name)),
    gradient: (name) => (name === 'weight' ? gradient : binding.gradient(name)),
  });
  return {
    ...bound,
    forward() {
      kernels.momentsF32(weightPtr, fanIn, outputs, coefficientsPtr, momentsPtr);
      kernels.batchNormCoefficients(
        meanPtr,
        meanPtr + arrayBytes,
        momentsPtr,
        outputs,
        WEIGHT_STANDARDIZATION_EPS,
        0,
        0,
        coefficientsPtr,
      );
      kernels.normalizeF32(weightPtr, standardizedPtr, fanIn, outputs, coefficientsPtr);
      bound.forward();
    },
  };
}
