// What the plan of a run gives to one worker.

import type { StoragePlan } from '../nn/graph/storage.ts';
import type { WorkspaceSize } from '../nn/layers/layer.ts';
import type { Span } from '../reduce/tree.ts';

export interface ScratchPlan {
  /** Bytes from the start of the region, by `path.name`. */
  readonly offsetsBytes: ReadonlyMap<string, number>;
  readonly sizeBytes: number;
}

/** What one worker holds. */
export interface WorkerPlan {
  readonly rank: number;
  readonly grains: Span;
  readonly size: WorkspaceSize;
  readonly storage: StoragePlan;
  readonly scratch: ScratchPlan;
  /** The subtrees of the tree over all grains that it folds and publishes. */
  readonly nodes: readonly Span[];
}
