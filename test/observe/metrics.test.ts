// Metrics against closed forms and against plain loops over all pairs.

import { describe, expect, it } from 'vitest';
import { viewSplit } from '../../src/data/stored/storedSamples.ts';
import { type Task, targetSize } from '../../src/data/task.ts';
import type { MetricName, Targets } from '../../src/observe/metric.ts';
import { checkMetrics, countMetrics } from '../../src/observe/metrics.ts';
import { testValues } from '../support/kernelFixture.ts';

const classes = (count: number): Task => ({ kind: 'classification', classes: count });
const regression = (std?: readonly number[]): Task => ({
  kind: 'regression',
  targetShape: [2],
  ...(std !== undefined && { mean: [0, 0], std }),
});

/** The samples with these targets. */
function splitOf(task: Task, targets: Targets) {
  const count = targets.length / targetSize(task);
  const slots = [{ inputs: new Uint8Array(), targets, weights: undefined }];
  return viewSplit({ count, chunkSamples: count, slots, slotOf: Int32Array.of(0) });
}

/** All at once, or in parts of so many samples. */
function measured<Name extends MetricName>(
  name: Name,
  task: Task,
  outputs: Float32Array,
  targets: Targets,
  part?: number,
) {
  const counter = countMetrics('evaluate', [name], task, splitOf(task, targets));
  const width = task.kind === 'classification' ? task.classes : 2;
  const count = outputs.length / width;
  const size = part ?? count;
  for (let from = 0; from < count; from += size) {
    const to = Math.min(from + size, count);
    counter.add(outputs.subarray(from * width, to * width), to - from, () => true);
  }
  return counter.values()[name];
}

// Predicted: 0, 1, 1, 2, 0, 0. The last sample's outputs are equal.
const OUTPUTS = Float32Array.of(9, 1, 0, 2, 5, 3, 1, 2, 0, 0, 1, 8, 4, 3, 2, 5, 5, 5);
const LABELS = Int32Array.of(0, 1, 0, 2, 2, 1);

describe('metrics of classification', () => {
  it('count true classes in rows and predicted ones in columns', () => {
    const matrix = [
      [1, 1, 0],
      [1, 1, 0],
      [1, 0, 1],
    ];
    for (const part of [1, 4, 6]) {
      expect(measured('confusion', classes(3), OUTPUTS, LABELS, part)).toEqual(matrix);
    }
  });

  it('give precision, recall and F1 of each class, and their means', () => {
    const scores = measured('f1', classes(3), OUTPUTS, LABELS);
    expect(scores).toEqual({
      precision: [1 / 3, 1 / 2, 1],
      recall: [1 / 2, 1 / 2, 1 / 2],
      f1: [2 / 5, 1 / 2, 2 / 3],
      support: [2, 2, 2],
      macro: {
        precision: (1 / 3 + 1 / 2 + 1) / 3,
        recall: 1 / 2,
        f1: (2 / 5 + 1 / 2 + 2 / 3) / 3,
      },
    });
  });

  it('have 0 for a class that is neither present nor predicted', () => {
    const scores = measured('f1', classes(3), Float32Array.of(1, 0, 0), Int32Array.of(0));
    expect(scores).toMatchObject({ precision: [1, 0, 0], recall: [1, 0, 0], f1: [1, 0, 0] });
  });

  it('count a class among the k largest, the first of equal outputs as the larger', () => {
    const top = (k: 1 | 2 | 3) => measured(`top${k}`, classes(3), OUTPUTS, LABELS);
    expect([top(1), top(2), top(3)]).toEqual([3 / 6, 5 / 6, 1]);
  });

  it('give the share of pairs that are in order, ties by half', () => {
    // Few different values, so that there are many ties.
    const outputs = testValues(60, 3, 1).map((value) => Math.round(value));
    const labels = Int32Array.from(testValues(30, 1, 2), (value) => Number(value > 0));
    const scoreOf = (n: number) => outputs[2 * n + 1]! - outputs[2 * n]!;
    let [sum, pairs, ties] = [0, 0, 0];
    for (const a of labels.keys()) {
      for (const b of labels.keys()) {
        if (labels[a] !== 1 || labels[b] !== 0) continue;
        pairs++;
        if (scoreOf(a) === scoreOf(b)) ties++;
        sum += scoreOf(a) > scoreOf(b) ? 1 : scoreOf(a) === scoreOf(b) ? 0.5 : 0;
      }
    }
    expect(ties).toBeGreaterThan(10);
    for (const part of [7, 30]) {
      expect(measured('auc', classes(2), outputs, labels, part)).toBe(sum / pairs);
    }
    expect(measured('auc', classes(2), Float32Array.of(1, 0, 0, 1), Int32Array.of(0, 1))).toBe(1);
    const nan = Float32Array.of(1, Number.NaN, 0, 1);
    expect(measured('auc', classes(2), nan, Int32Array.of(0, 1))).toBeNaN();
  });
});

