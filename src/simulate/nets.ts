// The networks that can be simulated by name: those of the library, and ResNet-50 in the form whose
// speed is published most often (He et al. 2016, with the stride in the 3x3 convolution, known as
// v1.5). Specs only, so that each can also be trained.

import { UsageError } from '../base/errors.ts';
import { type Shape, showShape } from '../base/shape.ts';
import { residual, sequential } from '../nn/models/compose.ts';
import { MODEL_PURPOSES } from '../nn/models/descriptions.ts';
import { MODEL_NAMES, type ModelPurpose, namedModel } from '../nn/models/models.ts';
import { relu } from '../nn/specs/activations.ts';
import { conv2d } from '../nn/specs/conv2d.ts';
import { linear } from '../nn/specs/linear.ts';
import { batchNorm } from '../nn/specs/norms.ts';
import { globalAvgPool, maxPool } from '../nn/specs/pools.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';

export const NET_NAMES = ['resnet50', ...MODEL_NAMES] as const;
export type NetName = (typeof NET_NAMES)[number];

/** What each network is published for. */
export const NET_PURPOSES: Readonly<Record<NetName, ModelPurpose>> = {
  ...MODEL_PURPOSES,
  resnet50: { inputShape: [224, 224, 3], classes: 1000 },
};

/** Bottleneck blocks of each stage and the channels inside them (He et al. 2016, table 1). */
const STAGES: readonly { readonly blocks: number; readonly channels: number }[] = [
  { blocks: 3, channels: 64 },
  { blocks: 4, channels: 128 },
  { blocks: 6, channels: 256 },
  { blocks: 3, channels: 512 },
];
const STEM_CHANNELS = 64;
/** A block's output channels for each channel inside it. */
const EXPANSION = 4;

/** A network by its name, with batch normalization; for other inputs than it is published for
 * give the shape, [H, W, C]. */
export function netModel(name: NetName, inputShape?: Shape): LayerSpec {
  const purpose = { ...NET_PURPOSES[name], ...(inputShape !== undefined && { inputShape }) };
  return name === 'resnet50' ? resnet50(purpose) : namedModel(name, purpose);
}

function resnet50({ inputShape, classes }: ModelPurpose): LayerSpec {
  if (inputShape.length !== 3) {
    throw new UsageError({
      what: 'input of resnet50',
      given: showShape(inputShape),
      allowed: 'images, HxWxC',
    });
  }
  const layers: LayerSpec[] = [
    convolution(inputShape[2]!, STEM_CHANNELS, 7, 2),
    batchNorm(STEM_CHANNELS),
    relu(),
    maxPool({ kernel: 3, stride: 2, padding: 1 }),
  ];
  let from = STEM_CHANNELS;
  for (const [i, { blocks, channels }] of STAGES.entries()) {
    for (let block = 0; block < blocks; block++) {
      layers.push(bottleneck(from, channels, i > 0 && block === 0 ? 2 : 1), relu());
      from = channels * EXPANSION;
    }
  }
  return sequential([...layers, globalAvgPool(), linear(from, classes)]);
}

function bottleneck(from: number, channels: number, stride: number): LayerSpec {
  const to = channels * EXPANSION;
  const body = sequential([
    convolution(from, channels, 1, 1),
    batchNorm(channels),
    relu(),
    convolution(channels, channels, 3, stride),
    batchNorm(channels),
    relu(),
    convolution(channels, to, 1, 1),
    batchNorm(to),
  ]);
  const isSameShape = from === to && stride === 1;
  const shortcut = sequential([convolution(from, to, 1, stride), batchNorm(to)]);
  return residual(body, isSameShape ? null : shortcut);
}

function convolution(from: number, to: number, kernel: number, stride: number): LayerSpec {
  const padding = (kernel - 1) / 2;
  return conv2d(from, to, { kernel, stride, padding, bias: false, init: 'kaimingNormal' });
}
