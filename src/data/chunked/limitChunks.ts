// Limits a chunked split to fewer samples: draws some of its chunks and takes the same number of
// samples from each. The first samples would not do, because sets are often sorted by class.

import { drawRows, limitStream } from '../rows.ts';
import type { ChunkedSplit } from './chunkedDataset.ts';

/** Samples come from at least this many chunks, if the split has them. Chunks are always read
 * whole, and 128 of them amount to a gigabyte. */
const LEAST_CHUNKS = 128;

/** The chunks of a limited split. */
export interface LimitedChunks extends Pick<ChunkedSplit, 'count' | 'chunkSamples'> {
  /** For each chunk, the chunk of the whole split that it comes from; ascending. */
  readonly chunks: Int32Array;
  /** The samples of that original chunk that chunk `index` takes, ascending. */
  rowsOf(index: number): Int32Array;
}

/** Draws `limit` samples, which may not exceed the whole. The draw is the same every time. */
export function limitChunks(
  whole: Pick<ChunkedSplit, 'count' | 'chunkSamples'>,
  limit: number,
): LimitedChunks {
  const size = Math.min(whole.chunkSamples, whole.count);
  // A partial last chunk is needed only if the full chunks have too few samples.
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
