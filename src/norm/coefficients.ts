// The coefficients of a normalization as plain numbers, for callers that keep statistics and hand
// them to the backward passes later. The kernels write the same; abi/norm.ts draws the layout.

import { DOUBLE_BYTES, FLOAT_BYTES } from '../base/bytes.ts';

/** How many float64 numbers the gradient coefficients take. */
export function gradCoefficientsLength(channels: number): number {
  return Math.max(4 * channels, 2 + 20 * Math.ceil(channels / 8));
}

/** Views of the whole memory. */
export interface NumberViews {
  readonly doubles: Float64Array;
  readonly floats: Float32Array;
}

/** What one channel is normalized with. */
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

/** Writes what the backward passes read of a channel: float64 mean and invStd; float32 mean and
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
