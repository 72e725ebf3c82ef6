// What the plan of a run gives to one worker.

import type { TreeNode } from '../base/tree.ts';
import type { ReplicaRange } from '../data/sampler.ts';
import type { StoragePlan } from '../nn/graph/storage.ts';

export interface ScratchPlan {
  /** Bytes from the start of the region, by `path.name`. */
  readonly offsetsBytes: ReadonlyMap<string, number>;
  readonly sizeBytes: number;
}

/** What one worker holds. */
export interface WorkerPlan {
  readonly rank: number;
  readonly replicas: ReplicaRange;
  /** The most samples in any step. */
  readonly capacity: number;
  readonly storage: StoragePlan;
  readonly scratch: ScratchPlan;
  /** The subtrees of the replica tree that it folds and publishes. */
  readonly nodes: readonly TreeNode[];
}
