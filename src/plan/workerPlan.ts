// What the plan of a run gives to one worker.

import type { StoragePlan } from '../nn/graph/storage.ts';
import type { WorkspaceSize } from '../nn/layers/layer.ts';
import type { Span } from '../reduce/tree.ts';
import type { GradientNode, WorkerRegions } from './regions.ts';

/** Where each workspace lies, by `path.name`: bytes from the start of the arena. */
export type WorkspacePlan = ReadonlyMap<string, number>;

/** What one worker holds. */
export interface WorkerPlan {
  readonly rank: number;
  readonly grains: Span;
  readonly size: WorkspaceSize;
  readonly storage: StoragePlan;
  /** The subtrees of the tree over all grains that it folds and publishes. */
  readonly nodes: readonly GradientNode[];
  readonly regions: WorkerRegions;
  readonly workspace: WorkspacePlan;
}
