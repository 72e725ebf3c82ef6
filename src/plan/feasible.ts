// Checks, before the first step and before an evaluation, that every mean and variance that a layer
// computes has at least two values in every batch that occurs. Layers declare their statistics
// (LayerKind.statistics); this file works out which batches occur and how they are split.

import { UsageError } from '../base/errors.ts';
import { planEpoch } from '../data/loading/sampler.ts';
import type { Graph, LayerOperation, Operation } from '../nn/graph/graph.ts';
import type { StatisticsDeclaration } from '../nn/layers/layer.ts';
import { partStart } from '../reduce/grains.ts';
import { type EvalCorrection, evalWeightOf } from './evalCorrection.ts';

/** The settings that decide which batches occur. */
export interface FeasibleRun {
  readonly graph: Graph;
  readonly config: {
    readonly data: { readonly countTrain: number };
    readonly replicas: number;
    readonly globalBatch: number;
    readonly dropLast: boolean;
    readonly evalCorrection?: EvalCorrection | null;
  };
}

/** A statistic that a layer computes. */
interface Taken extends StatisticsDeclaration {
  readonly operation: LayerOperation;
}

/** The largest distance from the given batch size that is searched for a proposal. */
const SEARCHED = 64;

/** The number of samples in the smallest batch of an epoch, the last one. */
export function smallestBatch(
  data: { readonly countTrain: number },
  { globalBatch, dropLast }: { readonly globalBatch: number; readonly dropLast: boolean },
): number {
  return planEpoch({ countSamples: data.countTrain, globalBatch, dropLast }).lastBatch;
}

/** Throws a {@link UsageError} that names the layer and what to change if a layer computes a
 * statistic of one value in any step. */
export function checkTraining(run: FeasibleRun): void {
  const taken = takenBy(run.graph);
  for (const statistic of taken) if (statistic.values < 2) checkOwn(statistic);
  const { config } = run;
  const batches = batchesOf(config, config.globalBatch);
  for (const batch of batches) {
    const statistic = taken.find((candidate) => hasOneValue(candidate, batch, config.replicas));
    if (statistic !== undefined) throw tooFew(statistic, batch, run, taken);
  }
}

/** The same for an evaluation or a prediction of `count` samples; `what` names it. */
export function checkInference(what: string, { graph, config }: FeasibleRun, count: number): void {
  const { globalBatch, replicas } = config;
  const rest = count % globalBatch;
  const batches = [...(count >= globalBatch ? [globalBatch] : []), ...(rest > 0 ? [rest] : [])];
  for (const statistic of takenBy(graph)) {
    const { operation, per, values, inEvaluation, cure } = statistic;
    if (evalWeightOf(operation.spec, config) === 1 && values < 2) {
      throw new UsageError({
        what: `${what}: ${operation.path}`,
        problem: `normalizes one value per ${per} by itself with evalCorrection 1`,
        hint: "evalCorrection 'auto', or none",
      });
    }
    if (inEvaluation !== true) continue;
    for (const batch of batches) {
      if (!hasOneValue(statistic, batch, replicas)) continue;
      throw new UsageError({
        what: `${what}: ${operation.path}`,
        problem:
          `keeps no running statistics and would have one value per ${per}, which has no ` +
          `variance: a batch has ${showSamples(batch)}${showShare(statistic, replicas)}`,
        hint: `trackRunningStats: true, another number of samples, or ${cure}`,
      });
    }
  }
}

/** Whether a layer also computes a statistic of each batch in evaluation. */
export function takesInEvaluation(operation: Operation, graph: Graph): boolean {
  return statisticsOf(operation, graph).some(({ inEvaluation }) => inEvaluation === true);
}

function takenBy(graph: Graph): readonly Taken[] {
  return graph.operations.flatMap((operation) => statisticsOf(operation, graph));
}

