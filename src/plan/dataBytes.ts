// How much memory the samples of a run take outside the arena, from its plan.

import { FLOAT_BYTES } from '../base/bytes.ts';
import { sampleBytesOf } from '../data/loading/inputs.ts';
import { WINDOWS_HELD } from '../data/stored/feed.ts';
import { targetSize } from '../data/task.ts';
import type { RunConfig } from './config.ts';

/** The bytes of all samples with their targets and weights. Training samples read in chunks count
 * with the windows that are in memory. */
export function dataBytesOf({ data, window }: Pick<RunConfig, 'data' | 'window'>): number {
  const { countTrain, countTest, countValidation = 0, weighted = [], task } = data;
  const bytes = sampleBytesOf(data) + targetSize(task) * FLOAT_BYTES;
  const bytesIn = (split: 'train' | 'test'): number =>
    weighted.includes(split) ? bytes + FLOAT_BYTES : bytes;
  const held = window && WINDOWS_HELD * window.chunks * window.chunkSamples;
  const train = held ?? countTrain + countValidation;
  return train * bytesIn('train') + countTest * bytesIn('test');
}
