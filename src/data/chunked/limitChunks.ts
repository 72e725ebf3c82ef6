// Fewer samples of a split that is read in chunks: equally many from each of some chunks, which are
// drawn from all of them. The first samples would not do, since sets are often sorted by class.

import { drawRows, limitStream } from '../rows.ts';
import type { ChunkedSplit } from './chunkedDataset.ts';

/** Samples come from at least this many chunks, if there are as many. A chunk is read whole however
 * few of its samples are taken, and these have a gigabyte. */
const LEAST_CHUNKS = 128;

/** The chunks of a limited split. */
export interface LimitedChunks extends Pick<ChunkedSplit, 'count' | 'chunkSamples'> {
  /** The chunk of the whole split that each one is from, ascending. */
  readonly chunks: Int32Array;
  /** The samples of that chunk that chunk `index` has, ascending. */
  rowsOf(index: number): Int32Array;
}

/** Draws `limit` samples, at most as many as there are: the same ones every time. */
export function limitChunks(
  whole: Pick<ChunkedSplit, 'count' | 'chunkSamples'>,
  limit: number,
): LimitedChunks {
  const size = Math.min(whole.chunkSamples, whole.count);
  // A last chunk that is not full is needed only where the full ones have too few.
  const full = Math.floor(whole.count / size);
  const most = Math.min(full, Math.max(LEAST_CHUNKS, Math.ceil(limit / size)));
  const chunkSamples = Math.min(size, Math.ceil(limit / most));
  const total = Math.ceil(limit / chunkSamples);
  const chunks =
    total > full
      ? Int32Array.from({ length: total }, (_, chunk) => chunk)
      : drawRows(full, total, limitStream());
  return {
    count: limit,
    chunkSamples,
    chunks,
    rowsOf(index) {
      const chunk = chunks[index]!;
      const there = Math.min(size, whole.count - chunk * size);
      const taken = Math.min(chunkSamples, limit - index * chunkSamples);
      return drawRows(there, taken, limitStream(chunk));
    },
  };
}
