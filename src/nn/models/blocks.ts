// The building blocks of the named models. Layers have torchvision's names, so weights have the
// same names in both.

import type { Shape } from '../../base/shape.ts';
import { conv2d } from '../specs/conv2d.ts';
import type { GraphSpec, LayerSpec } from '../specs/spec.ts';
import { graph } from './graphBuilder.ts';

/** How a model begins: `imagenet` immediately reduces the image to a half or a quarter, for images
 * of 224 pixels; `cifar` keeps its size, for images of 32 pixels (He et al. 2016, section 4.2). */
export const STEMS = ['imagenet', 'cifar'] as const;
/** How a named model begins: `imagenet` immediately reduces the image, `cifar` does not. */
export type Stem = (typeof STEMS)[number];

/** Images with sides of at least this size get the stem `imagenet`. */
const LARGE_SIDE = 64;

/** The stem that fits an image [H, W, C]. */
export function stemFor(inputShape: Shape): Stem {
  return Math.min(inputShape[0]!, inputShape[1]!) >= LARGE_SIDE ? 'imagenet' : 'cifar';
}

/** A sequence of named layers. */
export function chain(layers: Iterable<readonly [name: string, layer: LayerSpec]>): GraphSpec {
  return graph((x) => {
    let value = x;
    for (const [name, layer] of layers) value = value.apply(name, layer);
    return value;
  });
}

/** A sequence of numbered layers, as in a PyTorch Sequential. */
export function numbered(...layers: readonly LayerSpec[]): GraphSpec {
  return chain(layers.map((layer, i) => [`${i}`, layer] as const));
}

export interface ConvolutionOptions {
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
}

/** A convolution that keeps the size of the image, or halves it with stride 2, before a
 * normalization: without bias, with initial weights scaled by its fan-out (He et al. 2015). */
export function convolution(from: number, to: number, options: ConvolutionOptions): LayerSpec {
  const { kernel, stride = 1, groups = 1 } = options;
  const padding = (kernel - 1) / 2;
  const init = 'kaimingNormalFanOut';
  return conv2d(from, to, { kernel, stride, padding, groups, bias: false, init });
}

/** Channels scaled by a width: the nearest multiple of 8 that is not more than a tenth below
 * (Sandler et al. 2018). */
export function scaledChannels(channels: number, width: number): number {
  const scaled = channels * width;
  const rounded = Math.max(8, Math.floor((scaled + 4) / 8) * 8);
  return rounded < 0.9 * scaled ? rounded + 8 : rounded;
}
