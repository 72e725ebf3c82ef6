// Checks a complete dataset: its fields, its samples, and whether they are consistent. Each file
// format is read in its own file.

import { checkInteger, UsageError } from '../base/errors.ts';
import { channelsOf, type Shape, showShape, sizeOf } from '../base/shape.ts';
import { checkSplit, type DataFields, type Dataset } from './dataset.ts';
import { checkDatasetFields } from './datasetFields.ts';
import type { Task } from './task.ts';

/** Above this, integer targets are far more likely quantities than classes. */
const MAX_CLASSES = 65536;

/** Returns the dataset if it is valid: lengths agree, labels are within the classes, every float is
 * finite, and there is one statistic per channel. Otherwise throws a UsageError that names the
 * problem. */
export function checkDataset(dataset: Dataset): Dataset {
  checkDatasetFields(dataset);
  const { name } = dataset;
  checkForm(dataset);
  checkInteger(`training samples of ${name}`, dataset.train.count, 1);
  checkInteger(`test samples of ${name}`, dataset.test.count, 0);
  checkSplit(`train of ${name}`, dataset, dataset.train);
  checkSplit(`test of ${name}`, dataset, dataset.test);
  // Last, because an error about a NaN input is more helpful than one about a NaN mean.
  checkStatistics(dataset);
  return dataset;
}

/** Throws a UsageError unless the data's fields are consistent. */
export function checkData(data: DataFields): void {
  checkForm(data);
  checkStatistics(data);
}

function checkForm(data: DataFields): void {
  const { name, inputShape, task } = data;
  checkShape(`input shape of ${name}`, inputShape);
  if (task.kind !== 'regression') {
    checkInteger(`classes of ${name}`, task.classes, 1, MAX_CLASSES);
  }
  checkClassNames(data);
  if (task.kind !== 'classification') checkShape(`target shape of ${name}`, task.targetShape);
  if (task.kind === 'regression') checkTargetUnits(name, task);
}

function checkStatistics({ name, inputShape, mean, std, shift }: DataFields): void {
  const channels = channelsOf(inputShape);
  checkStatistic(`mean of ${name}`, mean, channels, Number.NEGATIVE_INFINITY);
  checkStatistic(`std of ${name}`, std, channels, 0);
  if (shift !== undefined) {
    checkStatistic(`shift of ${name}`, shift, channels, Number.NEGATIVE_INFINITY);
  }
}

function checkShape(what: string, shape: Shape): void {
  if (shape.length > 0 && shape.every((size) => Number.isInteger(size) && size > 0)) return;
  throw new UsageError({ what, given: showShape(shape), allowed: 'whole numbers above 0' });
}

function checkClassNames({ name, task, classNames }: DataFields): void {
  if (classNames === undefined) return;
  const count = task.kind === 'regression' ? 0 : task.classes;
  if (classNames.length <= count) return;
  const given = `${classNames.length} names`;
  throw new UsageError({ what: `class names of ${name}`, given, allowed: `at most ${count}` });
}

function checkTargetUnits(
  name: string,
  task: Extract<Task, { readonly kind: 'regression' }>,
): void {
  const { mean, std } = task;
  if (mean === undefined && std === undefined) return;
  const size = sizeOf(task.targetShape);
  checkStatistic(`target mean of ${name}`, mean ?? [], size, Number.NEGATIVE_INFINITY);
  checkStatistic(`target std of ${name}`, std ?? [], size, 0);
}

function checkStatistic(
  what: string,
  values: readonly number[],
  channels: number,
  above: number,
): void {
  if (values.length === channels && values.every((v) => Number.isFinite(v) && v > above)) return;
  const kind = above === 0 ? 'finite numbers above 0' : 'finite numbers';
  const each = what.startsWith('target') ? 'target value' : 'channel';
  throw new UsageError({ what, given: values, allowed: `${channels} ${kind}, one per ${each}` });
}
