// The interface of a metric: a kind that fits one sort of task, and a counter that takes an
// evaluation's outputs in sample order, so that no bit depends on how they were split.

import type { Task } from '../data/task.ts';

/** A confusion matrix: samples, or pixels of masks, by true class (row) and predicted class
 * (column). */
export type ConfusionMatrix = readonly (readonly number[])[];

/** Precision, recall and their harmonic mean F1, from 0 to 1. */
export interface PrecisionRecall<Values> {
  /** Of the samples predicted as a class, the fraction that belong to it; 0 if there are none. */
  readonly precision: Values;
  /** Of the samples of a class, the fraction predicted as it; 0 if there are none. */
  readonly recall: Values;
  /** 2 hits / (samples + predictions) of a class; 0 if there are neither. */
  readonly f1: Values;
}

/** Scores by class, and their unweighted means over all classes. */
export interface ClassScores extends PrecisionRecall<readonly number[]> {
  /** Samples of each class. */
  readonly support: readonly number[];
  /** The mean over the classes. */
  readonly macro: PrecisionRecall<number>;
}

/** Intersection over union: among the samples, or pixels of masks, that belong to a class or are
 * predicted as it, the fraction that are both. Counted over the whole split. */
export interface Overlaps {
  /** By class; NaN for one that never occurs, neither as a label nor as a prediction. */
  readonly byClass: readonly number[];
  /** The mean over the classes that occur. */
  readonly mean: number;
}

/** What each metric measures. */
export interface MetricValues {
  /** How often each class was predicted as each other. */
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

/** The name of a metric. `top5`, and so on up to the number of classes: the fraction of samples
 * whose class is among the 5 with the largest outputs. Of equal outputs, the first counts as
 * larger. `confusion`, `f1` ({@link ClassScores}), `iou` ({@link Overlaps}): by the class with the
 * largest output. For masks, all these count pixels that are not ignored. `auc`, for two classes:
 * how often a sample of class 1 has the larger difference of outputs (1 minus 0) than one of class
 * 0; ties count half (Mann and Whitney 1947). `r2`, `mae`, for regression: means over the target's
 * values. `auc`, `r2` and `mae` are NaN for a network with NaN outputs, and for a split whose
 * samples all have weight 0. */
export type MetricName = keyof MetricValues | `top${number}`;

/** The measured values by name. */
export type Metrics<Name extends MetricName = MetricName> = {
  readonly [Key in Name]: Key extends keyof MetricValues ? MetricValues[Key] : number;
};

/** Targets in the form that the arena holds. */
export type Targets = Int32Array | Float32Array;

/** Counts over samples. */
export interface MetricCounter {
  /** Adds the outputs of the next sample, and its target. For classes, the outputs of each class
   * for each of its labels. */
  add(outputs: Float32Array, target: Targets): void;
  value(): MetricValues[keyof MetricValues] | number;
}

/** Checks whether a metric is defined for the targets of a split, which may come in parts. */
export interface TargetCheck {
  /** Takes the targets of some samples. */
  add(targets: Targets): void;
  /** Why the metric is not defined for these targets; undefined if it is. */
  whyNot(): string | undefined;
}

/** A metric that fits a task. */
export interface FittedMetric {
  /** Makes a new check of targets; absent if the metric is defined for all. */
  check?(): TargetCheck;
  /** Makes a new counter for at most this many samples (pixels for masks), without ignored
   * labels. */
  count(samples: number, ignored?: number): MetricCounter;
}

/** Fits a metric to a task, or returns why it does not fit. */
export type Metric = (task: Task) => FittedMetric | string;

/** A classification metric, made from the number of classes. */
export function ofClasses(fit: (classes: number) => FittedMetric | string): Metric {
  return (task) =>
    task.kind === 'regression' ? 'a regression, which has no classes' : fit(task.classes);
}

/** A regression metric. */
export function ofRegression(
  fit: (task: Extract<Task, { kind: 'regression' }>) => FittedMetric | string,
): Metric {
  return (task) => (task.kind === 'regression' ? fit(task) : 'classes, which have no distance');
}
