// Scratch memory: workspace that a layer needs within a pass only. All layers of a worker use the
// same region for it, one after the other, which also keeps it in the cache.

import { ALIGN_BYTES, alignUp } from '../base/bytes.ts';
import { elementsBytes, type LayoutBuilder } from '../memory/layout.ts';
import type { Graph } from '../nn/graph/graph.ts';
import type { WorkspaceDeclaration, WorkspaceSize } from '../nn/layers/layer.ts';
import type { ScratchPlan, WorkerPlan } from './workerPlan.ts';

/** The region of a worker. */
export function scratchRegion(rank: number): string {
  return `rank ${rank}.scratch`;
}

/** What the layers of a graph ask for, for a worker's samples. */
export function* workspacesOf(
  graph: Graph,
  size: WorkspaceSize,
): Generator<{ path: string; declared: readonly WorkspaceDeclaration[] }> {
  for (const operation of graph.operations) {
    if (operation.op !== 'layer') continue;
    const { kind, spec, path, input } = operation;
    yield { path, declared: kind.workspace?.(spec, graph.shapes[input]!, size) ?? [] };
  }
}

/** Places the scratch memory of each layer from the start of the region. */
export function planScratch(graph: Graph, size: WorkspaceSize): ScratchPlan {
  const offsetsBytes = new Map<string, number>();
  let sizeBytes = 0;
  for (const { path, declared } of workspacesOf(graph, size)) {
    let offset = 0;
    for (const one of declared) {
      if (!one.isScratch) continue;
      offsetsBytes.set(`${path}.${one.name}`, offset);
      // Vector loads may run over an end.
      offset += alignUp(elementsBytes(one) + ALIGN_BYTES, ALIGN_BYTES);
    }
    sizeBytes = Math.max(sizeBytes, offset);
  }
  return { offsetsBytes, sizeBytes };
}

/** Adds the region, if any layer has scratch memory. */
export function addScratch(builder: LayoutBuilder, worker: WorkerPlan): void {
  const { sizeBytes } = worker.scratch;
  if (sizeBytes === 0) return;
  const writer = `rank ${worker.rank}`;
  builder.add({ name: scratchRegion(worker.rank), type: 'f32', shape: [sizeBytes / 4], writer });
}
