// How much each sample counts in the loss: its own weight from the data, times that of its class
// where targets are classes, 0 where its label is ignored. A step's weights are scaled to a mean of
// 1 over the GLOBAL batch. Their sum is needed before backward; each worker adds up all samples of
// the batch in their order, so that all have the same bits without a synchronization.

import { viewOf } from '../memory/arena.ts';
import { ignoredLabel, sampleClassWeights } from '../plan/lossPlan.ts';
import type { SplitRegions } from '../plan/regions.ts';
import type { WorkerContext } from './context.ts';
import type { Mixing } from './mixing.ts';

/** Returns what writes the weights of this worker's samples of the running step, of which
 * `sampleAt` gives that at a position. Undefined where no sample of the run has a weight. */
export function bindStepWeights(
  context: WorkerContext,
  sampleAt: (position: number) => number,
  mixing: Mixing | undefined,
): (() => void) | undefined {
  const { worker, memory, step } = context;
  const region = worker.regions.loss.weights;
  if (region === undefined) return undefined;
  const weights = viewOf(memory, region);
  const weightOf = bindSampleWeight(context, context.plan.regions.data.train, mixing !== undefined);
  const weightAt = (position: number): number => {
    if (mixing === undefined) return weightOf(sampleAt(position));
    const { share, partner } = mixing.mixAt(position);
    return share * weightOf(sampleAt(position)) + (1 - share) * weightOf(sampleAt(partner));
  };
  return () => {
    let total = 0;
    for (let position = 0; position < step.globalCount; position++) {
      const weight = weightAt(position);
      total += weight;
      const slot = position - step.firstSample;
      if (slot >= 0 && slot < step.countSamples) weights[slot] = weight;
    }
    scale(weights, step.countSamples, total, step.globalCount);
  };
}

/** Weights of an evaluation. */
export interface SplitWeights {
  /** Adds up the weights of the whole split. */
  begin(): void;
  /** Writes those of this worker's samples of a batch, the first of which is `first`: a mean of 1
   * over the split. */
  weigh(first: number): void;
}

/** Binds the weights of a split of `count` samples. Undefined where no sample of the run has a
 * weight. */
export function bindSplitWeights(
  context: WorkerContext,
  split: SplitRegions,
  count: number,
): SplitWeights | undefined {
  const { worker, memory, step } = context;
  const region = worker.regions.loss.weights;
  if (region === undefined) return undefined;
  const weights = viewOf(memory, region);
  const weightOf = bindSampleWeight(context, split, false);
  let total = 0;
  return {
    begin() {
      total = 0;
      for (let sample = 0; sample < count; sample++) total += weightOf(sample);
    },
    weigh(first) {
      for (let slot = 0; slot < step.countSamples; slot++) weights[slot] = weightOf(first + slot);
      scale(weights, step.countSamples, total, count);
    },
  };
}

/** Scales the first `countLocal` of `count` weights with this sum to a mean of 1. */
function scale(weights: Float64Array, countLocal: number, total: number, count: number): void {
  const factor = total > 0 ? count / total : 0;
  for (let slot = 0; slot < countLocal; slot++) weights[slot] = weights[slot]! * factor;
}

/** The weight of a sample before it is scaled. */
function bindSampleWeight(
  { plan, memory }: WorkerContext,
  split: SplitRegions,
  isMixing: boolean,
): (sample: number) => number {
  const { config } = plan;
  const own = split.weights && viewOf(memory, split.weights);
  // Mixed classes are shares: PyTorch's mean is over samples then.
  const ofClass = isMixing ? undefined : sampleClassWeights(config);
  const ignored = ignoredLabel(config);
  const targets = viewOf(memory, split.targets);
  const classWeights = ofClass && Float64Array.from(ofClass);
  return (sample) => {
    const weight = own === undefined ? 1 : own[sample]!;
    if (ignored !== undefined && targets[sample] === ignored) return 0;
    return classWeights === undefined ? weight : weight * classWeights[targets[sample]!]!;
  };
}