describe('metrics of regression', () => {
  const targets = Float32Array.of(1, 10, 2, 20, 3, 60);

  it('are 1 for the targets themselves and 0 for their mean', () => {
    expect(measured('r2', regression(), targets, targets)).toBe(1);
    const mean = Float32Array.of(2, 30, 2, 30, 2, 30);
    expect(measured('r2', regression(), mean, targets, 2)).toBe(0);
    // One value right, of the other one the mean.
    const half = Float32Array.of(1, 30, 2, 30, 3, 30);
    expect(measured('r2', regression(), half, targets)).toBe(0.5);
  });

  it('give distances in the units of the data', () => {
    const outputs = Float32Array.of(2, 10, 2, 20, 3, 54);
    expect(measured('mae', regression(), outputs, targets, 2)).toBeCloseTo(7 / 6, 12);
    expect(measured('mae', regression([3, 0.5]), outputs, targets)).toBeCloseTo(6 / 6, 12);
  });
});

describe('a metric', () => {
  it('leaves out samples that do not count', () => {
    const counter = countMetrics(
      'evaluate',
      ['confusion', 'top1'],
      classes(3),
      splitOf(classes(3), LABELS),
    );
    counter.add(OUTPUTS, LABELS.length, (n) => n === 0 || n === 4);
    expect(counter.values()).toEqual({
      confusion: [
        [1, 0, 0],
        [0, 0, 0],
        [1, 0, 0],
      ],
      top1: 0.5,
    });
  });

  it.each<[MetricName | string, Task, RegExp]>([
    [
      'confuson',
      classes(3),
      /^metric of evaluate: expected .* f1,.*, got "confuson".*Try: 'confusion'/,
    ],
    ['top0', classes(3), /^metric of evaluate: expected .*, got "top0"/],
    [
      'top4',
      classes(3),
      /'top4' of evaluate: expected .* top1 to top3, confusion, f1, iou.*, got "3 classes"/,
    ],
    ['auc', classes(3), /'auc' of evaluate: expected .*, got "3 classes, not two"/],
    ['mae', classes(3), /'mae' of evaluate: expected .*, got "classes, which have no distance"/],
    [
      'top1',
      regression(),
      /'top1' of evaluate: expected for this data r2, mae.*, got "a regression/,
    ],
  ])('that does not exist or fit is refused: %s', (name, task, message) => {
    expect(() => checkMetrics('evaluate', [name], task)).toThrow(message);
  });

  it('that is undefined for the targets is refused', () => {
    const count = (name: MetricName, task: Task, targets: Targets) => () =>
      countMetrics('evaluate', [name], task, splitOf(task, targets));
    expect(count('auc', classes(2), Int32Array.of(1, 1))).toThrow('no sample of class 0');
    expect(count('r2', regression(), Float32Array.of(1, 2, 3, 2))).toThrow(
      'value 1 of the targets is the same in all samples',
    );
  });
});
