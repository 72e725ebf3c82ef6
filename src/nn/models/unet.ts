// U-Net (Ronneberger et al. 2015) with zero padding, so that each pixel gets a class, and batch
// normalization after each convolution.

import { UsageError } from '../../base/errors.ts';
import { type Shape, showShape } from '../../base/shape.ts';
import { relu } from '../specs/activations.ts';
import { conv2d } from '../specs/conv2d.ts';
import { convTranspose2d } from '../specs/convTranspose2d.ts';
import { batchNorm } from '../specs/norms.ts';
import { maxPool } from '../specs/pools.ts';
import type { GraphSpec } from '../specs/spec.ts';
import { convolution, numbered, scaledChannels } from './blocks.ts';
import { concat, type GraphValue, graph } from './graphBuilder.ts';

export interface UnetOptions {
  readonly inputShape: Shape;
  /** The number of classes of each pixel. */
  readonly classes: number;
  /** Multiplies the channels, 32 at the top and 512 at the bottom. */
  readonly width: number;
}

const FIRST_CHANNELS = 32;
/** The number of times that the image is halved. */
const LEVELS = 4;

export function unet({ inputShape, classes, width }: UnetOptions): GraphSpec {
  const [height, columns, inChannels] = inputShape as readonly [number, number, number];
  const multiple = 2 ** LEVELS;
  if (height % multiple !== 0 || columns % multiple !== 0) {
    throw new UsageError({
      what: 'input of unet',
      given: showShape(inputShape),
      allowed: `images with sides that are multiples of ${multiple}`,
      hint: 'padding the images',
    });
  }
  const channelsOf = (level: number): number => scaledChannels(FIRST_CHANNELS * 2 ** level, width);
  return graph((x) => {
    const skipped: GraphValue[] = [];
    let value = x.apply('down0', convolutions(inChannels, channelsOf(0)));
    for (let level = 1; level <= LEVELS; level++) {
      skipped.push(value);
      value = value
        .apply(`pool${level}`, maxPool({ kernel: 2 }))
        .apply(`down${level}`, convolutions(channelsOf(level - 1), channelsOf(level)));
    }
    for (let level = LEVELS - 1; level >= 0; level--) {
      const channels = channelsOf(level);
      const up = convTranspose2d(channelsOf(level + 1), channels, { kernel: 2, stride: 2 });
      value = concat([skipped[level]!, value.apply(`up${level}`, up)]).apply(
        `merge${level}`,
        convolutions(2 * channels, channels),
      );
    }
    return value.apply('classifier', conv2d(channelsOf(0), classes, { kernel: 1 }));
  });
}

function convolutions(from: number, to: number): GraphSpec {
  return numbered(
    convolution(from, to, { kernel: 3 }),
    batchNorm(to),
    relu(),
    convolution(to, to, { kernel: 3 }),
    batchNorm(to),
    relu(),
  );
}
