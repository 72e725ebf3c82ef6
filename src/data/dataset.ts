// What a dataset is: two splits of samples, channels last, with the statistics that normalize them.
// Checks the samples of a split; what is said of them is checked in checkDataset.ts.

import { UsageError } from '../base/errors.ts';
import { NO_CLASS } from '../base/noClass.ts';
import { type Shape, sizeOf } from '../base/shape.ts';
import { showLabelAt, type Task, targetSize } from './task.ts';

/** How inputs are stored: bytes (value / 255 is what the statistics speak of) or float32. */
export type InputType = 'u8' | 'f32';

/** The samples of one split. */
export interface Split {
  /** How many samples there are. */
  readonly count: number;
  /** count * sizeOf(inputShape) values, channels last. */
  readonly inputs: Uint8Array | Float32Array;
  /** Classification: one class index per sample. Segmentation: count * sizeOf(targetShape) of
   * them. Regression: count * sizeOf(targetShape) floats, in
   * standardized units where the task has a mean and std. A class of -100 stands for none; a loss
   * that leaves such samples or pixels out says so (`ignoreIndex` of cross-entropy). */
  readonly targets: Int32Array | Float32Array;
  /** How much each sample counts in the loss, at least 0; default all alike. The loss of a step is
   * the weighted mean over its global batch, that of an evaluation over the split, and samples of
   * weight 0 count in no accuracy. */
  readonly weights?: Float32Array;
  /** Where each sample is from, such as a hospital or a camera: one whole number from 0 per sample.
   * Only shards `by-domain` of training samples look at it. */
  readonly domains?: Int32Array;
}

/** Samples to train and test with, as plain data. `fromArrays` and `openDataset` make them; one
 * that is made by hand is checked where it is used. */
export interface Dataset {
  /** For people. */
  readonly name: string;
  /** One sample: `[H, W, C]` for images, `[F]` for vectors. */
  readonly inputShape: Shape;
  /** `uint8` for bytes, `float32` for everything else. */
  readonly inputType: InputType;
  /** What is to be learned. */
  readonly task: Task;
  /** Of the classes, in their order, where the data says them. */
  readonly classNames?: readonly string[];
  /** What was subtracted from each channel before its values were rounded to float32: an input in
   * the data's own units is stored value + shift. Absent where inputs are stored as they are. */
  readonly shift?: readonly number[];
  /** Sentences on how it was read, said when a run starts. */
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

/** What is known of data without its samples. */
export type DataFields = Omit<Dataset, 'train' | 'test'>;

const MAX_DOMAINS = 65536;

/** Throws a UsageError that says what is wrong with the samples of a split. */
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
      allowed: `a class from 0 to ${classes - 1}, or ${NO_CLASS} where there is none`,
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
