// How the global batches of a run are cut into grains: by size and, if a layer's statistics are
// local to replicas, at the borders of replicas.

import { cutGrains, defaultGrains, type GrainCut, type Locality } from '../../reduce/grains.ts';
import type { Graph } from './graph.ts';

/** The settings of a run that decide the cut. */
export interface CutRequest {
  readonly globalBatch: number;
  readonly replicas: number;
  /** Default: `defaultGrains`. */
  readonly grains?: number;
}

/** How the global batches of a run are cut. */
export function cutOf(graph: Graph, request: CutRequest): GrainCut {
  const { globalBatch, replicas, grains = defaultGrains(globalBatch) } = request;
  return cutGrains({ globalBatch, replicas, grains, locality: localityOf(graph, replicas) });
}

/** Whether replicas decide what a model computes. */
export function isLocal(graph: Graph, replicas: number): boolean {
  return localityOf(graph, replicas) !== 'none';
}

/** How replicas affect the layers of a model. */
function localityOf(graph: Graph, replicas: number): Locality {
  let locality: Locality = 'none';
  for (const operation of graph.operations) {
    if (operation.op !== 'layer') continue;
    const { kind, spec, input } = operation;
    if (kind.needsWholeReplicas?.(spec) === true) return 'whole';
    const reductions = kind.reductions?.(spec, graph.shapes[input]!) ?? [];
    const hasBorders = reductions.some(
      ({ groupReplicas }) => groupReplicas !== 'none' && groupReplicas < replicas,
    );
    if (hasBorders) locality = 'borders';
  }
  return locality;
}
