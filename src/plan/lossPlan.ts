// What losses need in the arena of each worker beside outputs and targets: weights of samples and
// outputs, and room for what mixes samples. Nothing where a run has none of it.

import { sizeOf } from '../base/shape.ts';
import { isMixing } from '../data/loading/drawMix.ts';
import type { LayoutBuilder, Region } from '../memory/layout.ts';
import { lossKindOf } from '../nn/layers/lossKinds.ts';
import { outputSizeOf, type RunConfig } from './config.ts';
import { type HeadLoss, outputLosses } from './heads.ts';

/** What the loss of an output has of its own. */
export interface OutputLossRegions {
  /** Of the samples of a step, scaled for a mean over the global batch, times the weight of the
   * output; undefined where all are 1. */
  readonly weights: Region<'f64'> | undefined;
  /** What the loss declares as `outputWeights`; undefined where it does not. */
  readonly outputWeights: Region<'f64'> | undefined;
  /** Of each sample. */
  readonly losses: Region<'f64'>;
  /** Of each sample how many of its labels are right. */
  readonly correct: Region<'i32'>;
}

/** What the losses of all outputs share. Each undefined where the run has no use for it. */
export interface MixRegions {
  /** Shares of classes, where samples with classes are mixed. */
  readonly shares: Region<'f32'> | undefined;
  /** The inputs of the sample that is mixed into another one. */
  readonly partner: Region<'f32'> | undefined;
}

/** How regions are called, and who writes them. */
export interface RegionOwner {
  readonly name: string;
  readonly writer: string;
}

/** A loss, and the data that it is of. */
type OfData = Pick<RunConfig, 'loss' | 'data'>;

/** The weights of classes that count in the sum of weights; not where targets are shares. */
export function sampleClassWeights({ loss, data }: OfData): readonly number[] | undefined {
  return loss.kind === 'crossEntropy' && data.task.kind !== 'regression'
    ? loss.classWeights
    : undefined;
}

/** The label whose samples or pixels are left out. */
export function ignoredLabel({ loss }: Pick<OfData, 'loss'>): number | undefined {
  return loss.kind === 'crossEntropy' ? loss.ignoreIndex : undefined;
}

/** Whether a sample is right or wrong: classes always are, numbers where the loss says so. */
export function knowsRight({ loss, data }: OfData): boolean {
  return data.task.kind !== 'regression' || lossKindOf(loss).knowsRight;
}

/** Whether samples of any split may count differently in a loss. */
export function isWeighted(of: OfData): boolean {
  return (
    of.data.weighted !== undefined ||
    sampleClassWeights(of) !== undefined ||
    ignoredLabel(of) !== undefined
  );
}

/** Places what the losses of at most `capacity` samples need: that of the main output first, then
 * those of the heads. */
export function placeOutputLosses(
  builder: LayoutBuilder,
  config: RunConfig,
  capacity: number,
  owner: RegionOwner,
): readonly OutputLossRegions[] {
  return outputLosses(config).map((output, i) => {
    const name = i === 0 ? owner.name : `${owner.name}.${output.name}`;
    return placeOutputLoss(builder, { output, data: config.data }, capacity, { ...owner, name });
  });
}

function placeOutputLoss(
  builder: LayoutBuilder,
  { output, data }: { readonly output: HeadLoss; readonly data: RunConfig['data'] },
  capacity: number,
  { name, writer }: RegionOwner,
): OutputLossRegions {
  const { loss, weight } = output;
  const { task } = data;
  const outputs = task.kind === 'regression' ? outputSizeOf(task) : task.classes;
  const place = <Type extends 'f64' | 'i32'>(
    what: string,
    type: Type,
    length: number,
  ): Region<Type> => builder.add({ name: `${name}.${what}`, type, shape: [length], writer });
  const hasWeights = weight !== 1 || isWeighted({ loss, data });
  const hasOutputWeights = lossKindOf(loss).outputWeights?.(loss) !== undefined;
  return {
    weights: hasWeights ? place('weights', 'f64', capacity) : undefined,
    outputWeights: hasOutputWeights ? place('outputWeights', 'f64', outputs) : undefined,
    losses: place('losses', 'f64', capacity),
    correct: place('correct', 'i32', capacity),
  };
}

/** Places what mixes samples. */
export function placeMix(
  builder: LayoutBuilder,
  { data, augmentation }: RunConfig,
  capacity: number,
  { name, writer }: RegionOwner,
): MixRegions {
  const { task, inputShape } = data;
  const place = (isNeeded: boolean, what: string, shape: readonly number[]) =>
    isNeeded ? builder.add({ name: `${name}.${what}`, type: 'f32', shape, writer }) : undefined;
  const mixes = isMixing(augmentation);
  const classes = task.kind === 'classification' ? task.classes : 0;
  return {
    shares: place(mixes && classes > 0, 'shares', [capacity, classes]),
    partner: place(mixes, 'partner', [sizeOf(inputShape)]),
  };
}
