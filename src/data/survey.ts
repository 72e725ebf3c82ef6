// Counts what is in a dataset, for people who look at data before they train on it.

import { channelsOf, type Shape } from '../base/shape.ts';
import type { Dataset, InputType, Split } from './dataset.ts';
import { dataNotices } from './notices.ts';
import type { Task } from './task.ts';

/** A class, with its sample counts; for masks, pixel counts. */
export interface ClassSurvey {
  readonly label: number;
  readonly name?: string;
  readonly train: number;
  readonly test: number;
}

/** Values of the training split in the data's units; bytes as byte / 255. */
export interface ValueSurvey {
  readonly mean: number;
  readonly std: number;
  readonly min: number;
  readonly max: number;
  readonly isConstant: boolean;
}

/** The order of the classes: ascending, each in one run, or mixed. */
export type LabelOrder = 'sorted' | 'grouped' | 'mixed';

export interface DataSurvey {
  readonly name: string;
  readonly inputShape: Shape;
  readonly inputType: InputType;
  readonly task: Task;
  readonly train: number;
  readonly test: number;
  /** Per channel (last axis) of the inputs. */
  readonly channels: readonly ValueSurvey[];
  /** Per value of a target; empty for classes. */
  readonly targets: readonly ValueSurvey[];
  /** Empty for a regression. */
  readonly classes: readonly ClassSurvey[];
  /** Labels without training samples. */
  readonly missingClasses: readonly number[];
  /** Samples or pixels without a class. */
  readonly noClass: { readonly train: number; readonly test: number };
  /** Order of the training samples, for a classification. */
  readonly labelOrder?: LabelOrder;
  /** Other findings. */
  readonly notices: readonly string[];
}

const BYTE_RANGE = 255;

/** Surveys a dataset. */
export function surveyDataset(data: Dataset): DataSurvey {
  const { name, inputShape, inputType, task, train, test, classNames } = data;
  const isRegression = task.kind === 'regression';
  const trained = isRegression ? undefined : countLabels(train, task.classes);
  const tested = isRegression ? undefined : countLabels(test, task.classes);
  const classes = (trained?.counts ?? []).map((count, label) => ({
    label,
    ...(classNames?.[label] !== undefined && { name: classNames[label] }),
    train: count,
    test: tested!.counts[label]!,
  }));
  return {
    name,
    inputShape,
    inputType,
    task,
    train: train.count,
    test: test.count,
    channels: surveyInputs(data),
    targets: isRegression ? surveyTargets(train, task) : [],
    classes,
    missingClasses: classes.filter((found) => found.train === 0).map(({ label }) => label),
    noClass: { train: trained?.without ?? 0, test: tested?.without ?? 0 },
    ...(task.kind === 'classification' && { labelOrder: orderOf(train.targets) }),
    notices: dataNotices(data),
  };
}

function surveyInputs({ train, inputType, inputShape, shift, mean, std }: Dataset): ValueSurvey[] {
  const scale = inputType === 'u8' ? 1 / BYTE_RANGE : 1;
  return rangesOf(train.inputs, channelsOf(inputShape)).map(({ min, max }, c) => {
    const offset = shift?.[c] ?? 0;
    return {
      mean: mean[c]! + offset,
      std: min === max ? 0 : std[c]!,
      min: min * scale + offset,
      max: max * scale + offset,
      isConstant: min === max,
    };
  });
}

function surveyTargets(
  { targets, count }: Split,
  task: Extract<Task, { readonly kind: 'regression' }>,
): ValueSurvey[] {
  const size = targets.length / count;
  return rangesOf(targets, size).map(({ min, max, mean, std }, i) => {
    const unit = task.std?.[i] ?? 1;
    const offset = task.mean?.[i] ?? 0;
    const inUnits = (value: number): number => value * unit + offset;
    return {
      ...{ mean: inUnits(mean), std: std * unit, min: inUnits(min), max: inUnits(max) },
      isConstant: min === max,
    };
  });
}

interface Range {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly std: number;
}

/** Ranges of each value in a row. */
function rangesOf(values: Split['inputs'] | Split['targets'], size: number): readonly Range[] {
  const min = new Float64Array(size).fill(Infinity);
  const max = new Float64Array(size).fill(-Infinity);
  const sums = new Float64Array(size);
  for (let i = 0; i < values.length; i++) {
    const [at, value] = [i % size, values[i]!];
    if (value < min[at]!) min[at] = value;
    if (value > max[at]!) max[at] = value;
    sums[at]! += value;
  }
  const rows = values.length / size;
  const squares = new Float64Array(size);
  for (let i = 0; i < values.length; i++) {
    squares[i % size]! += (values[i]! - sums[i % size]! / rows) ** 2;
  }
  return Array.from(min, (least, at) => ({
    min: least,
    max: max[at]!,
    mean: sums[at]! / rows,
    std: Math.sqrt(squares[at]! / rows),
  }));
}

function countLabels(
  { targets }: Split,
  classes: number,
): { readonly counts: readonly number[]; readonly without: number } {
  const counts = new Array<number>(classes).fill(0);
  let without = 0;
  for (const label of targets) {
    if (label < 0) without++;
    else counts[label]!++;
  }
  return { counts, without };
}

function orderOf(labels: Split['targets']): LabelOrder {
  const seen = new Set<number>();
  let isSorted = true;
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (i > 0 && label === labels[i - 1]) continue;
    if (seen.has(label)) return 'mixed';
    if (i > 0 && label < labels[i - 1]!) isSorted = false;
    seen.add(label);
  }
  if (seen.size === labels.length && !isSorted) return 'mixed';
  return isSorted ? 'sorted' : 'grouped';
}
