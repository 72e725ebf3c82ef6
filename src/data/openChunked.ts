// The door to packed sets that are larger than memory.

import { optionsSchema, parseData, parseOptions } from '../base/parse.ts';
import { text, wholeNumber } from '../base/values.ts';
import type { ChunkedDataset } from './chunked/chunkedDataset.ts';

/** The options of {@link openChunked}. */
export interface ChunkedOptions {
  /** As {@link ChunkedDataset.window}. */
  readonly window?: number;
}

const schema = optionsSchema<ChunkedOptions>()({ window: wholeNumber(1).exactOptional() });

/** Opens a set that `syncbn pack` has made, for a trainer to read while it needs it. Throws a
 * UsageError where the folder is not such a set; what is wrong with a chunk is found when it is
 * read.
 *
 * @example
 * const data = await openChunked('./photos-64', { window: 50_000 });
 * const trainer = await Trainer.start({ model, data, optimizer });
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
