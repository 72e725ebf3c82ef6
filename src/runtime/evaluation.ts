// What an evaluation returns. Workers store a loss and a hit for each sample, and the main thread
// sums them in sample order, so that the number of workers changes no bit.

import { UsageError } from '../base/errors.ts';
import { nearestWord } from '../base/nearest.ts';
import { type StoredSamples, viewSplit } from '../data/stored/storedSamples.ts';
import { viewOf } from '../memory/arena.ts';
import { accuracyOf, overlapsOf } from '../observe/classMetrics.ts';
import type { ConfusionMatrix, MetricName, Metrics } from '../observe/metric.ts';
import { countMetrics, type MetricsCounter } from '../observe/metrics.ts';
import type { DataPlan } from '../plan/config.ts';
import { headLossesOf } from '../plan/heads.ts';
import { ignoredLabel, knowsRight } from '../plan/lossPlan.ts';
import type { RunPlan } from '../plan/plan.ts';
import type { Span } from '../reduce/tree.ts';
import type { SplitName } from '../train/context.ts';
import { type Feeds, whenBegun } from './feeds.ts';
import type { Network } from './network.ts';
import { shareSamples } from './sharing.ts';
import type { Team } from './team.ts';

/** The result of an evaluation, with the requested metrics. */
export interface Evaluation<Name extends MetricName = never> {
  /** Weighted mean over the samples. */
  readonly loss: number;
  /** The same for each head of the model, by name. */
  readonly headLosses: Readonly<Record<string, number>>;
  /** What training minimizes: the loss plus each head's loss times its weight. */
  readonly totalLoss: number;
  /** Fraction of samples with nonzero weight that were classified correctly; for masks, the
   * fraction of pixels that are not ignored. NaN for losses without right and wrong answers. A
   * sample with several labels is correct if all outputs are. */
  readonly accuracy: number;
  /** For masks, the mean over classes of intersection over union, with pixels counted over all
   * samples. Ignored pixels don't count, nor do classes that occur neither as a label nor as a
   * prediction. NaN if targets are not masks. */
  readonly meanIou: number;
  /** Samples evaluated. */
  readonly count: number;
  /** The requested metrics. */
  readonly metrics: Metrics<Name>;
  /** Duration of the evaluation. */
  readonly seconds: number;
}

/** The options of {@link RunningTrainer.evaluate}. */
export interface EvaluateOptions<Name extends MetricName = MetricName> {
  /** Which weights to evaluate: the trained ones (default), or their `average`. The average's
   * running statistics are first measured exactly: see {@link UseAverageOptions}. */
  readonly weights?: 'raw' | 'average';
  /** Same as {@link UseAverageOptions.batches}; only for the average. */
  readonly batches?: number;
  /** Metrics to measure beyond loss and accuracy, exactly, over the split's samples with nonzero
   * weight. Default none. See {@link MetricName}. */
  readonly metrics?: readonly Name[];
}

/** The options of {@link RunningTrainer.useAverage}. */
export interface UseAverageOptions {
  /** Training batches over which the average's running statistics are measured (PreciseBN): those
   * of the steps that would come next. Default: one epoch's batches, at most 100. */
  readonly batches?: number;
}

interface EvaluatedRun {
  readonly plan: RunPlan;
  readonly memory: WebAssembly.Memory;
  readonly samples: StoredSamples;
  readonly feeds: Feeds;
  readonly team: Team;
  readonly network: Network | undefined;
}

/** Has the workers of all processes evaluate a split of `count` samples. */
export async function evaluateOn<Name extends MetricName>(
  run: EvaluatedRun,
  split: SplitName,
  count: number,
  { counter, names }: SplitMetrics<Name>,
): Promise<Evaluation<Name>> {
  const { plan, memory, team, feeds } = run;
  const startMs = performance.now();
  if (feeds.isRead(split)) {
    const begin = (): Promise<void> => feeds.evaluate(team.plan, split, 0);
    await team.callAll(whenBegun(begin, (api) => api.weigh(split)));
  }
  if (counter !== undefined) await countBatches(run, split, count, counter);
  else {
    await evaluateSpan(run, split);
    await shareSamples(run, 'evaluated', count);
  }
  const samples = viewOf(memory, plan.regions.inference.evaluated);
  const { loss, accuracy } = sumSamples(samples, count);
  const values = (counter?.values() ?? {}) as Metrics;
  const scores = isOfMasks(plan)
    ? maskScores(values.confusion)
    : { accuracy: knowsRight(plan.config) ? accuracy : Number.NaN, meanIou: Number.NaN };
  const metrics = Object.fromEntries(names.map((name) => [name, values[name]])) as Metrics<Name>;
  const heads = headLossesOf(plan.config, sumHeads(run, count), { loss, count });
  const seconds = (performance.now() - startMs) / 1000;
  return { loss, ...heads, ...scores, count, metrics, seconds };
}

/** Has the workers evaluate some samples of a split, or all. */
async function evaluateSpan(
  { team, feeds }: EvaluatedRun,
  split: SplitName,
  span?: Span,
): Promise<void> {
  const begin = (): Promise<void> => feeds.evaluate(team.plan, split, span?.lo ?? 0);
  await team.callAll(whenBegun(begin, (api) => api.evaluate(split, span)));
}

