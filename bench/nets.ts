// The nets of the benchmarks: the two that are trained by default, larger ones to train, and, for
// kernels only, the layer with the most published speeds, 64 to 64 channels on 32x32, the layers of
// mobile nets, and first layers with large kernels.

import type { Shape } from '../src/base/shape.ts';
import { type Dataset, nn } from '../src/index.ts';

/** What is measured without flags. */
export const NETS = ['refnet', 'resnet20'] as const;
export type UsualNetName = (typeof NETS)[number];

/** Nets for the training benchmark. */
export const TRAIN_NETS = [...NETS, 'resnet18', 'mobilenet-v2', 'unet'] as const;
export type NetName = (typeof TRAIN_NETS)[number];

export const KERNEL_NETS = [...NETS, 'wide', 'depthwise', 'pointwise', 'stem7', 'stem5'] as const;
export type KernelNetName = (typeof KERNEL_NETS)[number];

export const CLASSES = 10;

/** Shape of a sample, [H, W, C]. */
export const INPUT_SHAPES: Readonly<Record<KernelNetName | NetName, Dataset['inputShape']>> = {
  refnet: [28, 28, 1],
  resnet20: [32, 32, 3],
  resnet18: [64, 64, 3],
  'mobilenet-v2': [96, 96, 3],
  unet: [64, 64, 3],
  wide: [32, 32, 64],
  depthwise: [56, 56, 64],
  pointwise: [14, 14, 256],
  stem7: [112, 112, 3],
  stem5: [64, 64, 3],
};

/** Nets with a class for each pixel. */
const DENSE_NETS: readonly NetName[] = ['unet'];

/** The mask shape of a sample, [H, W]; undefined for nets with one prediction per sample. */
export function maskShapeOf(net: NetName): Shape | undefined {
  return DENSE_NETS.includes(net) ? INPUT_SHAPES[net].slice(0, -1) : undefined;
}

/** The model of a net, with local batch normalization. */
export function modelOf(net: KernelNetName) {
  // A normalization in front makes the convolution need its input gradient.
  switch (net) {
    case 'wide':
      return nn.sequential([nn.batchNorm(64), convolution(64, 64, 3)]);
    case 'depthwise':
      return nn.sequential([
        nn.batchNorm(64),
        convolution(64, 64, 3, { groups: 64 }),
        convolution(64, 128, 1, { stride: 2 }),
        convolution(128, 128, 3, { groups: 128 }),
      ]);
    case 'pointwise':
      return nn.sequential([nn.batchNorm(256), convolution(256, 256, 1)]);
    case 'stem7':
      return nn.sequential([convolution(3, 64, 7, { stride: 2 })]);
    case 'stem5':
      return nn.sequential([convolution(3, 32, 5, { stride: 2 }), convolution(32, 64, 5)]);
    default:
      return nn.namedModel(net, { inputShape: INPUT_SHAPES[net], classes: CLASSES });
  }
}

function convolution(
  inChannels: number,
  outChannels: number,
  kernel: number,
  options: { readonly groups?: number; readonly stride?: number } = {},
) {
  const padding = (kernel - 1) / 2;
  return nn.conv2d(inChannels, outChannels, { kernel, padding, bias: false, ...options });
}
