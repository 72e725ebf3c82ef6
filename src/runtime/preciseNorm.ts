// The options and results of PreciseBN; the measurement is in train/population.ts.

import { isNorm } from '../nn/convert/normLeaf.ts';
import type { RunPlan } from '../plan/plan.ts';
import { hasPopulation, type PopulationDefinition } from '../plan/populationPlan.ts';
import { whenBegun } from './feeds.ts';
import type { RunSetup } from './runSetup.ts';

/** The options of {@link RunningTrainer.preciseBatchNorm}. */
export interface PreciseOptions {
  /** Training batches to measure over: those of the steps that would come next, in order, augmented
   * as in training. */
  readonly batches: number;
  /** Default `pooled`: mean and unbiased variance of all values over all these batches and replicas
   * (Wu and Johnson 2021, E[var + mean^2] - E[mean]^2, here merged as moments). `averaged`: means
   * over batches, weighted by their counts, of each global batch's mean and unbiased variance, like
   * a cumulative running average (momentum null) with SyncBN. */
  readonly definition?: PopulationDefinition;
}

/** A run, and the first step to measure. */
type MeasuredRun = Pick<RunSetup, 'team' | 'feeds' | 'step'>;

/** What {@link RunningTrainer.preciseBatchNorm} measured. */
export interface PreciseResult {
  /** Training batches. */
  readonly batches: number;
  /** Samples in them. */
  readonly samples: number;
  /** The layers whose running statistics were replaced. */
  readonly replaced: readonly string[];
  /** The other normalizations, and why they are unchanged. */
  readonly left: readonly { readonly layer: string; readonly why: string }[];
}

/** Has the workers measure the population over a number of steps' batches. */
export async function measure(
  { team, feeds, step }: MeasuredRun,
  batches: number,
  definition: PopulationDefinition,
): Promise<void> {
  const read = whenBegun(
    // The plan of the current workers: an elastic run may have lost some.
    () => feeds.train(team.plan, step),
    (api) => api.measure(step, batches, definition),
  );
  await team.callAll(read);
}

/** The result of a measurement that began at step `from`. */
export function preciseResult(plan: RunPlan, from: number, batches: number): PreciseResult {
  const { stepsPerEpoch, lastBatch, config, graph } = plan;
  let samples = 0;
  for (let index = from; index < from + batches; index++) {
    const isLast = index % stepsPerEpoch === stepsPerEpoch - 1;
    samples += isLast ? lastBatch : config.globalBatch;
  }
  const replaced: string[] = [];
  const left: { layer: string; why: string }[] = [];
  for (const operation of graph.operations) {
    if (operation.op !== 'layer' || !isNorm(operation.spec)) continue;
    const { path: layer, kind, spec } = operation;
    if (hasPopulation(operation)) replaced.push(layer);
    else {
      const why = kind.norm?.whyNoPopulation?.(spec);
      left.push({ layer, why: why ?? `${spec.kind} has no population statistics` });
    }
  }
  return { batches, samples, replaced, left };
}