/** Sums each head's losses times its weight over `count` samples. */
function sumHeads({ plan, memory }: EvaluatedRun, count: number): readonly number[] {
  const region = plan.regions.inference.headLosses;
  if (region === undefined) return [];
  const losses = viewOf(memory, region);
  const heads = region.shape[1]!;
  const sums = new Array<number>(heads).fill(0);
  for (let i = 0; i < count * heads; i++) sums[i % heads] = sums[i % heads]! + losses[i]!;
  return sums;
}

function isOfMasks({ config }: RunPlan): boolean {
  return config.data.task.kind === 'segmentation';
}

/** Scores from the pixel counts per class. */
function maskScores(matrix: ConfusionMatrix): Pick<Evaluation, 'accuracy' | 'meanIou'> {
  return { accuracy: accuracyOf(matrix), meanIou: overlapsOf(matrix).mean };
}

/** Evaluates batch by batch and counts each batch's outputs, since there is memory for only one
 * batch of them. */
async function countBatches(
  run: EvaluatedRun,
  split: SplitName,
  count: number,
  counter: MetricsCounter,
): Promise<void> {
  const { plan, memory } = run;
  const { globalBatch } = plan.config;
  const outputs = viewOf(memory, plan.regions.inference.outputs);
  const samples = viewOf(memory, plan.regions.inference.evaluated);
  for (let lo = 0; lo < count; lo += globalBatch) {
    const hi = Math.min(lo + globalBatch, count);
    await evaluateSpan(run, split, { lo, hi });
    await shareSamples(run, 'evaluated', hi - lo, lo);
    await shareSamples(run, 'outputs', hi - lo);
    const isCounted = (n: number): boolean => !Number.isNaN(samples[2 * (lo + n) + 1]);
    counter.add(outputs, hi - lo, isCounted);
  }
}

/** The counts over a split. */
export interface SplitMetrics<Name extends MetricName> {
  /** The requested metrics. */
  readonly names: readonly Name[];
  /** Counts for these metrics and, if targets are masks, for `confusion`; undefined if nothing is
   * counted. */
  readonly counter: MetricsCounter | undefined;
}

/** Makes counters of the requested metrics for a split. Throws a {@link UsageError} if a metric
 * does not exist or does not fit. */
export function metricsFor<Name extends MetricName>(
  { plan, samples }: Pick<EvaluatedRun, 'plan' | 'samples'>,
  split: SplitName,
  names: readonly Name[],
): SplitMetrics<Name> {
  const counted: readonly MetricName[] = isOfMasks(plan) ? [...names, 'confusion'] : names;
  if (counted.length === 0) return { names, counter: undefined };
  const { data, loss } = plan.config;
  const isOfLabels = data.task.kind === 'regression' && knowsRight(plan.config);
  if (isOfLabels) {
    throw new UsageError({
      what: `metrics of evaluate('${split}')`,
      given: `targets that are labels, required by the loss ${loss.kind}`,
      allowed: 'no metrics for these targets: their accuracy is per sample',
    });
  }
  const what = `evaluate('${split}')`;
  const view = viewSplit(samples.evaluated[split]!);
  const counter = countMetrics(what, counted, data.task, view, ignoredLabel(plan.config));
  return { names, counter };
}

/** Means over the first `count` rows of [loss, correct]; correct is NaN for samples left out. */
function sumSamples(samples: Float64Array, count: number): Pick<Evaluation, 'loss' | 'accuracy'> {
  let loss = 0;
  let correct = 0;
  let leftOut = 0;
  for (let i = 0; i < count; i++) {
    loss += samples[i * 2]!;
    if (Number.isNaN(samples[i * 2 + 1])) leftOut++;
    else correct += samples[i * 2 + 1]!;
  }
  return { loss: loss / count, accuracy: correct / (count - leftOut) };
}

const SPLITS = ['train', 'test', 'validation'] as const satisfies readonly SplitName[];

/** The number of samples in a split of the data called `name`. Throws a {@link UsageError} if the
 * split is empty or does not exist; `what` takes the split. */
export function countSamples(
  { name, data }: { readonly name: string; readonly data: DataPlan },
  split: SplitName,
  what = 'evaluate',
): number {
  if (!SPLITS.includes(split)) {
    const nearest = typeof split === 'string' ? nearestWord(split, SPLITS) : undefined;
    throw new UsageError({
      what: `the split of ${what}`,
      given: split,
      allowed: "'train', 'test' or 'validation'",
      ...(nearest !== undefined && { hint: `'${nearest}'` }),
    });
  }
  const { countTrain, countTest, countValidation = 0 } = data;
  const count = { train: countTrain, test: countTest, validation: countValidation }[split];
  if (count > 0) return count;
  throw new UsageError({
    what: `${what} of '${split}' on ${name}`,
    problem: 'has no samples',
    ...(split === 'validation' && {
      hint: 'validationSplit: 0.1 (--validation-split 0.1), which holds out training samples',
    }),
  });
}
