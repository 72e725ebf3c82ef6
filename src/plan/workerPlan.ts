// The part of a run's plan for one worker.

import type { Schedule } from '../nn/graph/schedule.ts';
import type { StoragePlaces, StoragePlan } from '../nn/graph/storage.ts';
import type { WorkspaceSize } from '../nn/layers/layer.ts';
import type { Span } from '../reduce/tree.ts';
import type { GradientNode, MicroBatchRegions, WorkerRegions } from './regions.ts';

/** The address of each workspace, by `path.name`: bytes from the start of the arena. */
export type WorkspacePlan = ReadonlyMap<string, number>;

/** A part of a worker's samples that goes through the layers on its own: all of them if the run has
 * no micro-batches. */
export interface MicroBatchPlan {
  readonly grains: Span;
  readonly size: WorkspaceSize;
  readonly storage: StoragePlaces;
  readonly regions: MicroBatchRegions;
  readonly workspace: WorkspacePlan;
}

/** The plan of one worker. */
export interface WorkerPlan {
  readonly rank: number;
  readonly grains: Span;
  /** The subtrees of the tree over all grains that it folds and publishes. */
  readonly nodes: readonly GradientNode[];
  readonly regions: WorkerRegions;
  /** At least one. */
  readonly microBatches: readonly MicroBatchPlan[];
  readonly schedule: Schedule;
  /** The storage of its activations. */
  readonly storage: Omit<StoragePlan, 'places'>;
}
