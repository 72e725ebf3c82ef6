// The test samples whose masks a report shows: copied before the trainer takes over all data,
// predicted at the end of the run.

import { NO_CLASS } from '../../base/noClass.ts';
import { isChunked, type TrainingData } from '../../data/chunked/chunkedDataset.ts';
import { rows } from '../../data/rows.ts';
import { largestOf } from '../../observe/classMetrics.ts';
import type { MaskPicture, MaskPictures } from '../../report/maskPictures.ts';
import type { Trainer } from '../../runtime/trainer.ts';

const MOST_SHOWN = 6;

export interface MaskSamples {
  readonly classes: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Their indexes in the test split. */
  readonly indices: Int32Array;
  readonly inputs: Uint8Array | Float32Array;
  readonly masks: Int32Array;
}

/** Some test samples, evenly spread; undefined if masks do not match images, and for chunked
 * data. */
export function maskSamplesOf(data: TrainingData): MaskSamples | undefined {
  if (isChunked(data)) return undefined;
  const { task, inputShape, test, shift } = data;
  if (task.kind !== 'segmentation' || test.count === 0 || shift !== undefined) return undefined;
  const [height = 0, width = 0, channels = 0] = inputShape;
  const { targetShape, classes } = task;
  const isOver = inputShape.length === 3 && `${targetShape}` === `${[height, width]}`;
  if (!isOver) return undefined;
  const count = Math.min(MOST_SHOWN, test.count);
  const indices = Int32Array.from({ length: count }, (_, i) =>
    Math.floor((i * test.count) / count),
  );
  const area = height * width;
  return {
    ...{ classes, height, width, channels, indices },
    inputs: rows(test.inputs, area * channels, indices),
    masks: rows(test.targets as Int32Array, area, indices),
  };
}

/** Predicts the samples' masks. All processes must call it. */
export async function predictMasks(trainer: Trainer, samples: MaskSamples): Promise<MaskPictures> {
  const { classes, height, width, channels, indices, inputs, masks } = samples;
  const outputs = await trainer.predict(inputs);
  const { loss } = trainer.config;
  const ignored = loss.kind === 'crossEntropy' ? loss.ignoreIndex : undefined;
  const area = height * width;
  const pictures = Array.from(indices, (sample, i): MaskPicture => {
    const at = i * area;
    return {
      ...{ sample, width, height },
      image: toRgb(inputs.subarray(at * channels, (at + area) * channels), channels),
      truth: masks.subarray(at, at + area).map((label) => (label === ignored ? NO_CLASS : label)),
      predicted: Int32Array.from({ length: area }, (_, pixel) =>
        largestOf(outputs, (at + pixel) * classes, classes),
      ),
    };
  });
  return { classes, pictures };
}

/** Bytes stay unchanged, floats are scaled to their range. Images without three channels show their
 * first channel in gray. */
function toRgb(values: Uint8Array | Float32Array, channels: number): Uint8Array {
  const isByte = values instanceof Uint8Array;
  let least = isByte ? 0 : Number.POSITIVE_INFINITY;
  let most = isByte ? 255 : Number.NEGATIVE_INFINITY;
  if (!isByte) {
    for (const value of values) {
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
  }
  const scale = most > least ? 255 / (most - least) : 0;
  return Uint8Array.from({ length: (values.length / channels) * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3) * channels;
    return Math.round((values[pixel + (channels === 3 ? i % 3 : 0)]! - least) * scale);
  });
}
