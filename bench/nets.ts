// What the benchmarks compute: the two nets that are trained, and for kernels alone the layer whose
// speed is published most often, 64 to 64 channels on 32x32.

import { type Dataset, nn } from '../src/index.ts';

export const NETS = ['refnet', 'resnet20'] as const;
export type NetName = (typeof NETS)[number];

export const KERNEL_NETS = [...NETS, 'wide'] as const;
export type KernelNetName = (typeof KERNEL_NETS)[number];

export const CLASSES = 10;

/** One sample, [H, W, C]. */
export const INPUT_SHAPES: Readonly<Record<KernelNetName, Dataset['inputShape']>> = {
  refnet: [28, 28, 1],
  resnet20: [32, 32, 3],
  wide: [32, 32, 64],
};

/** The model of a net, with local batch normalization. */
export function modelOf(net: KernelNetName) {
  if (net !== 'wide') {
    return nn.namedModel(net, { inputShape: INPUT_SHAPES[net], classes: CLASSES });
  }
  // In front, the normalization makes the convolution need its input gradient.
  const convolution = nn.conv2d(64, 64, { kernel: 3, padding: 1, bias: false });
  return nn.sequential([nn.batchNorm(64), convolution]);
}
