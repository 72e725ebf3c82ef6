// A run's samples as its threads read them: in shared memory outside the arena, because the arena's
// address space is limited. A split is stored in slots of equal size, one per chunk in memory. A
// split that is entirely in memory is one chunk in one slot.

import type { Feed } from './feed.ts';

/** The consecutive samples in a slot, as views of shared memory. */
export interface StoredChunk {
  readonly inputs: Uint8Array | Float32Array;
  readonly targets: Int32Array | Float32Array;
  /** Undefined if all samples have equal weight. */
  readonly weights: Float32Array | undefined;
}

/** A split: plain data over shared memory, so that it can be posted. */
export interface StoredSplit {
  readonly count: number;
  /** Samples per chunk; the last chunk may have fewer. */
  readonly chunkSamples: number;
  readonly slots: readonly StoredChunk[];
  /** The slot of each chunk. */
  readonly slotOf: Int32Array;
  /** Present if chunks are read as they are needed; undefined if all are in memory from the
   * start. */
  readonly feed?: Feed;
}

export interface StoredSamples {
  /** For training steps. */
  readonly train: StoredSplit;
  /** For evaluations, which read samples in order. Has `validation` if training samples are held
   * out. */
  readonly evaluated: {
    readonly train: StoredSplit;
    readonly test: StoredSplit;
    readonly validation: StoredSplit | undefined;
  };
  /** Domains of the training samples, if the data has any. */
  readonly domains: Int32Array | undefined;
}

/** One thread's view of a split. Its functions do not allocate. */
export interface SplitView extends Pick<StoredSplit, 'count' | 'slots' | 'feed'> {
  /** The slot that holds a sample. */
  slotOf(sample: number): number;
  /** The index of a sample within its slot. */
  rowOf(sample: number): number;
}

/** Creates a view of a split. */
export function viewSplit({ slotOf, chunkSamples, ...split }: StoredSplit): SplitView {
  return {
    ...split,
    slotOf: (sample) => slotOf[Math.floor(sample / chunkSamples)]!,
    rowOf: (sample) => sample % chunkSamples,
  };
}
