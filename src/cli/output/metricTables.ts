// The metrics of an evaluation as tables: numbers as rows with loss and accuracy; scores by class
// and the confusion matrix as separate tables.

import type { ClassScores, ConfusionMatrix, Metrics, Overlaps } from '../../observe/metric.ts';

/** For more classes, the most frequent confusions are listed instead of the matrix. */
const MOST_COLUMNS = 20;
const MOST_PAIRS = 10;

export interface MetricTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** The single-number metrics: fractions in percent, others unchanged. */
export function metricRows(metrics: Partial<Metrics>): { result: string; value: string }[] {
  return Object.entries(metrics).flatMap(([name, value]) => {
    if (typeof value !== 'number') return [];
    const isShare = name.startsWith('top');
    return [
      { result: name, value: isShare ? showPercent(value) : `${Number(value.toPrecision(6))}` },
    ];
  });
}

/** The metrics with more than one number. */
export function metricTables({ f1, iou, confusion }: Partial<Metrics>): readonly MetricTable[] {
  return [
    ...(iou === undefined ? [] : [overlapsTable(iou)]),
    ...(f1 === undefined ? [] : [scoresTable(f1)]),
    ...(confusion === undefined ? [] : [confusionTable(confusion)]),
  ];
}

function scoresTable({ precision, recall, f1, support, macro }: ClassScores): MetricTable {
  return {
    title: 'Precision, recall and F1 by class',
    head: ['class', 'precision', 'recall', 'F1', 'samples'],
    rows: [
      ...support.map((count, c) => [
        c,
        ...[precision, recall, f1].map((of) => showPercent(of[c]!)),
        count,
      ]),
      ['mean', ...[macro.precision, macro.recall, macro.f1].map(showPercent), ''],
    ],
  };
}

function overlapsTable({ byClass, mean }: Overlaps): MetricTable {
  const show = (share: number): string => (Number.isNaN(share) ? 'none' : showPercent(share));
  return {
    title: 'Intersection over union by class',
    head: ['class', 'IoU'],
    rows: [...byClass.map((share, c) => [c, show(share)]), ['mean', show(mean)]],
  };
}

function confusionTable(matrix: ConfusionMatrix): MetricTable {
  if (matrix.length > MOST_COLUMNS) return confusedPairs(matrix);
  return {
    title: 'Samples by true class (rows) and predicted class (columns)',
    head: ['true', ...matrix.map((_, c) => `${c}`)],
    rows: matrix.map((row, label) => [label, ...row]),
  };
}

function confusedPairs(matrix: ConfusionMatrix): MetricTable {
  const pairs = matrix.flatMap((row, label) =>
    row.flatMap((count, predicted) =>
      label === predicted || count === 0 ? [] : [[label, predicted, count] as const],
    ),
  );
  const most = pairs.sort((a, b) => b[2] - a[2]).slice(0, MOST_PAIRS);
  return {
    title: `The ${most.length} most frequent confusions of classes`,
    head: ['true', 'predicted', 'samples'],
    rows: most,
  };
}

/** A fraction in percent. */
export function showPercent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
