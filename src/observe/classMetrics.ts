// Classification metrics, computed from the outputs (logits) of each sample.

import {
  type ClassScores,
  type ConfusionMatrix,
  type Metric,
  type MetricCounter,
  type Overlaps,
  ofClasses,
} from './metric.ts';

/** The fraction of samples whose class is among the k with the largest outputs. */
export function topMetric(k: number): Metric {
  return ofClasses((classes) =>
    k <= classes
      ? { count: (_labels, ignored) => countTop(k, classes, ignored) }
      : `${classes} classes`,
  );
}

function countTop(k: number, classes: number, ignored: number | undefined): MetricCounter {
  let labels = 0;
  let hits = 0;
  return {
    add(outputs, target) {
      for (let i = 0; i < target.length; i++) {
        if (target[i] === ignored) continue;
        labels++;
        if (rankOf(outputs, i * classes, classes, target[i]!) < k) hits++;
      }
    },
    value: () => hits / labels,
  };
}

/** How many classes rank before one among the outputs starting at `from`: those with a larger
 * output, and earlier ones with an equal output. */
function rankOf(outputs: Float32Array, from: number, classes: number, label: number): number {
  const own = outputs[from + label]!;
  let before = 0;
  for (let c = 0; c < classes; c++) {
    const other = outputs[from + c]!;
    if (other > own || (other === own && c < label)) before++;
  }
  return before;
}

export const confusion = ofClasses((classes) => ({
  count: (_labels, ignored) => countConfusion(classes, ignored, (matrix) => matrix),
}));

export const f1 = ofClasses((classes) => ({
  count: (_labels, ignored) => countConfusion(classes, ignored, scoresOf),
}));

export const iou = ofClasses((classes) => ({
  count: (_labels, ignored) => countConfusion(classes, ignored, overlapsOf),
}));

function countConfusion(
  classes: number,
  ignored: number | undefined,
  resultOf: (matrix: ConfusionMatrix) => ConfusionMatrix | ClassScores | Overlaps,
): MetricCounter {
  const counts = new Float64Array(classes * classes);
  return {
    add(outputs, target) {
      for (let i = 0; i < target.length; i++) {
        if (target[i] === ignored) continue;
        const at = target[i]! * classes + largestOf(outputs, i * classes, classes);
        counts[at] = counts[at]! + 1;
      }
    },
    value: () =>
      resultOf(
        Array.from({ length: classes }, (_, row) => [
          ...counts.subarray(row * classes, (row + 1) * classes),
        ]),
      ),
  };
}

/** The first class with the largest output, among those starting at `from`. */
export function largestOf(outputs: Float32Array, from: number, classes: number): number {
  let largest = 0;
  for (let c = 1; c < classes; c++) {
    if (outputs[from + c]! > outputs[from + largest]!) largest = c;
  }
  return largest;
}

/** The fraction of a matrix's samples that are predicted correctly. */
export function accuracyOf(matrix: ConfusionMatrix): number {
  return sum(matrix.map((row, c) => row[c]!)) / sum(matrix.map(sum));
}

/** Intersection over union of each class. */
export function overlapsOf(matrix: ConfusionMatrix): Overlaps {
  const byClass = matrix.map((row, c) => {
    const either = sum(row) + sum(matrix.map((other) => other[c]!)) - row[c]!;
    return row[c]! / either;
  });
  const occurring = byClass.filter((share) => !Number.isNaN(share));
  return { byClass, mean: sum(occurring) / occurring.length };
}

/** Precision, recall and F1 of each class. */
export function scoresOf(matrix: ConfusionMatrix): ClassScores {
  const hits = matrix.map((row, c) => row[c]!);
  const support = matrix.map(sum);
  const predicted = matrix.map((_, c) => sum(matrix.map((row) => row[c]!)));
  const byClass = {
    precision: hits.map((count, c) => ratio(count, predicted[c]!)),
    recall: hits.map((count, c) => ratio(count, support[c]!)),
    f1: hits.map((count, c) => ratio(2 * count, predicted[c]! + support[c]!)),
  };
  const mean = (values: readonly number[]): number => sum(values) / values.length;
  const { precision, recall } = byClass;
  return {
    ...byClass,
    support,
    macro: { precision: mean(precision), recall: mean(recall), f1: mean(byClass.f1) },
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

export const auc = ofClasses((classes) => {
  if (classes !== 2) return `${classes} classes, not two`;
  return {
    check() {
      const isThere = [false, false];
      return {
        add(targets) {
          for (const label of isThere.keys()) isThere[label] ||= targets.includes(label);
        },
        whyNot() {
          const missing = isThere.indexOf(false);
          return missing < 0 ? undefined : `no sample of class ${missing}`;
        },
      };
    },
    count: countArea,
  };
});

function countArea(count: number, ignored: number | undefined): MetricCounter {
  const scores = new Float64Array(count);
  const labels = new Uint8Array(count);
  let taken = 0;
  return {
    add(outputs, target) {
      for (let i = 0; i < target.length; i++) {
        if (target[i] === ignored) continue;
        scores[taken] = outputs[2 * i + 1]! - outputs[2 * i]!;
        labels[taken] = target[i]!;
        taken++;
      }
    },
    value: () => areaOf(scores.subarray(0, taken), labels),
  };
}

/** Over all pairs of a class 1 sample and a class 0 sample, the fraction in which the former has
 * the larger score; ties count half. Halves are counted, so nothing is rounded before the
 * division. */
function areaOf(scores: Float64Array, labels: Uint8Array): number {
  if (scores.some(Number.isNaN)) return Number.NaN;
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
  const counts = [0, 0];
  let halves = 0;
  for (let from = 0; from < order.length; ) {
    const tied = [0, 0];
    const score = scores[order[from]!]!;
    for (; from < order.length && scores[order[from]!] === score; from++) {
      tied[labels[order[from]!]!]!++;
    }
    halves += tied[1]! * (2 * counts[0]! + tied[0]!);
    counts[0]! += tied[0]!;
    counts[1]! += tied[1]!;
  }
  return halves / (2 * counts[0]! * counts[1]!);
}
