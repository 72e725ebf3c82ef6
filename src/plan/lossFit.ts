// Checks whether a loss fits the task before anything runs, from the settings and, if the data is
// in memory, for every target.

import { UsageError } from '../base/errors.ts';
import { NO_CLASS } from '../base/noClass.ts';
import { showShape, sizeOf } from '../base/shape.ts';
import { isChunkedSplit, type TrainingData } from '../data/chunked/chunkedDataset.ts';
import type { Dataset, Split } from '../data/dataset.ts';
import type { AugmentationPlan } from '../data/loading/augment.ts';
import { isMixing } from '../data/loading/drawMix.ts';
import { showLabelAt, type Task } from '../data/task.ts';
import type { TargetForm } from '../nn/layers/loss.ts';
import { lossesTaking, lossKindOf } from '../nn/layers/lossKinds.ts';
import type { LossSpec } from '../nn/specs/losses.ts';

/** The tolerance of a sample's sum of shares, since float32 rounds each share. */
const SHARES_TOLERANCE = 1e-4;

function formOf(task: Task): TargetForm {
  return ({ classification: 'classes', segmentation: 'masks', regression: 'numbers' } as const)[
    task.kind
  ];
}

/** Throws a {@link UsageError} if a loss does not suit the task and augmentation; `what` names
 * it. */
export function checkLoss(
  loss: LossSpec,
  data: Pick<Dataset, 'task' | 'inputShape'>,
  augmentation: AugmentationPlan | null,
  what = 'loss',
): void {
  const { task } = data;
  const kind = lossKindOf(loss);
  const form = formOf(task);
  if (!kind.takes.includes(form)) {
    throw new UsageError({
      what: `${what} for ${task.kind}`,
      given: loss.kind,
      allowed: lossesTaking(form).join(', '),
    });
  }
  const outputs = task.kind === 'regression' ? sizeOf(task.targetShape) : task.classes;
  kind.check?.(loss);
  const weights = kind.outputWeights?.(loss);
  if (weights !== undefined && weights.length !== outputs) {
    throw new UsageError({
      what: `weights of the ${what} ${loss.kind}`,
      given: `${weights.length} weights`,
      allowed: `${outputs}, one for each ${form === 'numbers' ? 'output' : 'class'}`,
    });
  }
  if (kind.range !== undefined && task.kind === 'regression') checkUnits(loss, task);
  checkMoves(data, augmentation);
  checkIgnored(loss, task, isMixing(augmentation));
  if (loss.kind === 'customLoss' && form === 'classes' && isMixing(augmentation)) {
    throw new UsageError({
      what: 'mixup and cutmix with customLoss',
      problem: 'turn classes into shares of classes, which a custom loss does not handle',
      hint: 'crossEntropy, or numeric targets',
    });
  }
}

/** Shares and binary targets lose their meaning if they are standardized. */
function checkUnits(loss: LossSpec, task: Extract<Task, { kind: 'regression' }>): void {
  if (task.mean !== undefined) {
    throw new UsageError({
      what: `targets of the loss ${loss.kind}`,
      given: 'standardized ones',
      allowed: 'unscaled targets, from 0 to 1',
      hint: 'openDataset(folder, { standardizeTargets: false }), or --loss on the command line',
    });
  }
  if (lossKindOf(loss).range !== 'shares' || sizeOf(task.targetShape) > 1) return;
  throw new UsageError({
    what: `targets of the loss ${loss.kind}`,
    given: 'one number for each sample',
    allowed: 'classes, or the shares of at least two classes',
    hint: 'binaryCrossEntropy',
  });
}

