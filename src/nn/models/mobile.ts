// Networks of inverted residuals, as in torchvision: MobileNetV2 (Sandler et al. 2018), MobileNetV3
// small (Howard et al. 2019) and EfficientNet-B0 (Tan and Le 2019). Blocks widen by a 1x1
// convolution, convolve channel by channel, and narrow again. The latter two models weight channels
// by squeeze and excitation.

import { hardSigmoid, hardSwish, relu, relu6, sigmoid, silu } from '../specs/activations.ts';
import { adaptiveAvgPool } from '../specs/adaptivePools.ts';
import { conv2d } from '../specs/conv2d.ts';
import { dropout, dropPath } from '../specs/dropout.ts';
import { linear } from '../specs/linear.ts';
import { type BatchNormOptions, batchNorm } from '../specs/norms.ts';
import { globalAvgPool } from '../specs/pools.ts';
import type { GraphSpec, LayerSpec } from '../specs/spec.ts';
import {
  type ConvolutionOptions,
  chain,
  convolution,
  numbered,
  type Stem,
  scaledChannels,
} from './blocks.ts';
import { add, graph, multiply } from './graphBuilder.ts';

export interface MobileOptions {
  readonly inChannels: number;
  readonly classes: number;
  readonly stem: Stem;
  /** Multiplies all channels. */
  readonly width: number;
}

/** The layers after each convolution of a network. */
interface Style {
  readonly norm?: BatchNormOptions;
  /** Default none. */
  readonly activation?: LayerSpec;
}

const MOBILE_NET_V2_STAGES = [
  { expansion: 1, channels: 16, blocks: 1, stride: 1 },
  { expansion: 6, channels: 24, blocks: 2, stride: 2 },
  { expansion: 6, channels: 32, blocks: 3, stride: 2 },
  { expansion: 6, channels: 64, blocks: 4, stride: 2 },
  { expansion: 6, channels: 96, blocks: 3, stride: 1 },
  { expansion: 6, channels: 160, blocks: 3, stride: 2 },
  { expansion: 6, channels: 320, blocks: 1, stride: 1 },
] as const;

export function mobilenetV2({ inChannels, classes, stem, width }: MobileOptions): GraphSpec {
  const style: Style = { activation: relu6() };
  let from = scaledChannels(32, width);
  const features: LayerSpec[] = [
    convNorm(inChannels, from, { kernel: 3, stride: strideOf(stem) }, style),
  ];
  for (const { expansion, channels, blocks, stride } of MOBILE_NET_V2_STAGES) {
    const to = scaledChannels(channels, width);
    for (let block = 0; block < blocks; block++) {
      const inner = from * expansion;
      const step = block === 0 ? stride : 1;
      const conv = numbered(
        ...(expansion > 1 ? [convNorm(from, inner, { kernel: 1 }, style)] : []),
        convNorm(inner, inner, { kernel: 3, stride: step, groups: inner }, style),
        convolution(inner, to, { kernel: 1 }),
        batchNorm(to),
      );
      features.push(withShortcut('conv', conv, step === 1 && from === to));
      from = to;
    }
  }
  const last = scaledChannels(1280, Math.max(1, width));
  features.push(convNorm(from, last, { kernel: 1 }, style));
  return chain([
    ['features', numbered(...features)],
    ['avgpool', globalAvgPool()],
    ['classifier', numbered(dropout(0.2), linear(last, classes))],
  ]);
}

const SMALL_BLOCKS = [
  { kernel: 3, inner: 16, channels: 16, isExcited: true, isSwish: false, stride: 2 },
  { kernel: 3, inner: 72, channels: 24, isExcited: false, isSwish: false, stride: 2 },
  { kernel: 3, inner: 88, channels: 24, isExcited: false, isSwish: false, stride: 1 },
  { kernel: 5, inner: 96, channels: 40, isExcited: true, isSwish: true, stride: 2 },
  { kernel: 5, inner: 240, channels: 40, isExcited: true, isSwish: true, stride: 1 },
  { kernel: 5, inner: 240, channels: 40, isExcited: true, isSwish: true, stride: 1 },
  { kernel: 5, inner: 120, channels: 48, isExcited: true, isSwish: true, stride: 1 },
  { kernel: 5, inner: 144, channels: 48, isExcited: true, isSwish: true, stride: 1 },
  { kernel: 5, inner: 288, channels: 96, isExcited: true, isSwish: true, stride: 2 },
  { kernel: 5, inner: 576, channels: 96, isExcited: true, isSwish: true, stride: 1 },
  { kernel: 5, inner: 576, channels: 96, isExcited: true, isSwish: true, stride: 1 },
] as const;
/** torchvision's norms of MobileNetV3. */
const SMALL_NORM: BatchNormOptions = { eps: 0.001, momentum: 0.01 };

