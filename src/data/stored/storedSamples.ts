// The samples of a run as its threads read them: in memory that all of them share, outside the
// arena, whose addresses are few. Each split lies in slots of equal size, one for each chunk in
// memory; a set that is in memory as a whole is one chunk in one slot.

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
}

export interface StoredSamples {
  readonly train: StoredSplit;
  readonly test: StoredSplit;
  /** Where training samples are held out. */
  readonly validation: StoredSplit | undefined;
  /** Of the training samples, where the data has them. */
  readonly domains: Int32Array | undefined;
}

/** One thread's view of a split, whose functions allocate nothing. */
export interface SplitView extends Pick<StoredSplit, 'count' | 'slots'> {
  /** Which slot a sample lies in. */
  slotOf(sample: number): number;
  /** Which of the samples in its slot it is. */
  rowOf(sample: number): number;
}

/** Binds a view of a split. */
export function viewSplit({ count, chunkSamples, slots, slotOf }: StoredSplit): SplitView {
  return {
    count,
    slots,
    slotOf: (sample) => slotOf[Math.floor(sample / chunkSamples)]!,
    rowOf: (sample) => sample % chunkSamples,
  };
}