/** Throws a {@link UsageError} for an augmentation that does not work with masks. */
function checkMoves(
  { task, inputShape }: Pick<Dataset, 'task' | 'inputShape'>,
  augmentation: AugmentationPlan | null,
): void {
  if (task.kind !== 'segmentation' || augmentation === null) return;
  if (isMixing(augmentation)) {
    throw new UsageError({
      what: 'mixup and cutmix',
      given: 'targets that are masks',
      allowed: 'a class for each image, or numbers',
      hint: 'shift (crop) and flip, which move the image and its mask together',
    });
  }
  const { targetShape } = task;
  const isAlike =
    targetShape.length === 2 && targetShape.every((size, axis) => size === inputShape[axis]);
  if (isAlike) return;
  throw new UsageError({
    what: 'augmentation of images with masks',
    given: `images ${showShape(inputShape)}, masks ${showShape(targetShape)}`,
    allowed: 'masks of the size of their images',
  });
}

function checkIgnored(loss: LossSpec, task: Task, mixes: boolean): void {
  if (loss.kind !== 'crossEntropy' || loss.ignoreIndex === undefined) return;
  const { ignoreIndex } = loss;
  if (task.kind === 'regression' || mixes) {
    throw new UsageError({
      what: 'ignoreIndex of crossEntropy',
      problem: mixes
        ? 'does not work with mixup and cutmix, since there is no class to mix'
        : 'needs targets that are classes',
      hint: 'sample weights of 0',
    });
  }
  if (ignoreIndex === NO_CLASS || (ignoreIndex >= 0 && ignoreIndex < task.classes)) return;
  throw new UsageError({
    what: 'ignoreIndex of crossEntropy',
    given: ignoreIndex,
    allowed: `${NO_CLASS}, which stands for no class, or a class from 0 to ${task.classes - 1}`,
  });
}

/** Throws a {@link UsageError} that names the first target that the loss cannot take. Targets in
 * chunks are checked when they are read. */
export function checkTargets(loss: LossSpec, { name, task, train, test }: TrainingData): void {
  for (const [split, samples] of [
    ['train', train],
    ['test', test],
  ] as const) {
    if (isChunkedSplit(samples)) continue;
    checkSplitTargets(loss, `of ${split} of ${name}`, task, samples);
  }
}

/** The same for samples that errors refer to as `what`. */
export function checkSplitTargets(loss: LossSpec, what: string, task: Task, samples: Split): void {
  if (task.kind === 'regression') checkNumbers(loss, what, samples, sizeOf(task.targetShape));
  else checkLabels(loss, what, samples, task);
}

function checkLabels(loss: LossSpec, what: string, { targets }: Split, task: Task): void {
  if (loss.kind === 'crossEntropy' && loss.ignoreIndex === NO_CLASS) return;
  const at = targets.indexOf(NO_CLASS);
  if (at < 0) return;
  throw new UsageError({
    what: `${showLabelAt(task, at)} ${what}`,
    given: `${NO_CLASS}, no class`,
    allowed: `a class, or a loss that leaves such labels out`,
    hint: `crossEntropy({ ignoreIndex: ${NO_CLASS} }) (--ignore-index)`,
  });
}

function checkNumbers(loss: LossSpec, what: string, { targets }: Split, size: number): void {
  const { range } = lossKindOf(loss);
  if (range === undefined) return;
  const outside = targets.findIndex((value) => !(value >= 0 && value <= 1));
  if (outside >= 0) {
    throw new UsageError({
      what: `target of sample ${Math.floor(outside / size)} ${what}`,
      given: targets[outside],
      allowed: `numbers from 0 to 1 for the loss ${loss.kind}`,
    });
  }
  if (range !== 'shares') return;
  for (let sample = 0; sample < targets.length / size; sample++) {
    let sum = 0;
    for (let i = sample * size; i < (sample + 1) * size; i++) sum += targets[i]!;
    if (Math.abs(sum - 1) <= SHARES_TOLERANCE) continue;
    throw new UsageError({
      what: `target of sample ${sample} ${what}`,
      given: `shares with a sum of ${sum}`,
      allowed: `shares of ${size} classes with a sum of 1 for the loss ${loss.kind}`,
      hint: 'binaryCrossEntropy, which allows several classes per sample',
    });
  }
}
