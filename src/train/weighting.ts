// How much each sample counts in the loss: its weight from the data, 0 where its label is ignored;
// of a mask the loss leaves out the ignored pixels.
// The sum that a mean is divided by has the weight of each sample times that of its class, by which
// the loss itself multiplies. It is of the GLOBAL batch and needed before backward: each worker
// adds up all samples in their order, so that all have the same bits without a synchronization.

import { labelsOf } from '../data/task.ts';
import { viewOf } from '../memory/arena.ts';
import { ignoredLabel, sampleClassWeights } from '../plan/lossPlan.ts';
import type { SplitRegions } from '../plan/regions.ts';
import type { WorkerContext } from './context.ts';
import { type LabelCounter, labelCounterOf, trainLabelCounterOf } from './masks.ts';
import type { Mixing } from './mixing.ts';

/** Places of the numbers that are handed on in an array: those that a function returns may be
 * allocated. */
const OWN = 0;
const OTHER = 1;
const TOTAL = 2;
const COUNT_NUMBERS = 3;

/** Returns what writes the weights of this worker's samples of the running step, of which
 * `sampleAt` gives that at a position. Undefined where no sample of the run has a weight. */
export function bindStepWeights(
  context: WorkerContext,
  sampleAt: (position: number) => number,
  mixing: Mixing | undefined,
): (() => void) | undefined {
  const { plan, worker, memory, step } = context;
  const region = worker.regions.loss.weights;
  if (region === undefined) return undefined;
  const weights = viewOf(memory, region);
  const { train } = plan.regions.data;
  const numbers = new Float64Array(COUNT_NUMBERS);
  const readWeight = bindSampleWeight(context, train, numbers);
  const addToTotal = bindTotal(context, train, numbers, trainLabelCounterOf(context));
  return () => {
    numbers[TOTAL] = 0;
    for (let position = 0; position < step.globalCount; position++) {
      const sample = sampleAt(position);
      readWeight(sample, OWN);
      if (mixing === undefined) addToTotal(sample, position);
      else {
        const mix = mixing.mixAt(position);
        readWeight(sampleAt(mix.partner), OTHER);
        const share = mix.share[0]!;
        numbers[OWN] = share * numbers[OWN]! + (1 - share) * numbers[OTHER]!;
        // Mixed classes are shares: PyTorch's mean is over samples then.
        numbers[TOTAL] = numbers[TOTAL]! + numbers[OWN];
      }
      const slot = position - step.firstSample;
      if (slot >= 0 && slot < step.countSamples) weights[slot] = numbers[OWN]!;
    }
    scale(weights, step.countSamples, numbers, step.globalCount);
  };
}

/** Weights of an evaluation. */
export interface SplitWeights {
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
  const numbers = new Float64Array(COUNT_NUMBERS);
  const readWeight = bindSampleWeight(context, split, numbers);
  const addToTotal = bindTotal(context, split, numbers, labelCounterOf(context, split));
  // Once for all evaluations: a split stays as it is.
  let isSummed = false;
  const sum = (): void => {
    for (let sample = 0; sample < count; sample++) {
      readWeight(sample, OWN);
      addToTotal(sample, 0);
    }
    isSummed = true;
  };
  return {
    weigh(first) {
      if (!isSummed) sum();
      for (let slot = 0; slot < step.countSamples; slot++) {
        readWeight(first + slot, OWN);
        weights[slot] = numbers[OWN]!;
      }
      scale(weights, step.countSamples, numbers, count);
    },
  };
}

/** Scales the first `countLocal` weights of `count` samples by count / total, so that the mean over
 * all samples is the weighted one. */
function scale(
  weights: Float64Array,
  countLocal: number,
  numbers: Float64Array,
  count: number,
): void {
  const total = numbers[TOTAL]!;
  const factor = total > 0 ? count / total : 0;
  for (let slot = 0; slot < countLocal; slot++) weights[slot] = weights[slot]! * factor;
}

/** Returns what reads the weight of a sample before it is scaled into a place of `numbers`. */
function bindSampleWeight(
  { plan, memory }: WorkerContext,
  split: SplitRegions,
  numbers: Float64Array,
): (sample: number, into: number) => void {
  const own = split.weights && viewOf(memory, split.weights);
  const isMask = plan.config.data.task.kind === 'segmentation';
  // Of masks pixels are ignored, not samples.
  const ignored = isMask ? undefined : ignoredLabel(plan.config);
  const targets = viewOf(memory, split.targets);
  return (sample, into) => {
    if (ignored !== undefined && targets[sample] === ignored) numbers[into] = 0;
    else numbers[into] = own === undefined ? 1 : own[sample]!;
  };
}

/** Returns what adds the weight of a sample, which is read, times that of its class to the total;
 * of a mask, whose labels `counter` counts as they are at a position, the mean over its pixels, 0
 * for ignored ones. */
function bindTotal(
  { plan, memory }: WorkerContext,
  split: SplitRegions,
  numbers: Float64Array,
  counter: LabelCounter | undefined,
): (sample: number, position: number) => void {
  const weights = sampleClassWeights(plan.config);
  const classWeights = weights && Float64Array.from(weights);
  const targets = viewOf(memory, split.targets);
  if (counter !== undefined) {
    const labels = labelsOf(plan.config.data.task);
    const ignored = ignoredLabel(plan.config);
    return (sample, position) => {
      if (numbers[OWN] === 0) return;
      const counts = counter(sample, position);
      // Whole numbers first: no bit depends on where in the mask a label is.
      let mass = 0;
      for (let c = 0; c < counts.length; c++) {
        if (c !== ignored) mass += counts[c]! * (classWeights === undefined ? 1 : classWeights[c]!);
      }
      numbers[TOTAL] = numbers[TOTAL]! + numbers[OWN]! * (mass / labels);
    };
  }
  return (sample) => {
    const weight = numbers[OWN]!;
    if (weight === 0) return;
    const ofClass = classWeights === undefined ? 1 : classWeights[targets[sample]!]!;
    numbers[TOTAL] = numbers[TOTAL]! + weight * ofClass;
  };
}
