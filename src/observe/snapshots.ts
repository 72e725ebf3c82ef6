// Snapshots: steps 0, n, 2n, ... leave numbers in the arena, in one slot after the other, for main
// to read while the workers go on.

import { SNAPSHOT_SLOTS } from '../norm/diagnostics.ts';

export interface SnapshotReader<T> {
  /** Steps from one snapshot to the next. */
  readonly every: number;
  /** The first step of this arena. */
  readonly since: number;
  /** How many steps are done by now. */
  stepsDone(): number;
  /** Copies a slot. */
  copySlot(slot: number): T;
}

/** The last whole snapshot and its step; undefined before the first one. */
export function readSnapshot<T>(
  reader: SnapshotReader<T>,
): { readonly step: number; readonly snapshot: T } | undefined {
  const { every, since } = reader;
  for (;;) {
    const step = Math.floor((reader.stepsDone() - 1) / every) * every;
    if (step < since) return undefined;
    const snapshot = reader.copySlot(slotOf(step, every));
    // Its place is written again in step + SNAPSHOT_SLOTS * every; a worker may be there when the
    // step before that is not yet counted.
    if (reader.stepsDone() < step + SNAPSHOT_SLOTS * every - 1) return { step, snapshot };
  }
}

/** The slot of a snapshot step. */
export function slotOf(step: number, every: number): number {
  return (step / every) % SNAPSHOT_SLOTS;
}
