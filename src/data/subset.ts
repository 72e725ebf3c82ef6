// Fewer training samples of a dataset, or two parts of them. Statistics and the test split stay.

import { checkInteger } from '../base/errors.ts';
import { sizeOf } from '../base/shape.ts';
import { checkDataset } from './checkDataset.ts';
import type { Dataset, Split } from './dataset.ts';
import { drawHeldOut } from './heldOut.ts';
import { drawRows, limitStream, rows } from './rows.ts';
import { targetSize } from './task.ts';

/** The same dataset with `count` training samples, drawn uniformly and kept in order; always the
 * same ones. Throws a UsageError if count is below 1 or above the number of training samples.
 *
 * @example
 * limitTrain(synthetic(), 100)
 */
export function limitTrain(dataset: Dataset, count: number): Dataset {
  checkCount(dataset, count);
  const { train } = dataset;
  if (count === train.count) return dataset;
  return { ...dataset, train: pick(dataset, drawRows(train.count, count, limitStream())) };
}

/** The same dataset with only its first `count` training samples; nothing is copied. Meant for data
 * in random order: if data is sorted by class, they are all of the first classes. Throws a
 * UsageError like {@link limitTrain}.
 *
 * @example
 * firstTrain(synthetic(), 100)
 */
export function firstTrain(dataset: Dataset, count: number): Dataset {
  checkCount(dataset, count);
  const { inputs, targets, weights, domains } = dataset.train;
  const train: Split = {
    count,
    inputs: inputs.subarray(0, count * sizeOf(dataset.inputShape)),
    targets: targets.subarray(0, count * targetSize(dataset.task)),
    ...(weights !== undefined && { weights: weights.subarray(0, count) }),
    ...(domains !== undefined && { domains: domains.subarray(0, count) }),
  };
  return { ...dataset, train };
}

/** The training samples without `count` of them, and those `count` ({@link drawHeldOut}); both are
 * copies in order. */
export function holdOut(
  dataset: Dataset,
  count: number,
  seed: number,
): { readonly train: Split; readonly heldOut: Split } {
  const marks = drawHeldOut(dataset, count, seed);
  const part = (mark: number): Split => {
    const all = Int32Array.from(marks, (_, sample) => sample);
    const indices = all.filter((sample) => marks[sample] === mark);
    return pick(dataset, indices);
  };
  return { train: part(0), heldOut: part(1) };
}

function checkCount(dataset: Dataset, count: number): void {
  const { name, train } = checkDataset(dataset);
  checkInteger(`training samples of ${name}`, count, 1, train.count);
}

function pick({ train, inputShape, task }: Dataset, indices: Int32Array): Split {
  return {
    count: indices.length,
    inputs: rows(train.inputs, sizeOf(inputShape), indices),
    targets: rows(train.targets, targetSize(task), indices),
    ...(train.weights !== undefined && { weights: rows(train.weights, 1, indices) }),
    ...(train.domains !== undefined && { domains: rows(train.domains, 1, indices) }),
  };
}
