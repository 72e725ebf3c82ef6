// The state of a chunked split that the reading thread and the training threads share: which
// windows of chunks are in memory, and which are still needed. Windows are numbered in order of
// use, and numbering continues across epochs.

/** The words of a feed. Each rank writes only its own line. */
export type FeedWords = Int32Array<SharedArrayBuffer>;

//   word
//   0         windows below this one have been read
//   1         1: the next one cannot be read
//   2         changes whenever a chunk has been read
//   3         changes whenever a rank needs different windows
//   32 + 32r  rank r: the first window it needs

export const READ_WORD = 0;
export const FAILED_WORD = 1;
export const NEWS_WORD = 2;
export const NEEDS_WORD = 3;
const LINE_WORDS = 32;

/** Windows held in memory, including the first one that is still needed. */
export const WINDOWS_HELD = 2;

export interface Feed {
  readonly words: FeedWords;
  /** Samples per window. */
  readonly windowSamples: number;
  /** Windows per epoch. */
  readonly countWindows: number;
}

export function createFeedWords(workers: number): FeedWords {
  const words = LINE_WORDS * (1 + workers);
  return new Int32Array(new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT));
}

/** The word that holds the first window a rank needs. */
export function neededWord(rank: number): number {
  return LINE_WORDS * (1 + rank);
}

/** The number of ranks that the words have room for. */
export function ranksOf({ length }: FeedWords): number {
  return length / LINE_WORDS - 1;
}

/** Marks everything read as lost and reading as failed, and wakes all waiting threads. */
export function loseFeed(words: FeedWords): void {
  Atomics.store(words, READ_WORD, 0);
  Atomics.store(words, FAILED_WORD, 1);
  Atomics.add(words, NEWS_WORD, 1);
  Atomics.notify(words, NEWS_WORD);
}
