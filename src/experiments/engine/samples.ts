// The training samples of a run, where it takes fewer than there are.

import type { Dataset } from '../../data/dataset.ts';
import { firstTrain, limitTrain } from '../../data/subset.ts';
import { batchAndSeedIn, numberIn } from './compare.ts';
import type { PlainRecord } from './experiment.ts';

/** Datasets whose first samples are of all classes. */
const MIXED = ['mnist', 'fashion-mnist', 'synthetic'];

/** `count` training samples: the first ones of the datasets that come with this library, and those
 * drawn from all of a folder, which may be sorted by class. */
export function someTrain(dataset: Dataset, count: number): Dataset {
  return MIXED.includes(dataset.name) ? firstTrain(dataset, count) : limitTrain(dataset, count);
}

/** Epochs over some of the samples, as the settings of a run say: what a training takes of them,
 * and the full batches of an epoch. */
export function epochsIn(settings: PlainRecord, whole: Dataset) {
  const batch = batchAndSeedIn(settings);
  const samples = Math.min(numberIn(settings, 'samples'), whole.train.count);
  const stepsPerEpoch = Math.floor(samples / (batch.replicas * batch.replicaBatch));
  const steps = stepsPerEpoch * numberIn(settings, 'epochs');
  return { training: { dataset: someTrain(whole, samples), ...batch, steps }, stepsPerEpoch };
}
