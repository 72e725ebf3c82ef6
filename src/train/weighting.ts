// How much each sample counts in the loss: its weight from the data, 0 where its label is ignored;
// of a mask the loss leaves out the ignored pixels.
// The sum that a mean is divided by has the weight of each sample times that of its class, by which
// the loss itself multiplies. It is of the GLOBAL batch and needed before backward: each worker
// adds up all samples in their order, so that all have the same bits without a synchronization.

import type { SplitView } from '../data/stored/storedSamples.ts';
import { labelsOf } from '../data/task.ts';
import { viewOf } from '../memory/arena.ts';
import { type HeadLoss, outputLosses } from '../plan/heads.ts';
import { ignoredLabel, isWeighted, sampleClassWeights } from '../plan/lossPlan.ts';
import type { WorkerContext } from './context.ts';
import { type LabelCounter, labelCounterOf, trainLabelCounterOf } from './masks.ts';
import type { MicroBatch } from './microBatch.ts';
import type { Mixing } from './mixing.ts';

/** Places of the numbers that are handed on in an array: those that a function returns may be
 * allocated. */
const OWN = 0;
const OTHER = 1;
const TOTAL = 2;
const COUNT_NUMBERS = 3;

/** A loss by which samples have weights, and the array for these of each micro-batch. */
interface Weighted {
  readonly output: HeadLoss;
  readonly weights: readonly Float64Array[];
}

/** The losses by which samples have weights: of the main output and the heads. */
function weightedLosses({ plan, microBatches, memory }: WorkerContext): readonly Weighted[] {
  const { data } = plan.config;
  return outputLosses(plan.config).flatMap((output, i) => {
    if (!isWeighted({ ...output, data })) return [];
    const weights = microBatches.map(({ plan: { regions } }) =>
      viewOf(memory, regions.losses[i]!.weights!),
    );
    return [{ output, weights }];
  });
}

/** The training samples of steps. */
interface StepSamples {
  readonly train: SplitView;
  /** Which one is at a position of the running step. */
  readonly sampleAt: (position: number) => number;
  readonly mixing: Mixing | undefined;
}

/** Returns what write the weights of this worker's samples of the running step: one for each loss
 * by which samples have weights. */
export function bindStepWeights(
  context: WorkerContext,
  samples: StepSamples,
): readonly (() => void)[] {
  return weightedLosses(context).map((of) => bindStepWeightsOf(context, of, samples));
}

function bindStepWeightsOf(
  context: WorkerContext,
  of: Weighted,
  { train, sampleAt, mixing }: StepSamples,
): () => void {
  const { microBatches, now } = context;
  const { output, weights } = of;
  const numbers = new Float64Array(COUNT_NUMBERS);
  const readWeight = bindSampleWeight(context, output, train, numbers);
  const counter = trainLabelCounterOf(context, train);
  const addToTotal = bindTotal(context, output, train, { numbers, counter });
  const last = microBatches.length - 1;
  return () => {
    numbers[TOTAL] = 0;
    let m = 0;
    for (let position = 0; position < now.globalCount; position++) {
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
      // The samples of micro-batches follow each other.
      while (m < last && position >= endOf(microBatches[m]!)) m++;
      const { step } = microBatches[m]!;
      const slot = position - step.firstSample;
      if (slot >= 0 && slot < step.countSamples) weights[m]![slot] = numbers[OWN]!;
    }
    for (m = 0; m <= last; m++) {
      const { countSamples } = microBatches[m]!.step;
      scale(weights[m]!, output, countSamples, { numbers, count: now.globalCount });
    }
  };
}

/** The position after the last sample of a micro-batch. */
function endOf({ step }: MicroBatch): number {
  return step.firstSample + step.countSamples;
}

/** Weights of an evaluation. */
export interface SplitWeights {
  /** Begins the sum of all weights anew; {@link SplitWeights.add} is then given all samples. Not
   * needed where all are in memory, which are added up at the first evaluation. */
  begin(): void;
  /** Adds the weights of samples [from, end) to the sum. */
  add(from: number, end: number): void;
  /** Writes those of a micro-batch's samples, the first of which is `first`, scaled for a mean over
   * the split. */
  weigh(first: number, m: number): void;
}

