// Which splits of a dataset have weights, for descriptions of it.

import { isChunkedSplit, type TrainingData } from './chunked/chunkedDataset.ts';

/** The splits that have weights; no field if none has. */
export function weightedSplits({ train, test }: Pick<TrainingData, 'train' | 'test'>): {
  readonly weighted?: readonly ('train' | 'test')[];
} {
  const splits = { train, test };
  const weighted = (['train', 'test'] as const).filter((name) => {
    const split = splits[name];
    return isChunkedSplit(split) ? split.isWeighted === true : split.weights !== undefined;
  });
  return weighted.length === 0 ? {} : { weighted };
}
