// Places the workspace of each layer on a worker. Memory that a layer needs only within a pass is
// in one region that all layers share, which also keeps it in the cache; the rest is in separate
// regions. Micro-batches share what is the same for all samples. Memory that belongs to samples is
// separate for each micro-batch, the larger pieces among its activations.

import { ALIGN_BYTES, alignUp } from '../base/bytes.ts';
import type { Shape } from '../base/shape.ts';
import { elementsBytes, type LayoutBuilder } from '../memory/layout.ts';
import { readBySample } from '../nn/graph/derive.ts';
import type { Graph, Operation } from '../nn/graph/graph.ts';
import type { Cuts } from '../nn/graph/schedule.ts';
import type { KeptWorkspace, StoragePlan } from '../nn/graph/storage.ts';
import type { WorkspaceDeclaration, WorkspaceSize } from '../nn/layers/layer.ts';
import type { WorkspacePlan } from './workerPlan.ts';

/** The workspace for a sample of a derived value that an operation reads in backward
 * (nn/graph/derive.ts). */
export const DERIVED = 'derived';

/** Workspaces of at most this many bytes have a separate region for each micro-batch. That takes
 * little memory and saves a copy wherever micro-batches take turns. */
const SMALL_BYTES = 65_536;

/** The addresses of a worker's workspaces. */
export interface PlacedWorkspaces {
  /** The workspaces that all micro-batches share. */
  readonly shared: WorkspacePlan;
  /** The workspaces of each micro-batch. */
  readonly own: readonly WorkspacePlan[];
  /** The workspaces that are still to be placed among the activations. */
  readonly kept: readonly KeptWorkspace[];
}

/** The inputs that decide the workspaces of a worker. */
interface Asked {
  readonly graph: Graph;
  /** The sizes of each micro-batch. */
  readonly sizes: readonly WorkspaceSize[];
  readonly cuts: Cuts;
  readonly rank: number;
  readonly derived: StoragePlan['derived'];
}

/** Places the workspaces that the layers of a graph declare. */
export function placeWorkspaces(builder: LayoutBuilder, of: Asked): PlacedWorkspaces {
  const { graph, sizes, cuts, rank } = of;
  const writer = `rank ${rank}`;
  const shared = new Map<string, number>();
  const own = sizes.map(() => new Map<string, number>());
  const kept: KeptWorkspace[] = [];
  const scratch = new Map<string, number>();
  let scratchBytes = 0;
  const largest = largestOf(sizes);
  for (const [place, operation] of graph.operations.entries()) {
    const { path } = operation;
    const declare = (size: WorkspaceSize): readonly WorkspaceDeclaration[] =>
      declaredBy(operation, of, size);
    const ofEach = sizes.map(declare);
    let offset = 0;
    for (const [i, one] of declare(largest).entries()) {
      const name = `${path}.${one.name}`;
      const { type, shape, lifetime = 'samples' } = one;
      if (lifetime === 'pass') {
        scratch.set(name, offset);
        // Vector loads may read past the end.
        offset += alignUp(elementsBytes(one) + ALIGN_BYTES, ALIGN_BYTES);
      } else if (lifetime === 'run' || sizes.length === 1) {
        const region = builder.add({ name: `rank ${rank}.${name}`, type, shape, writer });
        shared.set(name, region.offsetBytes);
      } else if (elementsBytes(one) > SMALL_BYTES && meetsOnce(cuts, place)) {
        kept.push({ name, place, sizeBytes: elementsBytes(one) });
      } else {
        for (const [m, declared] of ofEach.entries()) {
          const region = builder.add({
            name: `rank ${rank}.micro-batch ${m}.${name}`,
            ...{ type, shape: declared[i]!.shape, writer },
          });
          own[m]!.set(name, region.offsetBytes);
        }
      }
    }
    scratchBytes = Math.max(scratchBytes, offset);
  }
  if (scratchBytes > 0) {
    const shape = [scratchBytes / 4];
    const region = builder.add({ name: `rank ${rank}.scratch`, type: 'f32', shape, writer });
    for (const [name, offset] of scratch) shared.set(name, region.offsetBytes + offset);
  }
  return { shared, own, kept };
}

/** The workspaces that an operation declares, and one for a sample of the derived value that it
 * reads sample by sample. */
function declaredBy(
  operation: Operation,
  { graph, derived }: Asked,
  size: WorkspaceSize,
): readonly WorkspaceDeclaration[] {
  const declared =
    operation.op === 'layer'
      ? (operation.kind.workspace?.(operation.spec, graph.shapes[operation.input]!, size) ?? [])
      : [];
  const value = readBySample(operation);
  if (value === undefined || !derived.has(value)) return declared;
  return [...declared, sampleOf(graph.shapes[value]!)];
}

/** Whether micro-batches meet at most once in an operation; otherwise its workspace would be copied
 * at every meeting. */
function meetsOnce(cuts: Cuts, place: number): boolean {
  return cuts.forward[place]! <= 1 && cuts.backward[place]! <= 1;
}

/** A size that is large enough for each of them. */
function largestOf(sizes: readonly WorkspaceSize[]): WorkspaceSize {
  const most = (of: (size: WorkspaceSize) => number): number => Math.max(...sizes.map(of));
  return {
    capacity: most(({ capacity }) => capacity),
    countGrains: most(({ countGrains }) => countGrains),
    countGroups: (groupReplicas) => most((size) => size.countGroups(groupReplicas)),
  };
}

const sampleOf = (shape: Shape): WorkspaceDeclaration => ({
  name: DERIVED,
  type: 'f32',
  shape,
  lifetime: 'pass',
});
