// Implements convolutions and pools of sequences [L, C], as those of images with one row. Weight
// [K, IC/groups, OC].

import { UsageError } from '../../base/errors.ts';
import { channelsOf, type Shape, showShape, sizesDiffer } from '../../base/shape.ts';
import type { BoundTensor, LayerKind } from '../layers/layer.ts';
import { TORCH_CONV1D } from '../layers/torchForm.ts';
import type { Conv1dSpec } from '../specs/conv1d.ts';
import type { Conv2dSpec } from '../specs/conv2d.ts';
import type { Padding, Padding1d, Pair } from '../specs/options.ts';
import type { AvgPoolSpec, MaxPoolSpec } from '../specs/pools.ts';
import type { AvgPool1dSpec, MaxPool1dSpec, PoolWindow1d } from '../specs/pools1d.ts';
import { conv2dKind } from './conv2dKind.ts';
import { axisOf, type Windows } from './convGeometry.ts';
import { avgPoolKind, maxPoolKind } from './poolKinds.ts';

type SequenceSpec = Conv1dSpec | MaxPool1dSpec | AvgPool1dSpec;

/** The sequence as an image of one row. */
export function asImage(sequence: Shape): Shape {
  return [1, ...sequence];
}

function rowOf(tensor: BoundTensor): BoundTensor {
  return { ...tensor, shape: asImage(tensor.shape) };
}

/** Windows of one row. */
export function windowOf({ kernel, stride, padding }: PoolWindow1d): {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
} {
  return { kernel: [1, kernel], stride: [1, stride], padding: rowPadding(padding) };
}

function rowPadding(padding: Padding1d): Padding {
  if (padding === 'same') return padding;
  return typeof padding === 'number' ? [0, padding] : { top: 0, bottom: 0, ...padding };
}

/** Makes a kind for sequences from the one for images. */
function overSequences<Spec extends SequenceSpec, Image extends Windows>(
  kind: Spec['kind'],
  images: LayerKind<Image>,
  imageOf: (spec: Spec) => Image,
): LayerKind<Spec> {
  return {
    kind,
    keeps: images.keeps,
    readsBySample: (spec, input) => images.readsBySample?.(imageOf(spec), asImage(input)) === true,
    outputShape(spec, input, path): Shape {
      const channels = 'inChannels' in spec ? spec.inChannels : Number.NaN;
      const isFitting = input.length === 2 && !sizesDiffer(channelsOf(input), channels);
      const axis = axisOf(imageOf(spec), asImage(input), 1);
      if (isFitting && !(axis.output < 1)) {
        return [axis.output, 'outChannels' in spec ? spec.outChannels : channelsOf(input)];
      }
      const least = axis.dilation * (axis.kernel - 1) + 1 - axis.before - axis.after;
      throw new UsageError({
        what: `input of ${path}`,
        given: showShape(input),
        allowed: isFitting
          ? `at least the reach of its kernel, ${least} positions`
          : `a sequence, ${showShape([Number.NaN, channels])}`,
        hint: isFitting ? 'a smaller kernel or more padding' : 'reshape([length, channels])',
      });
    },
    torchOrder: { isSequenceChannelsFirst: true },
    workspace: (spec, input, size) => images.workspace?.(imageOf(spec), asImage(input), size) ?? [],
    bind: (spec, binding) =>
      images.bind(imageOf(spec), {
        ...binding,
        input: rowOf(binding.input),
        output: rowOf(binding.output),
      }),
  };
}

function convolutionOf(spec: Conv1dSpec): Conv2dSpec {
  const image = { ...spec, ...windowOf(spec), dilation: [1, spec.dilation] } as const;
  return { ...image, kind: 'conv2d', algorithm: 'auto' };
}

export const conv1dKind: LayerKind<Conv1dSpec> = {
  ...overSequences('conv1d', conv2dKind, convolutionOf),
  expectedInput: ({ inChannels }) => [Number.NaN, inChannels],
  parameters: (spec, input) =>
    conv2dKind.parameters!(convolutionOf(spec), asImage(input)).map((parameter) =>
      parameter.name === 'weight'
        ? { ...parameter, shape: parameter.shape.slice(1), torch: TORCH_CONV1D }
        : parameter,
    ),
  statistics: (spec, input) => conv2dKind.statistics!(convolutionOf(spec), asImage(input)),
  weightMatrix: (spec) => conv2dKind.weightMatrix!(convolutionOf(spec)),
  multiplyAdds: (spec, input, output) =>
    conv2dKind.multiplyAdds!(convolutionOf(spec), asImage(input), asImage(output)),
};

export const maxPool1dKind: LayerKind<MaxPool1dSpec> = overSequences(
  'maxPool1d',
  maxPoolKind,
  (spec): MaxPoolSpec => ({ kind: 'maxPool', ...windowOf(spec) }),
);

export const avgPool1dKind: LayerKind<AvgPool1dSpec> = overSequences(
  'avgPool1d',
  avgPoolKind,
  (spec): AvgPoolSpec => ({
    kind: 'avgPool',
    ...windowOf(spec),
    countIncludePad: spec.countIncludePad,
  }),
);
