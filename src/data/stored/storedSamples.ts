// The samples of a run as its threads read them: in memory that all of them share, outside the
// arena, whose addresses are few. Each split lies in slots of equal size, one for each chunk in
// memory; a set that is in memory as a whole is one chunk in one slot.

import type { Feed } from './feed.ts';

/** What a slot holds, one sample after the other: views of shared memory. */
export interface StoredChunk {
  readonly inputs: Uint8Array | Float32Array;
  readonly targets: Int32Array | Float32Array;
  /** Undefined where all samples count alike. */
  readonly weights: Float32Array | undefined;
}

/** A split. Plain data over shared memory, so that it can be posted. */
export interface StoredSplit {
  readonly count: number;
  /** Samples of each chunk but the last one, which may have fewer. */
  readonly chunkSamples: number;
  readonly slots: readonly StoredChunk[];
  /** The slot of each chunk. */
  readonly slotOf: Int32Array;
  /** Where chunks are read while they are needed; undefined where all are in memory. */
  readonly feed?: Feed;
}

export interface StoredSamples {
  /** For training steps. */
  readonly train: StoredSplit;
  /** For evaluations, which take samples in their order. Of validation where training samples are
   * held out. */
  readonly evaluated: {
    readonly train: StoredSplit;
    readonly test: StoredSplit;
    readonly validation: StoredSplit | undefined;
  };
  /** Of the training samples, where the data has them. */
  readonly domains: Int32Array | undefined;
}

/** One thread's view of a split, whose functions allocate nothing. */
export interface SplitView extends Pick<StoredSplit, 'count' | 'slots' | 'feed'> {
  /** Which slot a sample lies in. */
  slotOf(sample: number): number;
  /** Which of the samples in its slot it is. */
  rowOf(sample: number): number;
}

/** Binds a view of a split. */
export function viewSplit({ slotOf, chunkSamples, ...split }: StoredSplit): SplitView {
  return {
    ...split,
    slotOf: (sample) => slotOf[Math.floor(sample / chunkSamples)]!,
    rowOf: (sample) => sample % chunkSamples,
  };
}
