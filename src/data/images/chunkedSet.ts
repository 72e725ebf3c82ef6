// Opens a packed set to be read chunk by chunk. Its fields are checked here, its samples when they
// are read (packedSplit.ts).

import { join } from 'node:path';
import { checkInteger, UsageError } from '../../base/errors.ts';
import { checkTrainingData } from '../chunked/checkChunked.ts';
import type { ChunkedDataset } from '../chunked/chunkedDataset.ts';
import type { Task } from '../task.ts';
import { packedSplit, type SetFolder, splitReader } from './packedSplit.ts';
import { SET_FILE } from './setContent.ts';
import { readSetFile } from './setFile.ts';

/** Options for reading a set. */
export interface ChunkedSetOptions extends Pick<ChunkedDataset, 'window'> {
  /** Number of training samples; default all. */
  readonly limit?: number;
}

/** Opens a packed set, to be read during a run. Throws a {@link UsageError}. */
export async function openChunkedSet(
  dir: string,
  options: ChunkedSetOptions,
): Promise<ChunkedDataset> {
  const set = await readSetFile(join(dir, SET_FILE));
  if (set.version === 1) {
    throw new UsageError({
      what: `the packed set ${dir}`,
      given: 'version 1, which has no chunks',
      allowed: 'version 2',
      hint: 'packing the images again',
    });
  }
  const { limit } = options;
  if (limit !== undefined) checkInteger(`training samples of ${dir}`, limit, 1, set.counts.train);
  const data = setDataset({ dir, set }, options);
  for (const split of ['train', 'test'] as const) {
    if (set.counts[split] > 0) await splitReader({ dir, set }, split);
  }
  checkTrainingData(data);
  return data;
}

/** The dataset of a set. */
export function setDataset(
  folder: SetFolder,
  { window, limit }: ChunkedSetOptions,
): ChunkedDataset {
  const { name, classes, classNames, inputShape, targetShape, mean, std } = folder.set;
  const isLimited = limit !== undefined && limit < folder.set.counts.train;
  const contentHash = isLimited
    ? `${folder.set.contentHash}, ${limit} samples`
    : folder.set.contentHash;
  const task: Task =
    targetShape.length === 0
      ? { kind: 'classification', classes }
      : { kind: 'segmentation', classes, targetShape };
  return {
    ...{ name, inputShape, inputType: 'u8', task, mean, std, contentHash },
    ...(classNames.length > 0 && { classNames }),
    train: packedSplit({ folder, split: 'train', ...(isLimited && { limit }) }),
    test: packedSplit({ folder, split: 'test' }),
    ...(window !== undefined && { window }),
  };
}
