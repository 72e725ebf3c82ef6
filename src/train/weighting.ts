// How much each sample counts in the loss: its weight from the data, 0 where its label is ignored.
// The sum that a mean is divided by has the weight of each sample times that of its class, by which
// the loss itself multiplies. It is of the GLOBAL batch and needed before backward: each worker
// adds up all samples in their order, so that all have the same bits without a synchronization.

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
  const { train } = context.plan.regions.data;
  const weightOf = bindSampleWeight(context, train);
  // Mixed classes are shares: PyTorch's mean is over samples then.
  const classWeightOf = mixing === undefined ? bindClassWeight(context, train) : () => 1;
  const weightAt = (position: number): number => {
    if (mixing === undefined) return weightOf(sampleAt(position));
    const { share: shares, partner } = mixing.mixAt(position);
    const share = shares[0]!;
    return share * weightOf(sampleAt(position)) + (1 - share) * weightOf(sampleAt(partner));
  };
  return () => {
    let total = 0;
    for (let position = 0; position < step.globalCount; position++) {
      const weight = weightAt(position);
      if (weight > 0) total += weight * classWeightOf(sampleAt(position));
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
  /** Writes those of this worker's samples of a batch, the first of which is `first`, scaled for a
   * mean over the split. */
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
  const weightOf = bindSampleWeight(context, split);
  const classWeightOf = bindClassWeight(context, split);
  let total = 0;
  return {
    begin() {
      total = 0;
      for (let sample = 0; sample < count; sample++) {
        const weight = weightOf(sample);
        if (weight > 0) total += weight * classWeightOf(sample);
      }
    },
    weigh(first) {
      for (let slot = 0; slot < step.countSamples; slot++) weights[slot] = weightOf(first + slot);
      scale(weights, step.countSamples, total, count);
    },
  };
}

/** Scales the first `countLocal` weights of `count` samples by count / total, so that the mean over
 * all samples is the weighted one. */
function scale(weights: Float64Array, countLocal: number, total: number, count: number): void {
  const factor = total > 0 ? count / total : 0;
  for (let slot = 0; slot < countLocal; slot++) weights[slot] = weights[slot]! * factor;
}

/** Returns the weight of a sample before it is scaled. */
function bindSampleWeight(
  { plan, memory }: WorkerContext,
  split: SplitRegions,
): (sample: number) => number {
  const own = split.weights && viewOf(memory, split.weights);
  const ignored = ignoredLabel(plan.config);
  const targets = viewOf(memory, split.targets);
  return (sample) => {
    if (ignored !== undefined && targets[sample] === ignored) return 0;
    return own === undefined ? 1 : own[sample]!;
  };
}

/** Returns the weight of a sample's class. */
function bindClassWeight(
  { plan, memory }: WorkerContext,
  split: SplitRegions,
): (sample: number) => number {
  const weights = sampleClassWeights(plan.config);
  if (weights === undefined) return () => 1;
  const classWeights = Float64Array.from(weights);
  const targets = viewOf(memory, split.targets);
  return (sample) => classWeights[targets[sample]!]!;
}
