// Which samples of a dataset have weights, as descriptions of it say.

import { isChunkedSplit, type TrainingData } from './chunked/chunkedDataset.ts';

/** The splits that have weights; no field where none has. */
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
