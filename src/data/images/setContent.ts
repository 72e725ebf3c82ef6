// What code that reads the chunks of a packed set knows of it: the names of its files, and what
// set.json says of them.

/** Says what the set is. */
export const SET_FILE = 'set.json';
/** Ends the names of the arrays. */
export const NPY = '.npy';

/** What set.json says of a set whose chunks can be read. */
export interface SetContent {
  readonly name: string;
  readonly classes: number;
  /** None of masks. */
  readonly classNames: readonly string[];
  /** Samples of a chunk. */
  readonly chunkSamples: number;
  readonly inputShape: readonly number[];
  /** Of masks; of classes empty. */
  readonly targetShape: readonly number[];
  readonly counts: { readonly train: number; readonly test: number };
  /** Statistics of training, as those of a dataset. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** That of the same data in memory. */
  readonly contentHash: string;
  /** The checksum of each chunk, by the file. */
  readonly files: Readonly<Record<string, readonly string[]>>;
}