function statisticsOf(operation: Operation, { shapes }: Graph): readonly Taken[] {
  if (operation.op !== 'layer') return [];
  const { kind, spec, input } = operation;
  const declared = kind.statistics?.(spec, shapes[input]!) ?? [];
  return declared.map((statistic) => ({ ...statistic, operation }));
}

/** The sizes of an epoch's steps. */
function batchesOf(
  { data, dropLast }: FeasibleRun['config'],
  globalBatch: number,
): readonly number[] {
  const request = { countSamples: data.countTrain, globalBatch, dropLast };
  const { stepsPerEpoch, lastBatch } = planEpoch(request);
  return stepsPerEpoch > 1 ? [globalBatch, lastBatch] : [lastBatch];
}

/** Whether any sync group has only one value in a batch of this many samples. Groups without
 * samples compute no statistics. */
function hasOneValue({ values, groupReplicas }: Taken, batch: number, replicas: number): boolean {
  if (values > 1 || groupReplicas === undefined) return false;
  for (let lo = 0; lo < replicas; lo += groupReplicas) {
    const hi = Math.min(replicas, lo + groupReplicas);
    if (partStart(batch, replicas, hi) - partStart(batch, replicas, lo) === 1) return true;
  }
  return false;
}

/** Throws if a statistic of a single sample, or of weights, has only one value. */
function checkOwn({ operation, per, groupReplicas, cure }: Taken): void {
  if (groupReplicas !== undefined) return;
  throw new UsageError({
    what: operation.path,
    problem: `normalizes one value per ${per}, so none of the input gets through`,
    hint: cure,
  });
}

function showSamples(count: number): string {
  return `${count} ${count === 1 ? 'sample' : 'samples'}`;
}

/** The part of a batch that a statistic covers; empty if it covers all of it. */
function showShare({ groupReplicas }: Taken, replicas: number): string {
  const size = Math.min(groupReplicas!, replicas);
  if (size === replicas) return '';
  return `, of which ${size === 1 ? 'a replica' : `a group of ${size} replicas`} gets one`;
}

function tooFew(
  statistic: Taken,
  batch: number,
  { config }: FeasibleRun,
  taken: readonly Taken[],
): UsageError {
  const { operation, per, groupReplicas, cure } = statistic;
  const { replicas, globalBatch, data } = config;
  const isRest = batch < globalBatch;
  const step = isRest
    ? `the ${data.countTrain} training samples in batches of ${globalBatch} leave ${batch} for ` +
      'the last step of an epoch'
    : `a step has ${showSamples(batch)}`;
  const size = Math.min(groupReplicas!, replicas);
  const share = showShare(statistic, replicas);
  const fits = nearestBatch(config, taken);
  const cures = [
    ...(isRest && isFeasible({ ...config, dropLast: true }, globalBatch, taken)
      ? ['dropLast: true (--drop-last)']
      : []),
    ...(fits === undefined ? [] : [`globalBatch: ${fits} (--batch ${fits})`]),
    ...(size === replicas ? [] : ["sync: 'all' (--norm sync)"]),
    cure,
  ];
  return new UsageError({
    what: operation.path,
    problem: `would have one value per ${per}, which has no variance: ${step}${share}`,
    hint: cures.join(', or '),
  });
}

function isFeasible(
  config: FeasibleRun['config'],
  globalBatch: number,
  taken: readonly Taken[],
): boolean {
  if (config.dropLast && globalBatch > config.data.countTrain) return false;
  return batchesOf(config, globalBatch).every((batch) =>
    taken.every((statistic) => !hasOneValue(statistic, batch, config.replicas)),
  );
}

/** The nearest batch size that gives every step enough values, or the larger one of two. */
function nearestBatch(config: FeasibleRun['config'], taken: readonly Taken[]): number | undefined {
  for (let distance = 1; distance <= SEARCHED; distance++) {
    for (const batch of [config.globalBatch + distance, config.globalBatch - distance]) {
      if (batch >= 1 && isFeasible(config, batch, taken)) return batch;
    }
  }
  return undefined;
}
