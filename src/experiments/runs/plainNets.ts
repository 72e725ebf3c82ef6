// The nets of the experiments, without anything that would mask the effect of a normalization: no
// shortcuts, no dropout. Convolutions and linear layers have a bias only if no normalization
// follows, because its bias would make theirs redundant.

import { UsageError } from '../../base/errors.ts';
import { channelsOf, type Shape, showShape, sizeOf } from '../../base/shape.ts';
import type { Dataset } from '../../data/dataset.ts';
import { defaultNumGroups } from '../../nn/convert/groupRule.ts';
import { sequential } from '../../nn/models/compose.ts';
import { relu, sigmoid, tanh } from '../../nn/specs/activations.ts';
import { conv2d } from '../../nn/specs/conv2d.ts';
import { flatten } from '../../nn/specs/flatten.ts';
import { linear } from '../../nn/specs/linear.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../nn/specs/norms.ts';
import type { LayerSpec } from '../../nn/specs/spec.ts';
import { COMPARED_NORMS, type ComparedNorm, netWith } from '../engine/choices.ts';
import { choiceIn } from '../engine/compare.ts';
import type { Experiment } from '../engine/experiment.ts';

export type PlainActivation = 'relu' | 'sigmoid' | 'tanh';

/** The input shape and number of classes that a net is made for. */
export interface NetPurpose {
  readonly inputShape: Shape;
  readonly classes: number;
}

/** The names of norms in tables and curves. */
export const NORM_TITLES: Readonly<Record<ComparedNorm, string>> = {
  none: 'no norm',
  sync: 'batch norm',
  local: 'local batch norm',
  group: 'group norm',
  layer: 'layer norm',
  instance: 'instance norm',
};

/** The names of norms in experiments that contrast local and synchronized batch norm. */
export const REPLICA_NORM_TITLES = { ...NORM_TITLES, sync: 'SyncBN' };

/** Capitalizes a title for the start of a sentence. */
export function capitalized(title: string): string {
  return `${title[0]!.toUpperCase()}${title.slice(1)}`;
}

/** The purpose of a net that fits a dataset. Throws a {@link UsageError} for regression. */
export function purposeOf(dataset: Dataset): NetPurpose {
  const { name, inputShape, task } = dataset;
  if (task.kind === 'classification') return { inputShape, classes: task.classes };
  throw new UsageError({
    what: `the task of ${name}`,
    given: task.kind,
    allowed: 'classification: the experiments compare errors and cross-entropies',
  });
}

/** The normalization after a layer with this output shape; empty for `none`. */
export function normLayers(norm: ComparedNorm, shape: Shape): LayerSpec[] {
  const channels = channelsOf(shape);
  switch (norm) {
    case 'none':
      return [];
    case 'sync':
      return [batchNorm(channels, { sync: 'all' })];
    case 'local':
      return [batchNorm(channels)];
    case 'group':
      return [groupNorm(defaultNumGroups(channels, shape), channels)];
    case 'layer':
      return [layerNorm(shape)];
    case 'instance':
      return [instanceNorm(channels, { affine: true })];
  }
}

/** One convolution of a net: 3x3, padded. */
export interface ConvStage {
  readonly channels: number;
  readonly stride: 1 | 2;
}

/** Three convolutions: 28x28 images end as 7x7 with 16 channels. */
export const SHALLOW_STAGES: readonly ConvStage[] = [
  { channels: 8, stride: 2 },
  { channels: 16, stride: 2 },
  { channels: 16, stride: 1 },
];

/** Six convolutions of the same widths. */
export const DEEP_STAGES: readonly ConvStage[] = [
  { channels: 8, stride: 2 },
  { channels: 8, stride: 1 },
  { channels: 16, stride: 2 },
  { channels: 16, stride: 1 },
  { channels: 16, stride: 1 },
  { channels: 16, stride: 1 },
];

