// Opens packed sets that are larger than memory.

import { optionsSchema, parseData, parseOptions } from '../base/parse.ts';
import { text, wholeNumber } from '../base/values.ts';
import type { ChunkedDataset } from './chunked/chunkedDataset.ts';

/** The options of {@link openChunked}. */
export interface ChunkedOptions {
  /** Same as {@link ChunkedDataset.window}. */
  readonly window?: number;
  /** Training samples that are read, drawn from chunks all over the set: the same ones every time,
   * but not those of `limitTrain`. Default all. */
  readonly limit?: number;
}

const schema = optionsSchema<ChunkedOptions>()({
  window: wholeNumber(1).exactOptional(),
  limit: wholeNumber(1).exactOptional(),
});

/** Opens a set that `syncbn pack` has made. A trainer reads it during the run. Throws a UsageError
 * if the folder is not such a set; damaged chunks are detected when they are read.
 *
 * @example
 * const data = await openChunked('./photos-64', { window: 50_000 });
 * await using run = await Trainer.start({ model, data, optimizer: optim.sgd({ lr: 0.1 }) });
 */
export async function openChunked(
  dir: string,
  options: ChunkedOptions = {},
): Promise<ChunkedDataset> {
  parseData(text, dir, 'folder of openChunked');
  const given = parseOptions('openChunked', schema, options, {
    example: "openChunked('./photos-64', { window: 50_000 })",
  });
  const { openChunkedSet } = await import('./images/chunkedSet.ts');
  return openChunkedSet(dir, given);
}
