// Metrics of classification, from the outputs (logits) of each sample.

import {
  type ClassScores,
  type ConfusionMatrix,
  type Metric,
  type MetricCounter,
  ofClasses,
} from './metric.ts';

/** The share of samples whose class is among the k with the largest outputs. */
export function topMetric(k: number): Metric {
  return ofClasses((classes) =>
    k <= classes ? { count: () => countTop(k) } : `${classes} classes`,
  );
}

function countTop(k: number): MetricCounter {
  let samples = 0;
  let hits = 0;
  return {
    add(outputs, target) {
      samples++;
      if (rankOf(outputs, target[0]!) < k) hits++;
    },
    value: () => hits / samples,
  };
}

/** How many classes come before one: those with a larger output, and earlier ones with the same. */
function rankOf(outputs: Float32Array, label: number): number {
  const own = outputs[label]!;
  let before = 0;
  for (const [c, other] of outputs.entries()) {
    if (other > own || (other === own && c < label)) before++;
  }
  return before;
}

export const confusion = ofClasses((classes) => ({
  count: () => countConfusion(classes, (matrix) => matrix),
}));

export const f1 = ofClasses((classes) => ({ count: () => countConfusion(classes, scoresOf) }));

function countConfusion(
  classes: number,
  resultOf: (matrix: ConfusionMatrix) => ConfusionMatrix | ClassScores,
): MetricCounter {
  const matrix = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  return {
    add(outputs, target) {
      const row = matrix[target[0]!]!;
      const predicted = largestOf(outputs);
      row[predicted] = row[predicted]! + 1;
    },
    value: () => resultOf(matrix),
  };
}

/** The first class with the largest output. */
function largestOf(outputs: Float32Array): number {
  let largest = 0;
  for (const [c, output] of outputs.entries()) if (output > outputs[largest]!) largest = c;
  return largest;
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
    refuses(targets) {
      const missing = [0, 1].find((label) => !targets.includes(label));
      return missing === undefined ? undefined : `no sample of class ${missing}`;
    },
    count: countArea,
  };
});

function countArea(samples: number): MetricCounter {
  const scores = new Float64Array(samples);
  const labels = new Uint8Array(samples);
  let taken = 0;
  return {
    add(outputs, target) {
      scores[taken] = outputs[1]! - outputs[0]!;
      labels[taken] = target[0]!;
      taken++;
    },
    value: () => areaOf(scores.subarray(0, taken), labels),
  };
}

/** Of all pairs of a sample of class 1 and one of class 0, the share in which the former has the
 * larger score, ties by half. Halves are counted, so nothing is rounded before the division. */
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
