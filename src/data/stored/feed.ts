// What a split that is read in chunks shares between the thread that reads and those that train:
// which windows of chunks are in memory, and which are still needed. Windows are numbered in the
// order in which they are used, epoch after epoch.

/** The words of a feed. Each rank writes its own line. */
export type FeedWords = Int32Array<SharedArrayBuffer>;

//   word
//   0         windows below this one have been read
//   1         1: the next one cannot be read
//   2         changes whenever a chunk has been read
//   3         changes whenever a rank needs other windows than before
//   32 + 32r  rank r: the first window that it needs

export const READ_WORD = 0;
export const FAILED_WORD = 1;
export const NEWS_WORD = 2;
export const NEEDS_WORD = 3;
const LINE_WORDS = 32;

/** Reading is this many windows ahead of the first one that is needed, which counts. */
export const WINDOWS_HELD = 2;

export interface Feed {
  readonly words: FeedWords;
  /** Samples of a window. */
  readonly windowSamples: number;
  /** Windows of an epoch. */
  readonly countWindows: number;
}

export function createFeedWords(workers: number): FeedWords {
  const words = LINE_WORDS * (1 + workers);
  return new Int32Array(new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT));
}

/** Where a rank says which window it needs. */
export function neededWord(rank: number): number {
  return LINE_WORDS * (1 + rank);
}

/** How many ranks there is room for. */
export function ranksOf({ length }: FeedWords): number {
  return length / LINE_WORDS - 1;
}

/** Says that what was read is lost, and no more will be, and wakes all who wait for it. */
export function loseFeed(words: FeedWords): void {
  Atomics.store(words, READ_WORD, 0);
  Atomics.store(words, FAILED_WORD, 1);
  Atomics.add(words, NEWS_WORD, 1);
  Atomics.notify(words, NEWS_WORD);
}
