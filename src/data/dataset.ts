// The dataset type: two splits of samples, channels last, with the statistics that normalize them.
// Checks the samples of a split; checkDataset.ts checks the other fields.

import { UsageError } from '../base/errors.ts';
import { NO_CLASS } from '../base/noClass.ts';
import { type Shape, sizeOf } from '../base/shape.ts';
import { showLabelAt, type Task, targetSize } from './task.ts';

/** How inputs are stored: bytes (statistics refer to value / 255) or float32. */
export type InputType = 'u8' | 'f32';

/** The samples of one split. */
export interface Split {
  /** Number of samples. */
  readonly count: number;
  /** count * sizeOf(inputShape) values, channels last. */
  readonly inputs: Uint8Array | Float32Array;
  /** For classification, one class index per sample; for segmentation, count * sizeOf(targetShape)
   * class indexes. For regression, count * sizeOf(targetShape) floats, in standardized units if the
   * task has a mean and std. Class -100 means no class; a loss leaves such samples or pixels out if
   * it says so (`ignoreIndex` of cross-entropy). */
  readonly targets: Int32Array | Float32Array;
  /** Each sample's weight in the loss, at least 0; default: all equal. A step's loss is the
   * weighted mean over its global batch, an evaluation's over the split. Accuracy does not count
   * samples of weight 0. */
  readonly weights?: Float32Array;
  /** The origin of each sample, such as a hospital or a camera: one integer from 0 per sample. Used
   * only by `by-domain` shards, for training samples. */
  readonly domains?: Int32Array;
}

/** Samples to train and test with, as plain data. `fromArrays` and `openDataset` make datasets; one
 * built by hand is checked where it is used. */
export interface Dataset {
  /** Name for display. */
  readonly name: string;
  /** Shape of one sample: `[H, W, C]` for images, `[F]` for vectors. */
  readonly inputShape: Shape;
  /** `u8` for bytes, `f32` for everything else. */
  readonly inputType: InputType;
  /** What to learn. */
  readonly task: Task;
  /** Names of the classes, in order, if the data has them. */
  readonly classNames?: readonly string[];
  /** What was subtracted from each channel before its values were rounded to float32: an input in
   * the data's own units is stored value + shift. Absent if nothing was subtracted. */
  readonly shift?: readonly number[];
  /** Sentences on how the data was read, shown when a run starts. */
  readonly notices?: readonly string[];
  /** Mean of each channel (last axis), in units of the stored value; a byte counts as byte /
   * 255. */
  readonly mean: readonly number[];
  /** Standard deviation of each channel, in the units of `mean`. */
  readonly std: readonly number[];
  /** The training samples. */
  readonly train: Split;
  /** May be empty (count 0). */
  readonly test: Split;
}

/** What is known about data without its samples. */
export type DataFields = Omit<Dataset, 'train' | 'test'>;

const MAX_DOMAINS = 65536;

/** Throws a UsageError that names the first problem with a split's samples. */
export function checkSplit(what: string, data: DataFields, split: Split): void {
  const { inputShape, inputType, task } = data;
  checkStorage(`inputs of ${what}`, split.inputs, {
    bytes: inputType === 'u8',
    length: split.count * sizeOf(inputShape),
  });
  const isClass = task.kind !== 'regression';
  const Wanted = isClass ? Int32Array : Float32Array;
  checkLength(`targets of ${what}`, split.targets.length, split.count * targetSize(task));
  if (!(split.targets instanceof Wanted)) {
    const given = split.targets.constructor.name;
    throw new UsageError({ what: `targets of ${what}`, given, allowed: Wanted.name });
  }
  if (split.domains !== undefined) checkDomains(what, split.domains, split.count);
  if (isClass) checkLabels(what, split.targets, task);
  else checkFinite(`targets of ${what}`, split.targets);
  if (split.weights !== undefined) checkWeights(`weights of ${what}`, split.weights, split.count);
}

function checkWeights(what: string, weights: Float32Array, count: number): void {
  checkLength(what, weights.length, count);
  const wrong = weights.findIndex((weight) => !(weight >= 0 && weight < Infinity));
  if (wrong < 0 && (count === 0 || weights.some((weight) => weight > 0))) return;
  throw new UsageError({
    what,
    given: wrong < 0 ? 'only zeros' : `${weights[wrong]} at sample ${wrong}`,
    allowed: 'finite numbers, at least 0, one of them above 0',
  });
}

function checkStorage(
  what: string,
  values: Uint8Array | Float32Array,
  wanted: { readonly bytes: boolean; readonly length: number },
): void {
  const Wanted = wanted.bytes ? Uint8Array : Float32Array;
  if (!(values instanceof Wanted)) {
    throw new UsageError({ what, given: values.constructor.name, allowed: Wanted.name });
  }
  checkLength(what, values.length, wanted.length);
  if (!wanted.bytes) checkFinite(what, values);
}

function checkLength(what: string, found: number, wanted: number): void {
  if (found === wanted) return;
  throw new UsageError({ what, given: `${found} values`, allowed: `exactly ${wanted}` });
}

function checkFinite(what: string, values: Uint8Array | Int32Array | Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    const allowed = 'finite numbers (of float32 range)';
    throw new UsageError({ what, given: `${values[i]} at value ${i}`, allowed });
  }
}

function checkLabels(
  what: string,
  labels: Int32Array | Float32Array,
  task: Exclude<Task, { readonly kind: 'regression' }>,
): void {
  const { classes } = task;
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if ((label >= 0 && label < classes) || label === NO_CLASS) continue;
    throw new UsageError({
      what: `${showLabelAt(task, i)} in ${what}`,
      given: label,
      allowed: `a class from 0 to ${classes - 1}, or ${NO_CLASS} for none`,
    });
  }
}

function checkDomains(what: string, domains: Int32Array, count: number): void {
  checkLength(`domains of ${what}`, domains.length, count);
  const wrong = domains.findIndex((domain) => domain < 0 || domain >= MAX_DOMAINS);
  if (wrong === -1) return;
  const allowed = `a whole number from 0 to ${MAX_DOMAINS - 1}`;
  throw new UsageError({
    what: `domain of sample ${wrong} in ${what}`,
    given: domains[wrong],
    allowed,
  });
}
