// The regions that losses need for each worker besides outputs and targets: weights of samples and
// outputs, and space for mixing samples. Nothing if a run uses neither.

import { sizeOf } from '../base/shape.ts';
import { isMixing } from '../data/loading/drawMix.ts';
import type { LayoutBuilder, Region } from '../memory/layout.ts';
import { lossKindOf } from '../nn/layers/lossKinds.ts';
import { outputSizeOf, type RunConfig } from './config.ts';
import { type HeadLoss, outputLosses } from './heads.ts';

/** The regions that belong to the loss of one output. */
export interface OutputLossRegions {
  /** The weights of the samples of a step, scaled for a mean over the global batch, times the
   * weight of the output; undefined if all are 1. */
  readonly weights: Region<'f64'> | undefined;
  /** The `outputWeights` that the loss declares; undefined if it does not. */
  readonly outputWeights: Region<'f64'> | undefined;
  /** The loss of each sample. */
  readonly losses: Region<'f64'>;
  /** The number of correct labels of each sample. */
  readonly correct: Region<'i32'>;
}

/** The regions that the losses of all outputs share. Each is undefined if the run does not need
 * it. */
export interface MixRegions {
  /** Shares of classes, if samples with classes are mixed. */
  readonly shares: Region<'f32'> | undefined;
  /** The input of the sample that is mixed into another one. */
  readonly partner: Region<'f32'> | undefined;
}

/** The name of regions, and the writer. */
export interface RegionOwner {
  readonly name: string;
  readonly writer: string;
}

/** A loss, and its data. */
type OfData = Pick<RunConfig, 'loss' | 'data'>;

/** The class weights that count in the sum of weights; none if targets are shares. */
export function sampleClassWeights({ loss, data }: OfData): readonly number[] | undefined {
  return loss.kind === 'crossEntropy' && data.task.kind !== 'regression'
    ? loss.classWeights
    : undefined;
}

/** The label of the samples or pixels that are left out. */
export function ignoredLabel({ loss }: Pick<OfData, 'loss'>): number | undefined {
  return loss.kind === 'crossEntropy' ? loss.ignoreIndex : undefined;
}

/** Whether samples can be correct or wrong: classes always can, numbers if the loss says so. */
export function knowsRight({ loss, data }: OfData): boolean {
  return data.task.kind !== 'regression' || lossKindOf(loss).knowsRight;
}

/** Whether samples of any split may have different weights in a loss. */
export function isWeighted(of: OfData): boolean {
  return (
    of.data.weighted !== undefined ||
    sampleClassWeights(of) !== undefined ||
    ignoredLabel(of) !== undefined
  );
}

/** Places the regions that the losses of at most `capacity` samples need: first the main output's,
 * then those of the heads. */
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

/** Places the regions for mixing samples. */
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
