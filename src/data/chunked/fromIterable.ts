// A split in chunks from something that gives them one after the other, and can begin again.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { callback, flag, wholeNumber } from '../../base/values.ts';
import type { ChunkedSplit, SampleChunk } from './chunkedDataset.ts';
import { countChunks } from './windows.ts';

/** The options of {@link fromIterable}. */
export interface IterableOptions {
  /** Samples in all chunks. */
  readonly count: number;
  /** Samples of each chunk; the last one has those that are left. */
  readonly chunkSamples: number;
  /** Whether chunks have weights; default false. */
  readonly isWeighted?: boolean;
  /** Begins with the first chunk: the same samples each time, in arrays of their own. Called for
   * each epoch and each evaluation, and where a run is resumed in the midst of one, when the chunks
   * before are passed over. What it gives is left (`return()`) after the last chunk, or when
   * `signal` is aborted. */
  open(signal: AbortSignal): AsyncIterable<SampleChunk> | Iterable<SampleChunk>;
}

const schema = optionsSchema<IterableOptions>()({
  count: wholeNumber(0),
  chunkSamples: wholeNumber(1),
  isWeighted: flag.exactOptional(),
  open: callback<IterableOptions['open']>(),
});

/** A split for the `train` or `test` of a {@link ChunkedDataset} whose chunks come one after the
 * other. Training shuffles within windows of chunks in that order.
 *
 * @example
 * const chunk = { inputs: new Float32Array(2), targets: Int32Array.of(0, 1) };
 * const train = fromIterable({ count: 2, chunkSamples: 2, open: () => [chunk] });
 */
export function fromIterable(options: IterableOptions): ChunkedSplit {
  const example = 'fromIterable({ count: 1000, chunkSamples: 100, open: () => chunks() })';
  const { open, ...split } = parseOptions('fromIterable', schema, options, { example });
  const total = countChunks(split.count, split.chunkSamples);
  // Whatever reads has a signal of its own, and goes through the samples by itself.
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

/** Gives a chunk. */
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
  // One after the other, since the next chunk is asked for before the last one has come.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const working = last.then(work);
    last = working.catch(() => {});
    return working;
  };
  // What goes wrong when it is left is of no use to a reader that has gone.
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
