// What a metric is: a kind that fits one sort of task, and a counter that takes the outputs of an
// evaluation in the order of the samples, so that no bit depends on how they were split.

import type { Task } from '../data/task.ts';

/** A confusion matrix: samples, or pixels of masks, by true class (row) and predicted class
 * (column). */
export type ConfusionMatrix = readonly (readonly number[])[];

/** Precision, recall and their harmonic mean F1, from 0 to 1. */
export interface PrecisionRecall<Values> {
  /** Of the samples predicted as a class, the share that are of it; 0 where there are none. */
  readonly precision: Values;
  /** Of the samples of a class, the share predicted as it; 0 where there are none. */
  readonly recall: Values;
  /** 2 hits / (samples + predictions) of a class; 0 where there are neither. */
  readonly f1: Values;
}

/** By class, and their plain means over all classes. */
export interface ClassScores extends PrecisionRecall<readonly number[]> {
  /** Samples of each class. */
  readonly support: readonly number[];
  /** The mean over the classes. */
  readonly macro: PrecisionRecall<number>;
}

/** Intersection over union: of the samples, or pixels of masks, that are of a class or predicted as
 * it, the share that are both. Each is counted over the whole split. */
export interface Overlaps {
  /** By class; NaN for one that never occurs, neither as a label nor as a prediction. */
  readonly byClass: readonly number[];
  /** Over the classes that occur: those that never do are left out. */
  readonly mean: number;
}

/** What each metric measures. */
export interface MetricValues {
  /** How often each class was taken for each other. */
  readonly confusion: ConfusionMatrix;
  /** Precision, recall and F1. */
  readonly f1: ClassScores;
  /** Intersection over union, by class. */
  readonly iou: Overlaps;
  /** Area under the ROC curve. */
  readonly auc: number;
  /** Coefficient of determination. */
  readonly r2: number;
  /** Mean absolute error, in the units of the data. */
  readonly mae: number;
}

/** The name of a metric. `top5`, and so on for any number up to that of the classes: the share of
 * samples whose class is among the 5 with the largest outputs; of equal outputs the first counts as
 * the larger one. `confusion`, `f1` ({@link ClassScores}), `iou` ({@link Overlaps}): by the class
 * with the largest output. Of masks all these are of pixels, without those that are ignored. `auc`,
 * for two classes: how often a sample of class 1 has the larger difference of outputs (1 minus 0)
 * than one of class 0, ties by half (Mann and Whitney 1947). `r2`, `mae`, for regression: means
 * over the target's values. A network that gives NaN has NaN in `auc`, `r2` and `mae`, as has a
 * split whose samples all have weight 0. */
export type MetricName = keyof MetricValues | `top${number}`;

/** The measured values by name. */
export type Metrics<Name extends MetricName = MetricName> = {
  readonly [Key in Name]: Key extends keyof MetricValues ? MetricValues[Key] : number;
};

/** Targets as the arena holds them. */
export type Targets = Int32Array | Float32Array;

/** Counts over samples. */
export interface MetricCounter {
  /** Takes the outputs of the next sample, and its target: of classes the outputs of each for each
   * of its labels. */
  add(outputs: Float32Array, target: Targets): void;
  value(): MetricValues[keyof MetricValues] | number;
}

/** Whether a metric is defined for the targets of a split, which may come in parts. */
export interface TargetCheck {
  /** Takes the targets of some samples. */
  add(targets: Targets): void;
  /** Why it is not defined for those that were taken; undefined where it is. */
  whyNot(): string | undefined;
}

/** A metric of a task that it fits. */
export interface FittedMetric {
  /** A new check of targets; absent where it is defined for all. */
  check?(): TargetCheck;
  /** A new count over at most so many samples, of masks pixels, without labels that are ignored. */
  count(samples: number, ignored?: number): MetricCounter;
}

/** A metric for a task, or why there is none. */
export type Metric = (task: Task) => FittedMetric | string;

/** A metric of classification, of the number of classes. */
export function ofClasses(fit: (classes: number) => FittedMetric | string): Metric {
  return (task) =>
    task.kind === 'regression' ? 'a regression, which has no classes' : fit(task.classes);
}

/** A metric of regression. */
export function ofRegression(
  fit: (task: Extract<Task, { kind: 'regression' }>) => FittedMetric | string,
): Metric {
  return (task) => (task.kind === 'regression' ? fit(task) : 'classes, which have no distance');
}
