// Regression targets in units that a model can learn, and predictions back in the data's units.
// Each target value is standardized, (target - mean) / std, like the inputs. Float targets that are
// one-hot rows become class indexes.

import { UsageError } from '../base/errors.ts';
import { sizeOf } from '../base/shape.ts';
import { checkDataset } from './checkDataset.ts';
import type { Dataset, Split } from './dataset.ts';
import { floatStatistics } from './statistics.ts';
import type { Task } from './task.ts';

type Floats = Float32Array | Float64Array;

export interface StandardTargets {
  /** Over the training targets, for each target value. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly train: Float32Array;
  readonly test: Float32Array;
}

/** Targets of `size` values each, standardized in float64 and rounded once. A constant value gets
 * std 1. */
export function standardTargets(train: Floats, test: Floats, size: number): StandardTargets {
  const { mean, std } = floatStatistics(train, size);
  const standard = (values: Floats): Float32Array =>
    Float32Array.from(values, (value, i) => (value - mean[i % size]!) / std[i % size]!);
  return { mean, std, train: standard(train), test: standard(test) };
}

/** The dataset with its targets standardized by their mean and standard deviation over the training
 * split, which are stored in its task. The loss is then in standardized units, predictions are in
 * the data's. Throws a {@link UsageError} for classes, and for targets that are already
 * standardized.
 *
 * @example
 * standardizeTargets(
 *   fromArrays({ inputs: [[0], [1]], targets: [0.5, 1000], standardizeTargets: false }),
 * )
 */
export function standardizeTargets(dataset: Dataset): Dataset {
  checkDataset(dataset);
  const { task, train, test, name } = dataset;
  const what = `standardizeTargets of ${name}`;
  if (task.kind !== 'regression') {
    throw new UsageError({ what, given: 'classes', allowed: 'a dataset for regression' });
  }
  if (task.mean !== undefined) {
    throw new UsageError({ what, given: 'standardized targets', allowed: 'the original targets' });
  }
  const size = sizeOf(task.targetShape);
  const made = standardTargets(train.targets as Float32Array, test.targets as Float32Array, size);
  return {
    ...dataset,
    task: { ...task, mean: made.mean, std: made.std },
    train: { ...train, targets: made.train },
    test: { ...test, targets: made.test },
  };
}

/** Converts outputs, [n, outputs], from standardized units to the data's, in place. */
export function toDataUnits(task: Task, outputs: Float32Array): Float32Array {
  if (task.kind !== 'regression' || task.mean === undefined || task.std === undefined) {
    return outputs;
  }
  const { mean, std } = task;
  for (let i = 0; i < outputs.length; i++) {
    const at = i % mean.length;
    outputs[i] = outputs[i]! * std[at]! + mean[at]!;
  }
  return outputs;
}

/** The classes of one-hot rows: at least two columns, each row a single 1 among zeros. Undefined if
 * any row is something else. */
export function oneHotClasses(
  values: Floats | Int32Array,
  columns: number,
): Int32Array | undefined {
  if (columns < 2) return undefined;
  const classes = new Int32Array(values.length / columns);
  for (let row = 0; row < classes.length; row++) {
    let found = -1;
    for (let column = 0; column < columns; column++) {
      const value = values[row * columns + column]!;
      if (value === 0) continue;
      if (value !== 1 || found >= 0) return undefined;
      found = column;
    }
    if (found < 0) return undefined;
    classes[row] = found;
  }
  return classes;
}

/** Whether all targets of a regression are one-hot rows. */
export function isOneHot(task: Task, { targets }: Split): boolean {
  if (task.kind !== 'regression' || !(targets instanceof Float32Array)) return false;
  return oneHotClasses(targets, sizeOf(task.targetShape)) !== undefined;
}
