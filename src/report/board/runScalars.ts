// What TensorBoard shows of a run: the numbers of a progress and of a snapshot, by tag.

import { isObject } from '../../base/parse.ts';
import type { Diagnostics } from '../../observe/diagnostics.ts';
import type { GradientNorms } from '../../observe/gradientNorms.ts';
import type { Progress } from '../../runtime/progress.ts';

export type Values = readonly (readonly [tag: string, value: number])[];

/** A trainer's last snapshot step. */
export interface SnapshotSource {
  /** See {@link RunningTrainer.diagnostics}. */
  diagnostics(): Diagnostics | undefined;
  /** See {@link RunningTrainer.gradientNorms}. */
  gradientNorms(): GradientNorms | undefined;
}

/** The numbers of a progress; `recent` covers what was trained since the last one. */
export function progressScalars(
  progress: Progress,
  recent: { readonly loss: number; readonly accuracy: number } | undefined,
): Values {
  const { kind, validation, learningRate, imagesPerSecond } = progress;
  return [
    ...(recent === undefined ? [] : scoreValues('train', recent)),
    ...meaningful([
      ['train/learningRate', learningRate],
      ['train/imagesPerSecond', imagesPerSecond],
    ]),
    ...(kind === 'epoch' ? scoreValues('epoch', progress) : []),
    ...(validation === undefined ? [] : scoreValues('validation', validation)),
  ];
}

interface Scores {
  readonly loss: number;
  readonly accuracy: number;
  readonly meanIou?: number;
  readonly headLosses?: Readonly<Record<string, number>>;
  readonly totalLoss?: number;
}

/** Whether a value is a progress from `fit`, judged by the fields that are read here. */
export function isProgress(given: unknown): given is Progress {
  if (!isObject(given) || !isScores(given)) return false;
  const { step, epoch, samples, learningRate, imagesPerSecond, validation } = given;
  const areNumbers = [step, epoch, samples, learningRate, imagesPerSecond].every(isNumber);
  return areNumbers && (validation === undefined || isScores(validation));
}

function isScores(given: unknown): boolean {
  if (!isObject(given)) return false;
  const { loss, accuracy, meanIou = 0, totalLoss = 0, headLosses = {} } = given;
  const areNumbers = [loss, accuracy, meanIou, totalLoss].every(isNumber);
  return areNumbers && isObject(headLosses) && Object.values(headLosses).every(isNumber);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

/** A loss is shown even if it is NaN, since that must be visible. Other numbers are NaN if they are
 * undefined. */
function scoreValues(group: string, scores: Scores): Values {
  const { loss, accuracy, meanIou = Number.NaN, headLosses = {}, totalLoss = loss } = scores;
  const heads = Object.entries(headLosses);
  const losses = heads.map(([name, value]) => [`${group}/headLosses/${name}`, value] as const);
  return [
    [`${group}/loss`, loss],
    ...(heads.length === 0 ? [] : [[`${group}/totalLoss`, totalLoss] as const, ...losses]),
    ...meaningful([
      [`${group}/accuracy`, accuracy],
      [`${group}/meanIou`, meanIou],
    ]),
  ];
}

/** The values of new snapshot steps; `shown` has the last ones that were shown. */
export function snapshotScalars(
  trainer: SnapshotSource,
  shown: { diagnostics: number; gradients: number },
): readonly (readonly [step: number, values: Values])[] {
  const found: (readonly [number, Values])[] = [];
  const diagnostics = trainer.diagnostics();
  if (diagnostics !== undefined && diagnostics.step !== shown.diagnostics) {
    shown.diagnostics = diagnostics.step;
    const values = diagnostics.layers.flatMap(({ path, worst }) =>
      meaningful([
        [`shards/${path}/meanShift`, worst.meanShift],
        [`shards/${path}/varianceFactor`, worst.varianceFactor],
      ]),
    );
    found.push([diagnostics.step, values]);
  }
  const norms = trainer.gradientNorms();
  if (norms !== undefined && norms.step !== shown.gradients) {
    shown.gradients = norms.step;
    const values = norms.tensors.map(({ name, norm }) => [`gradients/${name}`, norm] as const);
    found.push([norms.step, values]);
  }
  return found;
}

function meaningful(values: Values): Values {
  return values.filter(([, value]) => !Number.isNaN(value));
}
