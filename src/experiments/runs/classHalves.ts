// Splits a dataset into two tasks, the first and the second half of its classes, each with classes
// counted from 0. Also makes negatives of its images. They keep the statistics that the images are
// standardized with, so that a net needs no changes for them.

import { UsageError } from '../../base/errors.ts';
import { sizeOf } from '../../base/shape.ts';
import type { Dataset, Split } from '../../data/dataset.ts';
import { rows } from '../../data/rows.ts';
import { purposeOf } from './plainNets.ts';

const BYTE_RANGE = 255;

export interface ClassHalves {
  /** With an odd number of classes, this half has one fewer. */
  readonly first: Dataset;
  readonly second: Dataset;
}

/** Copies the samples of both halves. Throws a {@link UsageError} for regression or fewer than 4
 * classes. */
export function classHalves(dataset: Dataset): ClassHalves {
  const { classes } = purposeOf(dataset);
  if (classes < 4) {
    throw new UsageError({
      what: `classes of ${dataset.name}`,
      given: classes,
      allowed: 'at least 4, two for each half',
    });
  }
  const middle = Math.floor(classes / 2);
  return { first: classesOf(dataset, 0, middle), second: classesOf(dataset, middle, classes) };
}

/** The samples of classes from `low` up to but not including `high`. */
function classesOf(dataset: Dataset, low: number, high: number): Dataset {
  const part = ({ count, inputs, targets }: Split): Split => {
    const all = Int32Array.from({ length: count }, (_, i) => i);
    const indices = all.filter((i) => targets[i]! >= low && targets[i]! < high);
    return {
      count: indices.length,
      inputs: rows(inputs, sizeOf(dataset.inputShape), indices),
      targets: Int32Array.from(indices, (i) => targets[i]! - low),
    };
  };
  return {
    ...dataset,
    task: { kind: 'classification', classes: high - low },
    train: part(dataset.train),
    test: part(dataset.test),
  };
}

/** Swaps dark and bright in images: 255 - x for bytes, and within the range of the training images
 * for floats. */
export function negativesOf(dataset: Dataset): Dataset {
  const sum = dataset.inputType === 'u8' ? BYTE_RANGE : rangeSum(dataset.train.inputs);
  const turn = (split: Split): Split => ({ ...split, inputs: split.inputs.map((x) => sum - x) });
  return { ...dataset, train: turn(dataset.train), test: turn(dataset.test) };
}

function rangeSum(values: Dataset['train']['inputs']): number {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low + high;
}
