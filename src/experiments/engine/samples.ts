// The training samples of a run, where it takes fewer than there are.

import type { Dataset } from '../../data/dataset.ts';
import { firstTrain, limitTrain } from '../../data/subset.ts';

/** Datasets whose first samples are of all classes. */
const MIXED = ['mnist', 'fashion-mnist', 'synthetic'];

/** `count` training samples: the first ones of the datasets that come with this library, and those
 * drawn from all of a folder, which may be sorted by class. */
export function someTrain(dataset: Dataset, count: number): Dataset {
  return MIXED.includes(dataset.name) ? firstTrain(dataset, count) : limitTrain(dataset, count);
}
