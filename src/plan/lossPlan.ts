// What a loss needs in the arena of each worker beside outputs and targets: weights of samples and
// outputs, and room for what mixes samples. Nothing where a run has none of it.

import { sizeOf } from '../base/shape.ts';
import { isMixing } from '../data/drawMix.ts';
import type { LayoutBuilder, Region } from '../memory/layout.ts';
import { lossKindOf } from '../nn/layers/lossKinds.ts';
import { outputSizeOf, type RunConfig } from './config.ts';

/** Each undefined where the run has no use for it. */
export interface LossRegions {
  /** Of the samples of a step, scaled for a mean over the global batch. */
  readonly weights: Region<'f64'> | undefined;
  /** What the loss declares as `outputWeights`. */
  readonly outputWeights: Region<'f64'> | undefined;
  /** Shares of classes, where samples with classes are mixed. */
  readonly shares: Region<'f32'> | undefined;
  /** The inputs of the sample that is mixed into another one. */
  readonly partner: Region<'f32'> | undefined;
}

/** The weights of classes that count in the sum of weights; not where targets are shares. */
export function sampleClassWeights(config: RunConfig): readonly number[] | undefined {
  const { loss, data } = config;
  return loss.kind === 'crossEntropy' && data.task.kind !== 'regression'
    ? loss.classWeights
    : undefined;
}

/** The label whose samples or pixels are left out. */
export function ignoredLabel({ loss }: RunConfig): number | undefined {
  return loss.kind === 'crossEntropy' ? loss.ignoreIndex : undefined;
}

/** Whether a sample is right or wrong: classes always are, numbers where the loss says so. */
export function knowsRight({ loss, data }: RunConfig): boolean {
  return data.task.kind !== 'regression' || lossKindOf(loss).knowsRight;
}

/** Whether samples of any split may count differently. */
function isWeighted(config: RunConfig): boolean {
  return (
    config.data.weighted !== undefined ||
    sampleClassWeights(config) !== undefined ||
    ignoredLabel(config) !== undefined
  );
}

/** Places what the loss of a worker with at most `capacity` samples needs. */
export function placeLoss(
  builder: LayoutBuilder,
  config: RunConfig,
  capacity: number,
  name: string,
): LossRegions {
  const { task, inputShape } = config.data;
  const outputs = task.kind === 'regression' ? outputSizeOf(task) : task.classes;
  const hasOutputWeights = lossKindOf(config.loss).outputWeights?.(config.loss) !== undefined;
  const place = <Type extends 'f32' | 'f64'>(
    isNeeded: boolean,
    what: string,
    type: Type,
    shape: readonly number[],
  ): Region<Type> | undefined =>
    isNeeded ? builder.add({ name: `${name}.${what}`, type, shape, writer: name }) : undefined;
  const mixes = isMixing(config.augmentation);
  return {
    weights: place(isWeighted(config), 'weights', 'f64', [capacity]),
    outputWeights: place(hasOutputWeights, 'outputWeights', 'f64', [outputs]),
    shares: place(mixes && task.kind === 'classification', 'shares', 'f32', [capacity, outputs]),
    partner: place(mixes, 'partner', 'f32', [sizeOf(inputShape)]),
  };
}
