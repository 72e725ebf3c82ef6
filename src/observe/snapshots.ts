// Snapshots: steps 0, n, 2n, ... write numbers to rotating slots in the arena, which the main
// thread reads while the workers continue.

import { SNAPSHOT_SLOTS } from '../norm/diagnostics.ts';

export interface SnapshotReader<T> {
  /** Steps between snapshots. */
  readonly every: number;
  /** The first step of this arena. */
  readonly since: number;
  /** Returns how many steps are complete. */
  stepsDone(): number;
  /** Copies a slot. */
  copySlot(slot: number): T;
}

/** The last complete snapshot and its step; undefined before the first one. */
export function readSnapshot<T>(
  reader: SnapshotReader<T>,
): { readonly step: number; readonly snapshot: T } | undefined {
  const { every, since } = reader;
  for (;;) {
    const step = Math.floor((reader.stepsDone() - 1) / every) * every;
    if (step < since) return undefined;
    const snapshot = reader.copySlot(slotOf(step, every));
    // Its slot is written again in step + SNAPSHOT_SLOTS * every. A worker may be in that step
    // before the previous one is counted.
    if (reader.stepsDone() < step + SNAPSHOT_SLOTS * every - 1) return { step, snapshot };
  }
}

/** The slot of a snapshot step. */
export function slotOf(step: number, every: number): number {
  return (step / every) % SNAPSHOT_SLOTS;
}
