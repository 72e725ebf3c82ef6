// Broadcasts a number from rank 0, so that a benchmark's threads agree.

import type { Group } from '../../src/collectives.ts';

/** Rank 0's number on all ranks. */
export function fromRoot(group: Group, value: number): number {
  const shared = new Float64Array([value]);
  group.broadcast(shared, 0);
  return shared[0]!;
}
