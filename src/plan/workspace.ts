// The workspace of each layer on a worker, placed: most of it in regions of its own; what a layer
// needs within a pass only in one region that all layers use in turn, which also keeps it in the
// cache.

import { ALIGN_BYTES, alignUp } from '../base/bytes.ts';
import { elementsBytes, type LayoutBuilder } from '../memory/layout.ts';
import type { Graph } from '../nn/graph/graph.ts';
import type { WorkspaceDeclaration, WorkspaceSize } from '../nn/layers/layer.ts';
import type { WorkspacePlan } from './workerPlan.ts';

/** Places what the layers of a graph ask for. */
export function placeWorkspace(
  builder: LayoutBuilder,
  graph: Graph,
  size: WorkspaceSize,
  rank: number,
): WorkspacePlan {
  const writer = `rank ${rank}`;
  const offsetsBytes = new Map<string, number>();
  const scratch = new Map<string, number>();
  let scratchBytes = 0;
  for (const { path, declared } of workspacesOf(graph, size)) {
    let offset = 0;
    for (const one of declared) {
      const name = `${path}.${one.name}`;
      const { type, shape } = one;
      if (one.isScratch !== true) {
        const region = builder.add({ name: `rank ${rank}.${name}`, type, shape, writer });
        offsetsBytes.set(name, region.offsetBytes);
        continue;
      }
      scratch.set(name, offset);
      // Vector loads may run over an end.
      offset += alignUp(elementsBytes(one) + ALIGN_BYTES, ALIGN_BYTES);
    }
    scratchBytes = Math.max(scratchBytes, offset);
  }
  if (scratchBytes > 0) {
    const shape = [scratchBytes / 4];
    const region = builder.add({ name: `rank ${rank}.scratch`, type: 'f32', shape, writer });
    for (const [name, offset] of scratch) offsetsBytes.set(name, region.offsetBytes + offset);
  }
  return offsetsBytes;
}

function* workspacesOf(
  graph: Graph,
  size: WorkspaceSize,
): Generator<{ path: string; declared: readonly WorkspaceDeclaration[] }> {
  for (const operation of graph.operations) {
    if (operation.op !== 'layer') continue;
    const { kind, spec, path, input } = operation;
    yield { path, declared: kind.workspace?.(spec, graph.shapes[input]!, size) ?? [] };
  }
}
