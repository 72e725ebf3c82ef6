// Root mean square normalization as a layer. The math is in norm/rmsNorm.ts.

import { type Shape, showShape, sizeOf } from '../../base/shape.ts';
import { bindRmsNorm } from '../../norm/rmsNorm.ts';
import type { LayerKind } from '../layers/layer.ts';
import type { RmsNormSpec } from '../specs/rmsNorm.ts';
import {
  checkLastAxes,
  lastAxesTraits,
  meanSquareStatistics,
  normSetup,
  normWeight,
} from './normShared.ts';

export const rmsNormKind: LayerKind<RmsNormSpec> = {
  kind: 'rmsNorm',
  keeps: { input: true, output: false },
  outputShape: (spec, input, path) => checkLastAxes(path, input, spec.normalizedShape),
  parameters: (spec) => (spec.affine ? [normWeight(spec.normalizedShape, spec.weightInit)] : []),
  workspace: (spec, input, { capacity }) => [
    { name: 'invRms', type: 'f64', shape: [capacity, rowsOf(spec, input)] },
  ],
  statistics: ({ normalizedShape, eps }) =>
    meanSquareStatistics(`sample over ${showShape(normalizedShape)}`, sizeOf(normalizedShape), eps),
  norm: lastAxesTraits('rmsNorm'),
  bind: (spec, binding) =>
    bindRmsNorm({
      ...normSetup(spec, binding, { weight: spec.affine, bias: false }),
      length: sizeOf(spec.normalizedShape),
      rowsPerSample: rowsOf(spec, binding.input.shape),
      invRmsPtr: binding.workspacePtr('invRms'),
    }),
};

function rowsOf(spec: RmsNormSpec, input: Shape): number {
  return sizeOf(input) / sizeOf(spec.normalizedShape);
}
