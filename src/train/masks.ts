// Masks on one worker: how targets get to where the loss reads them, moved with their images in
// training, and how many pixels of a mask have each label, by which a mean is divided.

import { addCounts, createMaskMover, type MaskMover } from '../data/loading/masks.ts';
import type { SplitView } from '../data/stored/storedSamples.ts';
import { targetSize } from '../data/task.ts';
import { viewOf } from '../memory/arena.ts';
import { ignoredLabel } from '../plan/lossPlan.ts';
import { targetCopierOf, type WorkerContext } from './context.ts';
import type { MicroBatch } from './microBatch.ts';

/** Label of pixels from outside an image where no label is ignored: by convention the background.
 */
const BACKGROUND = 0;

/** How often a mask, as it is at a position of the running step, has each label; the same array
 * each time. */
export type LabelCounter = (sample: number, position: number) => Int32Array;

/** Returns what writes the target of a training sample into a slot of a micro-batch of the running
 * step. */
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

/** Counts the labels of training samples as they are moved; undefined where targets are not
 * masks. */
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

/** Counts the labels of a split's samples as they are; undefined where targets are not masks. */
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

/** Undefined where nothing moves masks. */
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
