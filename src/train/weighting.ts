// The weight of each sample in the loss: its weight from the data, or 0 if its label is ignored; in
// masks the loss leaves out the ignored pixels. The mean is divided by the sum of each sample's
// weight times that of its class, which the loss itself applies. This sum is over the GLOBAL batch
// and needed before backward: each worker adds all samples in order, so all have the same bits
// without a synchronization.

import type { SplitView } from '../data/stored/storedSamples.ts';
import { labelsOf } from '../data/task.ts';
import { viewOf } from '../memory/arena.ts';
import { type HeadLoss, outputLosses } from '../plan/heads.ts';
import { ignoredLabel, isWeighted, sampleClassWeights } from '../plan/lossPlan.ts';
import type { WorkerContext } from './context.ts';
import { type LabelCounter, labelCounterOf, trainLabelCounterOf } from './masks.ts';
import type { MicroBatch } from './microBatch.ts';
import type { Mixing } from './mixing.ts';

/** Indices of numbers that are passed in an array, since returned numbers could be
 * heap-allocated. */
const OWN = 0;
const OTHER = 1;
const TOTAL = 2;
const COUNT_NUMBERS = 3;

/** A loss that gives samples weights, and the array for the weights of each micro-batch. */
interface Weighted {
  readonly output: HeadLoss;
  readonly weights: readonly Float64Array[];
}

/** The losses of the main output and the heads that give samples weights. */
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
  /** The sample at a position of the current step. */
  readonly sampleAt: (position: number) => number;
  readonly mixing: Mixing | undefined;
}

/** Returns functions that write the weights of this worker's samples in the current step, one for
 * each loss that gives samples weights. */
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
        // Mixed classes are shares, for which PyTorch's mean is over samples.
        numbers[TOTAL] = numbers[TOTAL]! + numbers[OWN];
      }
      // The samples of micro-batches are consecutive.
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
  /** Restarts the sum of all weights; pass all samples to {@link SplitWeights.add} afterward. Not
   * needed if all samples are in memory, since the first evaluation sums those. */
  begin(): void;
  /** Adds the weights of samples [from, end) to the sum. */
  add(from: number, end: number): void;
  /** Writes the weights of a micro-batch's samples, starting at `first`, scaled for a mean over the
   * split. */
  weigh(first: number, m: number): void;
}

/** Binds the weights of a split, for each loss that gives samples weights. */
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
  // Summed once for all evaluations, since a split does not change.
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
 * all samples becomes the weighted one, times the weight of the output. */
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

/** Returns a function that reads the unscaled weight of a sample into `numbers`. */
function bindSampleWeight(
  { plan }: WorkerContext,
  output: HeadLoss,
  split: SplitView,
  numbers: Float64Array,
): (sample: number, into: number) => void {
  const isMask = plan.config.data.task.kind === 'segmentation';
  // In masks, pixels are ignored, not samples.
  const ignored = isMask ? undefined : ignoredLabel(output);
  return (sample, into) => {
    const { targets, weights } = split.slots[split.slotOf(sample)]!;
    const row = split.rowOf(sample);
    if (ignored !== undefined && targets[row] === ignored) numbers[into] = 0;
    else numbers[into] = weights === undefined ? 1 : weights[row]!;
  };
}

/** Returns a function that adds the weight of a sample, already read, times that of its class to
 * the total. For a mask it uses the mean over its pixels, 0 for ignored ones; `counter` counts the
 * labels at a position. */
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
      // Adds whole numbers first, so that bits do not depend on where in the mask a label is.
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
