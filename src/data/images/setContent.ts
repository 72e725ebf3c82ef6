// The parts of a packed set that code needs to read its chunks: file names and the content of
// set.json.

/** The file that describes the set. */
export const SET_FILE = 'set.json';
/** The extension of array files. */
export const NPY = '.npy';

/** The content of set.json for a set that can be read in chunks. */
export interface SetContent {
  readonly name: string;
  readonly classes: number;
  /** Empty for masks. */
  readonly classNames: readonly string[];
  /** Samples per chunk. */
  readonly chunkSamples: number;
  readonly inputShape: readonly number[];
  /** The shape of a mask; empty for classes. */
  readonly targetShape: readonly number[];
  readonly counts: { readonly train: number; readonly test: number };
  /** Statistics of the training samples, as in a dataset. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Equals the hash of the same data in memory. */
  readonly contentHash: string;
  /** The checksums of each file's chunks. */
  readonly files: Readonly<Record<string, readonly string[]>>;
}
