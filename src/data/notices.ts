// What a user should know about data before a run starts, even though it can be trained on. Each
// finding is a function from the data to a sentence, or to undefined if it does not apply.

import { sizeOf } from '../base/shape.ts';
import { listed } from '../base/show.ts';
import type { Dataset, Split } from './dataset.ts';
import { outgrowsFloat32 } from './shift.ts';
import { floatStatistics, isConstant } from './statistics.ts';
import { isOneHot } from './targets.ts';

/** Targets with a mean or a standard deviation above this are far from a fresh model's outputs. */
const LARGE_TARGETS = 10;
/** Bits of a float32 after its leading one. */
const FLOAT32_BITS = 23;

const FINDERS = [
  missingClasses,
  oneHotTargets,
  largeTargets,
  roundedPredictions,
  roundedInputs,
  constantInputs,
];

/** Classes without training samples, and which of them are in the test split. */
function missingClasses(data: Dataset): string | undefined {
  const { task, train, test, name } = data;
  if (task.kind === 'regression') return undefined;
  const trained = classesIn(train, task.classes);
  const tested = classesIn(test, task.classes);
  const missing = [...trained.keys()].filter((label) => !trained[label]);
  if (missing.length === 0) return undefined;
  const wrong = missing.filter((label) => tested[label]);
  const what = task.kind === 'segmentation' ? 'pixel' : 'sample';
  const inTest =
    wrong.length === 0
      ? `No test ${what} has one either.`
      : `Test ${what}s have ${listed(wrong.map(String))} of them, which a model cannot learn.`;
  const isFromOne = missing.length === 1 && missing[0] === 0;
  return (
    `No training ${what} of ${name} is of class ${listed(missing.map(String))} (of ` +
    `${task.classes}). ${inTest}${isFromOne ? ' Labels that begin at 1 may be reduced by 1.' : ''}`
  );
}

/** For each class, whether a sample has it. */
function classesIn({ targets }: Split, classes: number): readonly boolean[] {
  const found = new Array<boolean>(classes).fill(false);
  for (const label of targets) if (label >= 0) found[label] = true;
  return found;
}

/** Classes that are given as numbers to predict. */
function oneHotTargets(data: Dataset): string | undefined {
  if (!isOneHot(data.task, data.train)) return undefined;
  return (
    `Each target of ${data.name} is one-hot, but the task is regression. For classification, ` +
    "give the index of the 1: task { kind: 'classification', classes } with an Int32Array."
  );
}

/** Targets in units that often make training diverge. */
function largeTargets(data: Dataset): string | undefined {
  const { task, train, name } = data;
  if (task.kind !== 'regression' || task.mean !== undefined) return undefined;
  const size = sizeOf(task.targetShape);
  const { mean, std } = floatStatistics(train.targets as Float32Array, size);
  const at = mean.findIndex((m, i) => Math.max(Math.abs(m), std[i]!) > LARGE_TARGETS);
  if (at < 0) return undefined;
  return (
    `Targets of ${name} are far from 0 and 1 (value ${at}: mean ${mean[at]!.toPrecision(3)}, std ` +
    `${std[at]!.toPrecision(3)}): training is slow or diverges. standardizeTargets(data) ` +
    'standardizes them; predictions are still in the original units.'
  );
}

/** Targets in units that a prediction cannot represent. */
function roundedPredictions({ task, train, name }: Dataset): string | undefined {
  if (task.kind !== 'regression' || task.mean === undefined) return undefined;
  const size = task.mean.length;
  const at = task.mean.findIndex((mean, i) => {
    const isOut = outgrowsFloat32(mean, task.std![i]!);
    return isOut && !isConstant(train.targets as Float32Array, size, i);
  });
  if (at < 0) return undefined;
  const mean = task.mean[at]!;
  const step = 2 ** (Math.floor(Math.log2(Math.abs(mean))) - FLOAT32_BITS);
  return (
    `Targets of ${name} are far from 0 (value ${at}: mean ${mean.toPrecision(3)}, std ` +
    `${task.std![at]!.toPrecision(3)}): their predictions are float32, in steps of ${step}. ` +
    'Subtract an offset from the targets to predict the differences.'
  );
}

/** Floats that lost their digits before they came here. */
function roundedInputs(data: Dataset): string | undefined {
  const { inputType, mean, std, name } = data;
  if (inputType === 'u8') return undefined;
  const channels = mean.flatMap((value, c) => (outgrowsFloat32(value, std[c]!) ? [c] : []));
  const rounded = channels.filter((c) => !isConstant(data.train.inputs, mean.length, c));
  if (rounded.length === 0) return undefined;
  const shown = rounded.map((c) => `${c} (mean ${mean[c]!.toPrecision(3)})`);
  return (
    `Inputs of ${name} are so far from 0 that float32 rounds away their differences, in ` +
    `${axisOf(data)} ${listed(shown)}. Subtract an offset from them in float64, or save them as ` +
    'float64 npy.'
  );
}

/** The name of the inputs' last axis. */
function axisOf({ inputShape }: Dataset): string {
  return inputShape.length === 1 ? 'columns' : 'channels';
}

/** Columns without information. */
function constantInputs(data: Dataset): string | undefined {
  const { mean, train, name } = data;
  if (train.count < 2) return undefined;
  const found = mean.flatMap((_, c) => (isConstant(train.inputs, mean.length, c) ? [`${c}`] : []));
  if (found.length === 0) return undefined;
  return (
    `All ${train.count} training samples of ${name} have the same inputs in ` +
    `${axisOf(data)} ${listed(found)}: a model learns nothing from them, and test samples may ` +
    'differ there.'
  );
}

/** All findings about data, as sentences, starting with what its reader reported. */
export function dataNotices(data: Dataset): readonly string[] {
  const found = FINDERS.map((find) => find(data)).filter((notice) => notice !== undefined);
  return [...(data.notices ?? []), ...found];
}
