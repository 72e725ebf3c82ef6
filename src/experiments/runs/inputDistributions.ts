// The distribution of a layer's inputs per channel, and the distance between two of them: the
// Wasserstein-1 distance between quantiles, in units of the layer's own spread, so that activations
// that only grow in scale do not count as a shift of the distribution.

import { checkInteger } from '../../base/errors.ts';

/** Quantiles at (i + 1/2) / n. The mean of their distances is the Wasserstein-1 distance between
 * two distributions with n equal parts. */
const QUANTILES = 32;
/** If a channel has more values, or there are more channels, they are thinned evenly. */
const MOST_VALUES = 4096;
const MOST_CHANNELS = 64;

export interface Distribution {
  /** [channels, QUANTILES]. */
  readonly quantiles: Float64Array;
  readonly means: Float64Array;
  readonly stds: Float64Array;
}

export interface Distances {
  /** The Wasserstein-1 distance, averaged over channels. */
  readonly shift: number;
  /** How far the mean and the standard deviation moved, averaged over channels. */
  readonly mean: number;
  readonly std: number;
}

/** The distribution of `values` with shape [n, channels]. */
export function distributionOf(values: Float32Array, channels: number): Distribution {
  const rows = values.length / channels;
  checkInteger('values of a channel', rows, 1);
  const rowStride = Math.ceil(rows / MOST_VALUES);
  const channelStride = Math.ceil(channels / MOST_CHANNELS);
  const taken = Math.ceil(channels / channelStride);
  const column = new Float32Array(Math.ceil(rows / rowStride));
  const quantiles = new Float64Array(taken * QUANTILES);
  const means = new Float64Array(taken);
  const stds = new Float64Array(taken);
  for (let c = 0; c < taken; c++) {
    for (let i = 0; i < column.length; i++) {
      column[i] = values[i * rowStride * channels + c * channelStride]!;
    }
    column.sort();
    for (let q = 0; q < QUANTILES; q++) {
      const at = Math.floor(((q + 0.5) / QUANTILES) * column.length);
      quantiles[c * QUANTILES + q] = column[at]!;
    }
    const mean = column.reduce((sum, value) => sum + value, 0) / column.length;
    const squares = column.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    means[c] = mean;
    stds[c] = Math.sqrt(squares / column.length);
  }
  return { quantiles, means, stds };
}

/** The distance between two distributions of a layer, in units of the root mean variance over both
 * and all channels. If a layer has no spread, its distance is 0 if its values did not move, and
 * otherwise infinite. */
export function distancesOf(a: Distribution, b: Distribution): Distances {
  const scale = Math.sqrt((meanSquare(a.stds) + meanSquare(b.stds)) / 2);
  const relative = (x: Float64Array, y: Float64Array): number => {
    const distance = x.reduce((sum, value, i) => sum + Math.abs(value - y[i]!), 0) / x.length;
    return distance === 0 ? 0 : distance / scale;
  };
  return {
    shift: relative(a.quantiles, b.quantiles),
    mean: relative(a.means, b.means),
    std: relative(a.stds, b.stds),
  };
}

function meanSquare(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
}