/** Eight convolutions, down to 2x2 for 28x28 inputs. With a per-replica batch size of 2, the last
 * two norms have 8 values per channel: few enough to be noisy, but not just two, which would always
 * normalize to +1 and -1. */
export const LONG_STAGES: readonly ConvStage[] = [
  { channels: 16, stride: 2 },
  { channels: 16, stride: 1 },
  { channels: 32, stride: 2 },
  { channels: 32, stride: 1 },
  { channels: 64, stride: 2 },
  { channels: 64, stride: 1 },
  { channels: 64, stride: 2 },
  { channels: 64, stride: 1 },
];

export interface ConvNetOptions extends NetPurpose {
  readonly norm: ComparedNorm;
  readonly stages: readonly ConvStage[];
  /** Width of a hidden linear layer, with norm and ReLU, before the last one; default none. */
  readonly hidden?: number;
}

/** Creates a net of conv, norm and ReLU for each stage, then a linear layer on the flattened
 * output. Hidden layers are initialized for ReLU (He et al. 2015), so that the net without a norm
 * also starts well. Throws a {@link UsageError} if inputs are not images. */
export function plainConvNet(options: ConvNetOptions): LayerSpec {
  const { inputShape, classes, norm, stages, hidden } = options;
  if (inputShape.length !== 3) {
    throw new UsageError({
      what: 'input of a convolutional net',
      given: showShape(inputShape),
      allowed: 'images, HxWxC',
    });
  }
  let [height, width, channels] = inputShape as readonly [number, number, number];
  const layers: LayerSpec[] = [];
  for (const stage of stages) {
    const { stride } = stage;
    const options = { kernel: 3, padding: 1, stride, init: 'kaimingNormal' } as const;
    layers.push(conv2d(channels, stage.channels, { ...options, bias: norm === 'none' }));
    channels = stage.channels;
    height = Math.ceil(height / stride);
    width = Math.ceil(width / stride);
    layers.push(...normLayers(norm, [height, width, channels]), relu());
  }
  layers.push(flatten());
  let features = height * width * channels;
  if (hidden !== undefined) {
    layers.push(linear(features, hidden, { init: 'kaimingNormal', bias: norm === 'none' }));
    layers.push(...normLayers(norm, [hidden]), relu());
    features = hidden;
  }
  return sequential([...layers, linear(features, classes)]);
}

/** The `nets` of an experiment that trains {@link plainConvNet} or the caller's net, with the norm
 * in the settings. */
export function convNetWith(stages: readonly ConvStage[]): NonNullable<Experiment['nets']> {
  return (settings, context) => {
    const norm = choiceIn(settings, 'norm', COMPARED_NORMS);
    const own = () => plainConvNet({ ...purposeOf(context.dataset), norm, stages });
    return [netWith(context, norm, own)];
  };
}

const ACTIVATIONS = { relu, sigmoid, tanh } as const;

export interface PerceptronOptions extends NetPurpose {
  readonly norm: ComparedNorm;
  /** Hidden layers. */
  readonly depth: number;
  readonly width: number;
  readonly activation: PlainActivation;
  /** `torch` is small for deep nets; `kaimingNormal` preserves the scale of ReLU activations. */
  readonly init: 'torch' | 'kaimingNormal';
}

/** Creates a net of hidden layers with the same width, each with linear, norm and activation, then
 * a linear layer. */
export function plainPerceptron(options: PerceptronOptions): LayerSpec {
  const { inputShape, classes, norm, depth, width, activation, init } = options;
  const layers: LayerSpec[] = [flatten()];
  let features = sizeOf(inputShape);
  for (let layer = 0; layer < depth; layer++) {
    layers.push(linear(features, width, { init, bias: norm === 'none' }));
    layers.push(...normLayers(norm, [width]), ACTIVATIONS[activation]());
    features = width;
  }
  return sequential([...layers, linear(features, classes)]);
}
