// A chunked split from a restartable iterable of chunks.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { callback, flag, wholeNumber } from '../../base/values.ts';
import type { ChunkedSplit, SampleChunk } from './chunkedDataset.ts';
import { countChunks } from './windows.ts';

/** The options of {@link fromIterable}. */
export interface IterableOptions {
  /** Total samples. */
  readonly count: number;
  /** Samples per chunk; the last chunk has the remainder. */
  readonly chunkSamples: number;
  /** Whether chunks have weights; default false. */
  readonly isWeighted?: boolean;
  /** Opens an iterable that starts at the first chunk. Every call yields the same samples, in new
   * arrays. Called for each epoch and each evaluation. A run resumed within an epoch calls it too,
   * and skips the earlier chunks. The iterator is closed (`return()`) after the last chunk, or when
   * `signal` is aborted. */
  open(signal: AbortSignal): AsyncIterable<SampleChunk> | Iterable<SampleChunk>;
}

const schema = optionsSchema<IterableOptions>()({
  count: wholeNumber(0),
  chunkSamples: wholeNumber(1),
  isWeighted: flag.exactOptional(),
  open: callback<IterableOptions['open']>(),
});

/** Creates a split from an iterable of chunks, for `train` or `test` of a {@link ChunkedDataset}.
 * Training keeps the chunks in order and shuffles samples within windows.
 *
 * @example
 * const chunk = { inputs: new Float32Array(2), targets: Int32Array.of(0, 1) };
 * const train = fromIterable({ count: 2, chunkSamples: 2, open: () => [chunk] });
 */
export function fromIterable(options: IterableOptions): ChunkedSplit {
  const example = 'fromIterable({ count: 1000, chunkSamples: 100, open: () => chunks() })';
  const { open, ...split } = parseOptions('fromIterable', schema, options, { example });
  const total = countChunks(split.count, split.chunkSamples);
  // Each reader has its own signal and its own pass over the samples.
  const passes = new WeakMap<AbortSignal, Pass>();
  return {
    ...split,
    inOrder: true,
    read(index, signal) {
      const pass = passes.get(signal) ?? beginPass(() => open(signal), total, signal);
      passes.set(signal, pass);
      return pass(index);
    },
  };
}

/** Returns a chunk of one pass over the samples. */
type Pass = (index: number) => Promise<SampleChunk>;

function beginPass(
  open: () => ReturnType<IterableOptions['open']>,
  total: number,
  signal: AbortSignal,
): Pass {
  let chunks: AsyncIterator<SampleChunk> | Iterator<SampleChunk> | undefined;
  let next = 0;
  const leave = async (): Promise<void> => {
    const left = chunks;
    chunks = undefined;
    await left?.return?.();
  };
  const take: Pass = async (index) => {
    if (index < next) await leave();
    if (chunks === undefined) {
      chunks = iteratorOf(open());
      next = 0;
    }
    for (;;) {
      const { value, done } = await chunks.next();
      if (done === true) throw tooFew(next, total);
      next++;
      if (next <= index) continue;
      if (next === total) await leave();
      return value;
    }
  };
  // Reads are serialized, because the next chunk is requested before the current one has arrived.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const working = last.then(work);
    last = working.catch(() => {});
    return working;
  };
  // The reader is gone, so it cannot use an error from closing the iterator.
  signal.addEventListener('abort', () => void inTurn(leave).catch(() => {}), { once: true });
  return (index) => inTurn(() => take(index));
}

function iteratorOf(
  chunks: ReturnType<IterableOptions['open']>,
): AsyncIterator<SampleChunk> | Iterator<SampleChunk> {
  return Symbol.asyncIterator in chunks
    ? chunks[Symbol.asyncIterator]()
    : chunks[Symbol.iterator]();
}

function tooFew(given: number, total: number): UsageError {
  return new UsageError({
    what: 'open of fromIterable',
    given: `${given} chunks`,
    allowed: `${total}, as count and chunkSamples say`,
  });
}
