// Masks on one worker: copies targets to where the loss reads them, moved with their images in
// training, and counts the labels of a mask's pixels, which the mean is divided by.

import { addCounts, createMaskMover, type MaskMover } from '../data/loading/masks.ts';
import type { SplitView } from '../data/stored/storedSamples.ts';
import { targetSize } from '../data/task.ts';
import { viewOf } from '../memory/arena.ts';
import { ignoredLabel } from '../plan/lossPlan.ts';
import { targetCopierOf, type WorkerContext } from './context.ts';
import type { MicroBatch } from './microBatch.ts';

/** The label of pixels from outside an image if no label is ignored: by convention the
 * background. */
const BACKGROUND = 0;

/** Counts how often each label occurs in a mask at a position of the current step. Returns the same
 * array each time. */
export type LabelCounter = (sample: number, position: number) => Int32Array;

/** Returns a function that writes the target of a training sample into a slot of a micro-batch in
 * the current step. */
export function trainTargetCopierOf(
  context: WorkerContext,
  microBatch: MicroBatch,
  train: SplitView,
): (sample: number, slot: number) => void {
  const mover = bindMover(context);
  if (mover === undefined) return targetCopierOf(context, microBatch, train);
  const { plan, memory } = context;
  const { step } = microBatch;
  const to = viewOf(memory, microBatch.plan.regions.targets) as Int32Array;
  const size = targetSize(plan.config.data.task);
  return (sample, slot) => {
    const masks = labelsOfSlot(train, sample);
    const position = step.firstSample + slot;
    mover.move(masks, train.rowOf(sample), to, slot * size, step.step, position);
  };
}

/** Returns a counter of the labels of training samples after they are moved, or undefined if
 * targets are not masks. */
export function trainLabelCounterOf(
  context: WorkerContext,
  train: SplitView,
): LabelCounter | undefined {
  const { plan, now } = context;
  const { task } = plan.config.data;
  const mover = bindMover(context);
  if (task.kind !== 'segmentation' || mover === undefined) {
    return labelCounterOf(context, train);
  }
  const counts = new Int32Array(task.classes);
  return (sample, position) => {
    counts.fill(0);
    const masks = labelsOfSlot(train, sample);
    mover.count(masks, train.rowOf(sample), counts, now.step, position);
    return counts;
  };
}

/** Returns a counter of the labels of a split's unmodified samples, or undefined if targets are not
 * masks. */
export function labelCounterOf(
  { plan }: WorkerContext,
  split: SplitView,
): LabelCounter | undefined {
  const { task } = plan.config.data;
  if (task.kind !== 'segmentation') return undefined;
  const size = targetSize(task);
  const counts = new Int32Array(task.classes);
  return (sample) => {
    counts.fill(0);
    const row = split.rowOf(sample);
    addCounts(labelsOfSlot(split, sample), row * size, (row + 1) * size, counts);
    return counts;
  };
}

/** Returns undefined if nothing moves masks. */
function bindMover({ plan }: WorkerContext): MaskMover | undefined {
  const { augmentation, data, seed } = plan.config;
  if (data.task.kind !== 'segmentation' || augmentation === null) return undefined;
  return createMaskMover({
    maskShape: data.task.targetShape,
    augmentation,
    seed,
    outside: ignoredLabel(plan.config) ?? BACKGROUND,
  });
}

/** The labels of all samples in the slot of one. */
function labelsOfSlot(split: SplitView, sample: number): Int32Array {
  return split.slots[split.slotOf(sample)]!.targets as Int32Array;
}
