// Sampled steps: 0, n, 2n, ... leave numbers in the arena, in one slot after the other, for main to
// read while the workers go on.

import { SAMPLE_SLOTS } from '../norm/diagnostics.ts';

export interface SampleReader<T> {
  /** Steps from one sample to the next. */
  readonly every: number;
  /** The first step of this arena. */
  readonly since: number;
  /** How many steps are done by now. */
  stepsDone(): number;
  /** Copies a slot. */
  copySlot(slot: number): T;
}

/** The last whole sample and its step; undefined before the first one. */
export function readSample<T>(
  reader: SampleReader<T>,
): { readonly step: number; readonly sample: T } | undefined {
  const { every, since } = reader;
  for (;;) {
    const step = Math.floor((reader.stepsDone() - 1) / every) * every;
    if (step < since) return undefined;
    const sample = reader.copySlot(slotOf(step, every));
    // Its place is written again in step + SAMPLE_SLOTS * every; a worker may be there when the
    // step before that is not yet counted.
    if (reader.stepsDone() < step + SAMPLE_SLOTS * every - 1) return { step, sample };
  }
}

/** The slot of a sampled step. */
export function slotOf(step: number, every: number): number {
  return (step / every) % SAMPLE_SLOTS;
}