/** Binds the weights of a split, for each loss by which samples have weights. */
export function bindSplitWeights(
  context: WorkerContext,
  split: SplitView,
): readonly SplitWeights[] {
  return weightedLosses(context).map((of) => bindSplitWeightsOf(context, of, split));
}

function bindSplitWeightsOf(context: WorkerContext, of: Weighted, split: SplitView): SplitWeights {
  const { microBatches } = context;
  const { count } = split;
  const { output, weights } = of;
  const numbers = new Float64Array(COUNT_NUMBERS);
  const readWeight = bindSampleWeight(context, output, split, numbers);
  const counter = labelCounterOf(context, split);
  const addToTotal = bindTotal(context, output, split, { numbers, counter });
  // Once for all evaluations: a split stays as it is.
  let isSummed = false;
  const add = (from: number, end: number): void => {
    for (let sample = from; sample < end; sample++) {
      readWeight(sample, OWN);
      addToTotal(sample, 0);
    }
  };
  const begin = (): void => {
    numbers[TOTAL] = 0;
    isSummed = true;
  };
  return {
    begin,
    add,
    weigh(first, m) {
      if (!isSummed) {
        begin();
        add(0, count);
      }
      const { countSamples } = microBatches[m]!.step;
      for (let slot = 0; slot < countSamples; slot++) {
        readWeight(first + slot, OWN);
        weights[m]![slot] = numbers[OWN]!;
      }
      scale(weights[m]!, output, countSamples, { numbers, count });
    },
  };
}

/** Scales the first `countLocal` weights of `count` samples by count / total, so that the mean over
 * all samples is the weighted one, times the weight of the output. */
function scale(
  weights: Float64Array,
  output: HeadLoss,
  countLocal: number,
  { numbers, count }: { readonly numbers: Float64Array; readonly count: number },
): void {
  const total = numbers[TOTAL]!;
  const factor = (total > 0 ? count / total : 0) * output.weight;
  for (let slot = 0; slot < countLocal; slot++) weights[slot] = weights[slot]! * factor;
}

/** Returns what reads the weight of a sample before it is scaled into a place of `numbers`. */
function bindSampleWeight(
  { plan }: WorkerContext,
  output: HeadLoss,
  split: SplitView,
  numbers: Float64Array,
): (sample: number, into: number) => void {
  const isMask = plan.config.data.task.kind === 'segmentation';
  // Of masks pixels are ignored, not samples.
  const ignored = isMask ? undefined : ignoredLabel(output);
  return (sample, into) => {
    const { targets, weights } = split.slots[split.slotOf(sample)]!;
    const row = split.rowOf(sample);
    if (ignored !== undefined && targets[row] === ignored) numbers[into] = 0;
    else numbers[into] = weights === undefined ? 1 : weights[row]!;
  };
}

/** Returns what adds the weight of a sample, which is read, times that of its class to the total;
 * of a mask, whose labels `counter` counts as they are at a position, the mean over its pixels, 0
 * for ignored ones. */
function bindTotal(
  { plan }: WorkerContext,
  { loss }: HeadLoss,
  split: SplitView,
  {
    numbers,
    counter,
  }: { readonly numbers: Float64Array; readonly counter: LabelCounter | undefined },
): (sample: number, position: number) => void {
  const { data } = plan.config;
  const weights = sampleClassWeights({ loss, data });
  const classWeights = weights && Float64Array.from(weights);
  if (counter !== undefined) {
    const labels = labelsOf(data.task);
    const ignored = ignoredLabel({ loss });
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
  const classOf = (sample: number): number =>
    split.slots[split.slotOf(sample)]!.targets[split.rowOf(sample)]!;
  return (sample) => {
    const weight = numbers[OWN]!;
    if (weight === 0) return;
    const ofClass = classWeights === undefined ? 1 : classWeights[classOf(sample)]!;
    numbers[TOTAL] = numbers[TOTAL]! + weight * ofClass;
  };
}
