// The metrics by name: which exist, whether they fit a task and a split, and how to count them.

import { UsageError } from '../base/errors.ts';
import { nearestWord } from '../base/nearest.ts';
import type { SplitView } from '../data/stored/storedSamples.ts';
import { labelsOf, type Task, targetSize } from '../data/task.ts';
import { auc, confusion, f1, iou, topMetric } from './classMetrics.ts';
import type {
  FittedMetric,
  Metric,
  MetricCounter,
  MetricName,
  Metrics,
  TargetCheck,
} from './metric.ts';
import { mae, r2 } from './regressionMetrics.ts';

const METRICS: Readonly<Record<string, Metric>> = { confusion, f1, iou, auc, r2, mae };
const TOP = /^top([1-9]\d{0,4})$/;

/** Throws a {@link UsageError} for an unknown metric, and for one that does not fit the task;
 * `what` asks for them. */
export function checkMetrics(what: string, names: readonly string[], task: Task): void {
  for (const name of names) fittedMetric(what, name, task);
}

/** Counts all requested metrics of a split. */
export interface MetricsCounter {
  /** Adds the outputs of the next `count` samples, [count, outputs], in units of the loss, except
   * those for which `isCounted` returns false. */
  add(outputs: Float32Array, count: number, isCounted: (n: number) => boolean): void;
  values(): Metrics;
}

/** Makes counters for the samples of a split in order, without `ignored` labels. Throws what {@link
 * checkMetrics} throws, and a {@link UsageError} for targets that a metric is not defined for; if
 * they are read in chunks, `values` throws it. */
export function countMetrics(
  what: string,
  names: readonly MetricName[],
  task: Task,
  split: SplitView,
  ignored?: number,
): MetricsCounter {
  const isRead = split.feed !== undefined;
  const counters = [...new Set(names)].map((name): NamedCounter => {
    const metric = fittedMetric(what, name, task);
    const check = metric.check?.();
    if (!isRead) check?.add(split.slots[0]!.targets);
    const counter = metric.count(split.count * labelsOf(task), ignored);
    return { name, counter, check };
  });
  const checkTargets = (): void => {
    for (const { name, check } of counters) {
      const whyNot = check?.whyNot();
      if (whyNot !== undefined) throw misfit(what, name, whyNot, task);
    }
  };
  if (!isRead) checkTargets();
  const size = targetSize(task);
  const width = task.kind === 'regression' ? size : task.classes * size;
  let taken = 0;
  return {
    add(outputs, count, isCounted) {
      for (let n = 0; n < count; n++, taken++) {
        const output = outputs.subarray(n * width, (n + 1) * width);
        const row = split.rowOf(taken) * size;
        const target = split.slots[split.slotOf(taken)]!.targets.subarray(row, row + size);
        const counts = isCounted(n);
        for (const { counter, check } of counters) {
          if (isRead) check?.add(target);
          if (counts) counter.add(output, target);
        }
      }
    },
    values() {
      if (isRead) checkTargets();
      return Object.fromEntries(
        counters.map(({ name, counter }) => [name, counter.value()]),
      ) as Metrics;
    },
  };
}

interface NamedCounter {
  readonly name: string;
  readonly counter: MetricCounter;
  readonly check: TargetCheck | undefined;
}

function fittedMetric(what: string, name: string, task: Task): FittedMetric {
  const fitted = metricOf(what, name)(task);
  if (typeof fitted === 'string') throw misfit(what, name, fitted, task);
  return fitted;
}

function metricOf(what: string, name: string): Metric {
  const k = TOP.exec(name)?.[1];
  if (k !== undefined) return topMetric(Number(k));
  const names = Object.keys(METRICS);
  if (names.includes(name)) return METRICS[name]!;
  const nearest = nearestWord(name, names);
  throw new UsageError({
    what: `metric of ${what}`,
    given: name,
    allowed: `top1, top2 and so on, ${names.join(', ')}`,
    ...(nearest !== undefined && { hint: `'${nearest}'` }),
  });
}

function misfit(what: string, name: string, whyNot: string, task: Task): UsageError {
  const fitting = Object.keys(METRICS).filter((one) => typeof METRICS[one]!(task) !== 'string');
  const tops = task.kind === 'regression' ? [] : [`top1 to top${task.classes}`];
  return new UsageError({
    what: `metric '${name}' of ${what}`,
    given: whyNot,
    allowed: `for this data ${[...tops, ...fitting].join(', ')}`,
  });
}
