// The layers that can have population statistics, and the regions that measuring them needs.

import type { LayoutBuilder, Region } from '../memory/layout.ts';
import type { Graph, LayerOperation } from '../nn/graph/graph.ts';
import { planReduction, type ReductionPlan } from '../reduce/exchange.ts';
import type { GrainPlan } from '../reduce/grains.ts';
import { vectorLength } from '../reduce/reduction.ts';

export const DEFINITIONS = ['pooled', 'averaged'] as const;
/** How the statistics of several batches are combined: `pooled` are the moments of all values
 * together, mean E[mean_b] and variance E[var_b + mean_b^2] - E[mean_b]^2 (as in the paper);
 * `averaged` are the averages of the batches' means and unbiased variances, without the variance
 * between the means. */
export type PopulationDefinition = (typeof DEFINITIONS)[number];

export interface PopulationPlan {
  readonly operation: LayerOperation;
  /** A reduction over all replicas, regardless of the layer's sync groups. */
  readonly reduction: ReductionPlan;
  /** The sum over the batches so far. */
  readonly total: Region<'f64'>;
  /** The pivots of each worker. */
  readonly pivots: readonly Region<'f32'>[];
}

/** Whether population statistics can replace what a layer evaluates by: batchNorm and batchRenorm
 * with running statistics that are not frozen. */
export function hasPopulation({ kind, spec }: LayerOperation): boolean {
  const { whyNoPopulation } = kind.norm ?? {};
  return whyNoPopulation !== undefined && whyNoPopulation(spec) === undefined;
}

/** Places the regions that the measurement needs. */
export function planPopulations(
  builder: LayoutBuilder,
  graph: Graph,
  grains: GrainPlan,
): readonly PopulationPlan[] {
  return graph.operations.flatMap((operation) => {
    if (operation.op !== 'layer' || !hasPopulation(operation)) return [];
    const shape = graph.shapes[operation.input]!;
    const channels = shape[shape.length - 1]!;
    const name = `${operation.path}.population`;
    const declared = {
      name: 'population',
      combine: 'moments',
      channels,
      groupReplicas: Number.POSITIVE_INFINITY,
    } as const;
    const reduction = planReduction(builder, name, declared, grains);
    const length = vectorLength('moments', channels);
    const total = builder.add({
      name: `${name}.total`,
      type: 'f64',
      shape: [length],
      writer: 'owner of the layer',
    });
    const pivots = grains.ranges.map((_, rank) => {
      const writer = `rank ${rank}`;
      return builder.add({
        name: `${name}.pivots ${rank}`,
        type: 'f32',
        shape: [channels],
        writer,
      });
    });
    return [{ operation, reduction, total, pivots }];
  });
}
