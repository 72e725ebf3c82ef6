// Filter response normalization as a layer. The math is in norm/filterResponseNorm.ts.

import { sizeOf } from '../../base/shape.ts';
import { bindFilterResponseNorm } from '../../norm/filterResponseNorm.ts';
import type { LayerKind } from '../layers/layer.ts';
import type { FilterResponseNormSpec } from '../specs/filterResponseNorm.ts';
import {
  affineParameters,
  affineSetup,
  checkChannels,
  meanSquareStatistics,
  normZeros,
} from './normShared.ts';

export const filterResponseNormKind: LayerKind<FilterResponseNormSpec> = {
  kind: 'filterResponseNorm',
  keeps: { input: true, output: false },
  outputShape: (spec, input, path) => checkChannels(path, input, spec.channels),
  parameters: ({ channels, affine, tlu, weightInit }) => [
    ...(affine ? affineParameters([channels], weightInit) : []),
    ...(tlu ? [normZeros('threshold', [channels])] : []),
  ],
  workspace: ({ channels }, _input, { capacity }) => [
    { name: 'coefficients', type: 'f64', shape: [capacity, 4 * channels] },
    { name: 'sums', type: 'f64', shape: [3, channels], lifetime: 'run' },
  ],
  statistics: ({ channels, eps }, input) =>
    meanSquareStatistics('channel', sizeOf(input) / channels, eps),
  norm: {
    normKind: () => 'filterResponseNorm',
    describe: () => 'filterResponseNorm',
    scope: () => 'sample, each channel',
    channels: ({ channels }) => channels,
    values: (_spec, { positions }) => positions,
    hasActivation: ({ tlu }) => tlu,
  },
  bind: (spec, binding) =>
    bindFilterResponseNorm({
      ...affineSetup(spec, binding),
      channels: spec.channels,
      rowsPerSample: sizeOf(binding.input.shape) / spec.channels,
      thresholdPtr: spec.tlu ? binding.parameterPtr('threshold') : 0,
      thresholdGrad: spec.tlu ? binding.gradient('threshold') : undefined,
      coefficientsPtr: binding.workspacePtr('coefficients'),
      sumsPtr: binding.workspacePtr('sums'),
    }),
};
