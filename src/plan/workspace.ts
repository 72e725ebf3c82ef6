// The workspace of each layer on a worker, placed: most of it in regions of its own; what a layer
// needs within a pass only in one region that all layers use in turn, which also keeps it in the
// cache.

import { ALIGN_BYTES, alignUp } from '../base/bytes.ts';
import type { Shape } from '../base/shape.ts';
import { elementsBytes, type LayoutBuilder } from '../memory/layout.ts';
import { readBySample } from '../nn/graph/derive.ts';
import type { Graph } from '../nn/graph/graph.ts';
import type { StoragePlan } from '../nn/graph/storage.ts';
import type { WorkspaceDeclaration, WorkspaceSize } from '../nn/layers/layer.ts';
import type { WorkspacePlan } from './workerPlan.ts';

/** A sample of what an operation reads in backward, where that is derived (nn/graph/derive.ts). */
export const DERIVED = 'derived';

/** What decides the workspace of a worker. */
interface Asked {
  readonly graph: Graph;
  readonly size: WorkspaceSize;
  readonly rank: number;
  readonly derived: StoragePlan['derived'];
}

/** Places what the layers of a graph ask for. */
export function placeWorkspace(builder: LayoutBuilder, of: Asked): WorkspacePlan {
  const { rank } = of;
  const writer = `rank ${rank}`;
  const offsetsBytes = new Map<string, number>();
  const scratch = new Map<string, number>();
  let scratchBytes = 0;
  for (const { path, declared } of workspacesOf(of)) {
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

function* workspacesOf({
  graph,
  size,
  derived,
}: Asked): Generator<{ path: string; declared: readonly WorkspaceDeclaration[] }> {
  for (const operation of graph.operations) {
    const { op, path } = operation;
    const declared =
      op === 'layer'
        ? (operation.kind.workspace?.(operation.spec, graph.shapes[operation.input]!, size) ?? [])
        : [];
    const value = readBySample(operation);
    if (value === undefined || !derived.has(value)) yield { path, declared };
    else yield { path, declared: [...declared, sampleOf(graph.shapes[value]!)] };
  }
}

const sampleOf = (shape: Shape): WorkspaceDeclaration => ({
  name: DERIVED,
  type: 'f32',
  shape,
  isScratch: true,
});
