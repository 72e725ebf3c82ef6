// The coefficients of a normalization as plain numbers, for callers that keep statistics and pass
// them to backward later. The kernels write the same layout, drawn in abi/norm.ts.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';

/** The number of float64 values in the gradient coefficients. */
export function gradCoefficientsLength(channels: number): number {
  return Math.max(4 * channels, 2 + 20 * Math.ceil(channels / 8));
}

/** Views of the whole memory. */
export interface NumberViews {
  readonly doubles: Float64Array;
  readonly floats: Float32Array;
}

/** The statistics that one channel is normalized with. */
export interface ChannelStatistics {
  readonly mean: number;
  readonly invStd: number;
  readonly weight: number;
}

/** The mean and the inverse standard deviation of a channel. */
export function readCoefficients(
  { doubles }: NumberViews,
  ptr: number,
  channels: number,
  channel: number,
): { readonly mean: number; readonly invStd: number } {
  const at = ptr / DOUBLE_BYTES + channel;
  return { mean: doubles[at]!, invStd: doubles[at + channels]! };
}

/** Writes what the backward passes read for a channel: float64 mean and invStd; float32 mean and
 * scale. */
export function writeCoefficients(
  { doubles, floats }: NumberViews,
  ptr: number,
  place: { readonly channels: number; readonly channel: number },
  { mean, invStd, weight }: ChannelStatistics,
): void {
  const { channels, channel } = place;
  const at = ptr / DOUBLE_BYTES + channel;
  doubles[at] = mean;
  doubles[at + channels] = invStd;
  const narrowAt = (ptr + 2 * channels * DOUBLE_BYTES) / FLOAT_BYTES + channel;
  floats[narrowAt] = mean;
  floats[narrowAt + channels] = invStd * weight;
}
