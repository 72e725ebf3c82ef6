// Converts data for a model that was trained on other data to the model's units. Inputs are
// normalized with the statistics of the model's training data, not with their own.

import { UsageError } from '../base/errors.ts';
import { showShape } from '../base/shape.ts';
import { checkDataset } from './checkDataset.ts';
import type { Dataset, Split } from './dataset.ts';
import type { DataForm } from './placeholder.ts';
import { toDataUnits } from './targets.ts';
import type { Task } from './task.ts';

/** One split of a dataset in the form that a model takes. Throws a {@link UsageError} if inputs or
 * targets have another shape or type, or if there are more classes than the model has. */
export function matchingSplit(model: DataForm, given: Dataset, splitName: 'train' | 'test'): Split {
  const inputs = matchingInputs(model, given, splitName);
  if (!isTaskOf(model.task, given.task)) {
    throw mismatch('targets', given, showTask(given.task), showTask(model.task));
  }
  const split = given[splitName];
  return { ...split, inputs, targets: matchingTargets(model.task, given.task, split.targets) };
}

/** The inputs of one split, converted in the same way. */
export function matchingInputs(
  model: DataForm,
  given: Dataset,
  splitName: 'train' | 'test',
): Split['inputs'] {
  const dataset = checkDataset(given);
  const show = ({ inputShape, inputType }: DataForm): string =>
    `${showShape(inputShape)} of type ${inputType}`;
  const { inputs } = dataset[splitName];
  if (show(dataset) !== show(model)) throw mismatch('inputs', given, show(dataset), show(model));
  const { shift } = dataset;
  if (inputs instanceof Uint8Array || (shift ?? []).join() === (model.shift ?? []).join()) {
    return inputs;
  }
  // Differences from the data's shift become differences from the model's.
  const channels = model.mean.length;
  const by = Float64Array.from(model.mean, (_, c) => (shift?.[c] ?? 0) - (model.shift?.[c] ?? 0));
  return inputs.map((value, i) => value + by[i % channels]!);
}

function mismatch(part: string, { name }: Dataset, given: string, wanted: string): UsageError {
  return new UsageError({
    what: `${part} of ${name}`,
    given,
    allowed: `${wanted}, as the model requires`,
  });
}

/** Whether a model of one task can be evaluated on targets of another, which may have fewer
 * classes. */
function isTaskOf(model: Task, given: Task): boolean {
  const sizes = (task: Task): string =>
    task.kind === 'classification' ? '' : task.targetShape.join();
  if (model.kind !== given.kind || sizes(model) !== sizes(given)) return false;
  if (model.kind === 'regression' || given.kind === 'regression') return true;
  return given.classes <= model.classes;
}

function showTask(task: Task): string {
  if (task.kind === 'regression') return `numbers ${showShape(task.targetShape)}`;
  const masks = task.kind === 'segmentation' ? `masks ${showShape(task.targetShape)} of ` : '';
  return `${masks}${task.classes} classes`;
}

/** Regression targets in the units that the model learned. */
function matchingTargets(model: Task, own: Task, targets: Split['targets']): Split['targets'] {
  if (model.kind !== 'regression' || own.kind !== 'regression') return targets;
  const unitsOf = ({ mean, std }: typeof model): string => JSON.stringify([mean, std]);
  if (unitsOf(model) === unitsOf(own)) return targets;
  const { mean, std } = model;
  const values = toDataUnits(own, Float32Array.from(targets));
  if (mean === undefined || std === undefined) return values;
  return values.map((value, i) => (value - mean[i % mean.length]!) / std[i % std.length]!);
}
