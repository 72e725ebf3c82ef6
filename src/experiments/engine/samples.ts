// Selects the training samples of a run that does not use all of them.

import type { Dataset } from '../../data/dataset.ts';
import { firstTrain, limitTrain } from '../../data/subset.ts';
import { batchAndSeedIn, numberIn } from './compare.ts';
import type { PlainRecord } from './experiment.ts';

/** Datasets whose first samples include all classes. */
const MIXED = ['mnist', 'fashion-mnist', 'synthetic'];

/** Selects `count` training samples: the first ones of this library's built-in datasets, or a draw
 * from all samples of any other, because a folder may be sorted by class. */
export function someTrain(dataset: Dataset, count: number): Dataset {
  return MIXED.includes(dataset.name) ? firstTrain(dataset, count) : limitTrain(dataset, count);
}

/** Training options for the settings' number of epochs and samples, and the number of full batches
 * in an epoch. */
export function epochsIn(settings: PlainRecord, whole: Dataset) {
  const batch = batchAndSeedIn(settings);
  const samples = Math.min(numberIn(settings, 'samples'), whole.train.count);
  const stepsPerEpoch = Math.floor(samples / (batch.replicas * batch.replicaBatch));
  const steps = stepsPerEpoch * numberIn(settings, 'epochs');
  return { training: { dataset: someTrain(whole, samples), ...batch, steps }, stepsPerEpoch };
}
