// DenseNet-121 (Huang et al. 2017) as in torchvision. Each layer of a block reads the outputs of
// all layers before it, which are kept as one growing value.

import { relu } from '../specs/activations.ts';
import { linear } from '../specs/linear.ts';
import { batchNorm } from '../specs/norms.ts';
import { avgPool, globalAvgPool, maxPool } from '../specs/pools.ts';
import type { GraphSpec, LayerSpec } from '../specs/spec.ts';
import { chain, convolution, type Stem, scaledChannels } from './blocks.ts';
import { concat, graph } from './graphBuilder.ts';

export interface DensenetOptions {
  readonly inChannels: number;
  readonly classes: number;
  readonly stem: Stem;
  /** Multiplies the growth rate of 32 and the 64 channels of the stem. */
  readonly width: number;
}

const BLOCKS = [6, 12, 24, 16];
/** Channels of a layer's 1x1 convolution for each that it adds. */
const BOTTLENECK = 4;

export function densenet121({ inChannels, classes, stem, width }: DensenetOptions): GraphSpec {
  const growth = scaledChannels(32, width);
  let channels = scaledChannels(64, width);
  const isLarge = stem === 'imagenet';
  const features: (readonly [string, LayerSpec])[] = [
    [
      'conv0',
      convolution(inChannels, channels, isLarge ? { kernel: 7, stride: 2 } : { kernel: 3 }),
    ],
    ['norm0', batchNorm(channels)],
    ['relu0', relu()],
  ];
  if (isLarge) features.push(['pool0', maxPool({ kernel: 3, stride: 2, padding: 1 })]);
  for (const [i, countLayers] of BLOCKS.entries()) {
    features.push([`denseblock${i + 1}`, denseBlock(channels, growth, countLayers)]);
    channels += countLayers * growth;
    if (i === BLOCKS.length - 1) break;
    const half = Math.floor(channels / 2);
    features.push([`transition${i + 1}`, transition(channels, half)]);
    channels = half;
  }
  features.push(['norm5', batchNorm(channels)]);
  return chain([
    ['features', chain(features)],
    ['relu', relu()],
    ['avgpool', globalAvgPool()],
    ['classifier', linear(channels, classes)],
  ]);
}

function denseBlock(channels: number, growth: number, countLayers: number): GraphSpec {
  return graph((x) => {
    let all = x;
    for (let i = 0; i < countLayers; i++) {
      const layer = denseLayer(channels + i * growth, growth);
      all = concat([all, all.apply(`denselayer${i + 1}`, layer)]);
    }
    return all;
  });
}

function denseLayer(from: number, growth: number): GraphSpec {
  const inner = BOTTLENECK * growth;
  return chain([
    ['norm1', batchNorm(from)],
    ['relu1', relu()],
    ['conv1', convolution(from, inner, { kernel: 1 })],
    ['norm2', batchNorm(inner)],
    ['relu2', relu()],
    ['conv2', convolution(inner, growth, { kernel: 3 })],
  ]);
}

function transition(from: number, to: number): GraphSpec {
  return chain([
    ['norm', batchNorm(from)],
    ['relu', relu()],
    ['conv', convolution(from, to, { kernel: 1 })],
    ['pool', avgPool({ kernel: 2 })],
  ]);
}
