// Residual networks of He et al. 2016 with 18, 34 and 50 layers, as in torchvision: in bottlenecks
// the stride is in the 3x3 convolution (v1.5).

import { relu } from '../specs/activations.ts';
import { linear } from '../specs/linear.ts';
import { batchNorm } from '../specs/norms.ts';
import { globalAvgPool, maxPool } from '../specs/pools.ts';
import type { GraphSpec, LayerSpec } from '../specs/spec.ts';
import { chain, convolution, numbered, type Stem, scaledChannels } from './blocks.ts';
import { add, type GraphValue, graph } from './graphBuilder.ts';

export interface ResnetOptions {
  readonly inChannels: number;
  readonly classes: number;
  readonly stem: Stem;
  /** Multiplies all channels. */
  readonly width: number;
  /** Whether the last norm of each block starts at 0. */
  readonly zeroInitResidual: boolean;
}

/** The number of blocks in each stage, and the kind of block. */
interface Depth {
  readonly blocks: readonly number[];
  readonly isBottleneck: boolean;
}

export const RESNETS = {
  resnet18: { blocks: [2, 2, 2, 2], isBottleneck: false },
  resnet34: { blocks: [3, 4, 6, 3], isBottleneck: false },
  resnet50: { blocks: [3, 4, 6, 3], isBottleneck: true },
} as const satisfies Readonly<Record<string, Depth>>;

const STAGE_CHANNELS = [64, 128, 256, 512];
/** A bottleneck's output channels for each channel inside it. */
const EXPANSION = 4;

export function resnet(depth: Depth, options: ResnetOptions): GraphSpec {
  const { inChannels, classes, stem, width, zeroInitResidual } = options;
  const first = scaledChannels(STAGE_CHANNELS[0]!, width);
  const layers: (readonly [string, LayerSpec])[] =
    stem === 'imagenet'
      ? [['conv1', convolution(inChannels, first, { kernel: 7, stride: 2 })]]
      : [['conv1', convolution(inChannels, first, { kernel: 3 })]];
  layers.push(['bn1', batchNorm(first)], ['relu', relu()]);
  if (stem === 'imagenet') {
    layers.push(['maxpool', maxPool({ kernel: 3, stride: 2, padding: 1 })]);
  }
  let from = first;
  for (const [stage, countBlocks] of depth.blocks.entries()) {
    const channels = scaledChannels(STAGE_CHANNELS[stage]!, width);
    const to = depth.isBottleneck ? channels * EXPANSION : channels;
    const blocks: LayerSpec[] = [];
    for (let block = 0; block < countBlocks; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const lastWeight = zeroInitResidual ? 0 : 1;
      const size = { from, channels, to, stride, lastWeight };
      blocks.push(depth.isBottleneck ? bottleneck(size) : basicBlock(size));
      from = to;
    }
    layers.push([`layer${stage + 1}`, numbered(...blocks)]);
  }
  layers.push(['avgpool', globalAvgPool()], ['fc', linear(from, classes)]);
  return chain(layers);
}

interface BlockSize {
  readonly from: number;
  /** The channels inside the block. */
  readonly channels: number;
  readonly to: number;
  readonly stride: number;
  /** The initial weight of the last norm. */
  readonly lastWeight: number;
}

function basicBlock({ from, to, stride, lastWeight }: BlockSize): GraphSpec {
  return graph((x) => {
    const y = x
      .apply('conv1', convolution(from, to, { kernel: 3, stride }))
      .apply('bn1', batchNorm(to))
      .apply('relu', relu())
      .apply('conv2', convolution(to, to, { kernel: 3 }))
      .apply('bn2', batchNorm(to, { weightInit: lastWeight }));
    return add(y, shortcut(x, { from, to, stride })).apply('relu2', relu());
  });
}

function bottleneck({ from, channels, to, stride, lastWeight }: BlockSize): GraphSpec {
  return graph((x) => {
    const y = x
      .apply('conv1', convolution(from, channels, { kernel: 1 }))
      .apply('bn1', batchNorm(channels))
      .apply('relu', relu())
      .apply('conv2', convolution(channels, channels, { kernel: 3, stride }))
      .apply('bn2', batchNorm(channels))
      .apply('relu2', relu())
      .apply('conv3', convolution(channels, to, { kernel: 1 }))
      .apply('bn3', batchNorm(to, { weightInit: lastWeight }));
    return add(y, shortcut(x, { from, to, stride })).apply('relu3', relu());
  });
}

function shortcut(
  x: GraphValue,
  { from, to, stride }: Pick<BlockSize, 'from' | 'to' | 'stride'>,
): GraphValue {
  if (from === to && stride === 1) return x;
  const projection = convolution(from, to, { kernel: 1, stride });
  return x.apply('downsample', numbered(projection, batchNorm(to)));
}
