// Masks on one worker: how targets get to where the loss reads them, moved with their images in
// training, and how many pixels of a mask have each label, by which a mean is divided.

import { addCounts, createMaskMover, type MaskMover } from '../data/loading/masks.ts';
import { targetSize } from '../data/task.ts';
import { viewOf } from '../memory/arena.ts';
import type { Region } from '../memory/layout.ts';
import { ignoredLabel } from '../plan/lossPlan.ts';
import type { SplitRegions } from '../plan/regions.ts';
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
): (sample: number, slot: number) => void {
  const mover = bindMover(context);
  const { plan, memory } = context;
  if (mover === undefined) return targetCopierOf(context, microBatch, plan.regions.data.train);
  const { step } = microBatch;
  const to = labelsIn(memory, microBatch.plan.regions.targets);
  const size = targetSize(plan.config.data.task);
  return (sample, slot) => {
    mover.move(sample, to, slot * size, step.step, step.firstSample + slot);
  };
}

/** Counts the labels of training samples as they are moved; undefined where targets are not
 * masks. */
export function trainLabelCounterOf(context: WorkerContext): LabelCounter | undefined {
  const { plan, now } = context;
  const { task } = plan.config.data;
  const mover = bindMover(context);
  if (task.kind !== 'segmentation' || mover === undefined) {
    return labelCounterOf(context, plan.regions.data.train);
  }
  const counts = new Int32Array(task.classes);
  return (sample, position) => {
    counts.fill(0);
    mover.count(sample, counts, now.step, position);
    return counts;
  };
}

/** Counts the labels of a split's samples as they are; undefined where targets are not masks. */
export function labelCounterOf(
  { plan, memory }: WorkerContext,
  split: SplitRegions,
): LabelCounter | undefined {
  const { task } = plan.config.data;
  if (task.kind !== 'segmentation') return undefined;
  const masks = labelsIn(memory, split.targets);
  const size = targetSize(task);
  const counts = new Int32Array(task.classes);
  return (sample) => {
    counts.fill(0);
    addCounts(masks, sample * size, (sample + 1) * size, counts);
    return counts;
  };
}

/** Undefined where nothing moves masks. */
function bindMover({ plan, memory }: WorkerContext): MaskMover | undefined {
  const { augmentation, data, seed } = plan.config;
  if (data.task.kind !== 'segmentation' || augmentation === null) return undefined;
  return createMaskMover({
    masks: labelsIn(memory, plan.regions.data.train.targets),
    maskShape: data.task.targetShape,
    augmentation,
    seed,
    outside: ignoredLabel(plan.config) ?? BACKGROUND,
  });
}

/** A region of labels. */
function labelsIn(memory: WebAssembly.Memory, region: Region<'i32' | 'f32'>): Int32Array {
  return viewOf(memory, region as Region<'i32'>);
}