export function mobilenetV3Small({ inChannels, classes, stem, width }: MobileOptions): GraphSpec {
  const swish: Style = { norm: SMALL_NORM, activation: hardSwish() };
  let from = scaledChannels(16, width);
  const features: LayerSpec[] = [
    convNorm(inChannels, from, { kernel: 3, stride: strideOf(stem) }, swish),
  ];
  for (const { kernel, inner: unscaled, channels, isExcited, isSwish, stride } of SMALL_BLOCKS) {
    const [inner, to] = [scaledChannels(unscaled, width), scaledChannels(channels, width)];
    const style = { norm: SMALL_NORM, activation: isSwish ? hardSwish() : relu() };
    const squeezed = scaledChannels(Math.floor(inner / 4), 1);
    const block = numbered(
      ...(inner === from ? [] : [convNorm(from, inner, { kernel: 1 }, style)]),
      convNorm(inner, inner, { kernel, stride, groups: inner }, style),
      ...(isExcited ? [excitation(inner, squeezed, relu(), hardSigmoid())] : []),
      convNorm(inner, to, { kernel: 1 }, { norm: SMALL_NORM }),
    );
    features.push(withShortcut('block', block, stride === 1 && from === to));
    from = to;
  }
  const last = 6 * from;
  features.push(convNorm(from, last, { kernel: 1 }, swish));
  const hidden = scaledChannels(1024, width);
  return chain([
    ['features', numbered(...features)],
    ['avgpool', globalAvgPool()],
    [
      'classifier',
      numbered(linear(last, hidden), hardSwish(), dropout(0.2), linear(hidden, classes)),
    ],
  ]);
}

const B0_STAGES = [
  { expansion: 1, kernel: 3, stride: 1, channels: 16, blocks: 1 },
  { expansion: 6, kernel: 3, stride: 2, channels: 24, blocks: 2 },
  { expansion: 6, kernel: 5, stride: 2, channels: 40, blocks: 2 },
  { expansion: 6, kernel: 3, stride: 2, channels: 80, blocks: 3 },
  { expansion: 6, kernel: 5, stride: 1, channels: 112, blocks: 3 },
  { expansion: 6, kernel: 5, stride: 2, channels: 192, blocks: 4 },
  { expansion: 6, kernel: 3, stride: 1, channels: 320, blocks: 1 },
] as const;
/** The probability of dropping the last block's branch; that of the others grows toward it. */
const B0_DROP_PATH = 0.2;

export function efficientnetB0({ inChannels, classes, stem, width }: MobileOptions): GraphSpec {
  const style: Style = { activation: silu() };
  const countBlocks = B0_STAGES.reduce((sum, { blocks }) => sum + blocks, 0);
  let from = scaledChannels(32, width);
  let done = 0;
  const features: LayerSpec[] = [
    convNorm(inChannels, from, { kernel: 3, stride: strideOf(stem) }, style),
  ];
  for (const { expansion, kernel, stride, channels, blocks } of B0_STAGES) {
    const to = scaledChannels(channels, width);
    const stage: LayerSpec[] = [];
    for (let block = 0; block < blocks; block++) {
      const inner = scaledChannels(from, expansion);
      const step = block === 0 ? stride : 1;
      const squeezed = Math.max(1, Math.floor(from / 4));
      const body = numbered(
        ...(inner === from ? [] : [convNorm(from, inner, { kernel: 1 }, style)]),
        convNorm(inner, inner, { kernel, stride: step, groups: inner }, style),
        excitation(inner, squeezed, silu(), sigmoid()),
        convNorm(inner, to, { kernel: 1 }, {}),
      );
      const p = (B0_DROP_PATH * done++) / countBlocks;
      stage.push(withShortcut('block', body, step === 1 && from === to, p));
      from = to;
    }
    features.push(numbered(...stage));
  }
  const last = 4 * from;
  features.push(convNorm(from, last, { kernel: 1 }, style));
  return chain([
    ['features', numbered(...features)],
    ['avgpool', globalAvgPool()],
    ['classifier', numbered(dropout(0.2), linear(last, classes))],
  ]);
}

function strideOf(stem: Stem): number {
  return stem === 'imagenet' ? 2 : 1;
}

function convNorm(
  from: number,
  to: number,
  options: ConvolutionOptions,
  { norm = {}, activation }: Style,
): GraphSpec {
  const layers = [convolution(from, to, options), batchNorm(to, norm)];
  return numbered(...layers, ...(activation === undefined ? [] : [activation]));
}

/** The branch under its name, plus its input if it keeps the shape. */
function withShortcut(name: string, branch: LayerSpec, isSameShape: boolean, p = 0): GraphSpec {
  return graph((x) => {
    const y = x.apply(name, branch);
    if (!isSameShape) return y;
    return add(p > 0 ? y.apply('stochastic_depth', dropPath(p)) : y, x);
  });
}

/** Weights channels by a function of their means (Hu et al. 2018). */
function excitation(
  channels: number,
  squeezed: number,
  activation: LayerSpec,
  scale: LayerSpec,
): GraphSpec {
  return graph((x) => {
    const gate = x
      .apply('avgpool', adaptiveAvgPool(1))
      .apply('fc1', conv2d(channels, squeezed, { kernel: 1, init: 'kaimingNormalFanOut' }))
      .apply('activation', activation)
      .apply('fc2', conv2d(squeezed, channels, { kernel: 1, init: 'kaimingNormalFanOut' }))
      .apply('scale_activation', scale);
    return multiply(x, gate);
  });
}
