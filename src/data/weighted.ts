// Which samples of a dataset have weights, as descriptions of it say.

import type { Dataset } from './dataset.ts';

/** The splits that have weights; no field where none has. */
export function weightedSplits({ train, test }: Pick<Dataset, 'train' | 'test'>): {
  readonly weighted?: readonly ('train' | 'test')[];
} {
  const splits = { train, test };
  const weighted = (['train', 'test'] as const).filter((name) => splits[name].weights);
  return weighted.length === 0 ? {} : { weighted };
}
