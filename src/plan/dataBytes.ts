// How much memory the samples of a run take outside the arena, from its plan.

import { FLOAT_BYTES } from '../base/bytes.ts';
import { sampleBytesOf } from '../data/loading/inputs.ts';
import { targetSize } from '../data/task.ts';
import type { DataPlan } from './config.ts';

/** Bytes of all samples with their targets and weights. */
export function dataBytesOf(data: DataPlan): number {
  const { countTrain, countTest, countValidation = 0, weighted = [], task } = data;
  const bytes = sampleBytesOf(data) + targetSize(task) * FLOAT_BYTES;
  const bytesIn = (split: 'train' | 'test'): number =>
    weighted.includes(split) ? bytes + FLOAT_BYTES : bytes;
  return (countTrain + countValidation) * bytesIn('train') + countTest * bytesIn('test');
}
