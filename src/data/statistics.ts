// Mean and standard deviation of each channel over a whole split, for data without given
// statistics. Biased (divided by n), like the published constants of MNIST and CIFAR-10. Bytes are
// summed as integers, so their statistics are exact up to the final rounding.

export interface ChannelStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const BYTE_RANGE = 255;

/** Statistics of bytes (as byte / 255), channels last. Sums of 2^37 bytes (137 GB) and of their
 * squares stay below 2^53, the limit for exact integers in float64; n sum(x^2) - sum(x)^2 is
 * computed with big integers. A constant channel gets std 1, so that it normalizes to 0. */
export function byteStatistics(values: Uint8Array, channels: number): ChannelStatistics {
  const sums = new ByteSums(channels);
  sums.add(values);
  return sums.statistics();
}

/** The same for values that arrive in parts, each with a number of pixels. */
export class ByteSums {
  private readonly sums: Float64Array;
  private readonly squares: Float64Array;
  private count = 0;

  constructor(channels: number) {
    this.sums = new Float64Array(channels);
    this.squares = new Float64Array(channels);
  }

  add(values: Uint8Array): void {
    const { sums, squares } = this;
    const channels = sums.length;
    for (let i = 0; i < values.length; i += channels) {
      for (let c = 0; c < channels; c++) {
        const value = values[i + c]!;
        sums[c]! += value;
        squares[c]! += value * value;
      }
    }
    this.count += values.length / channels;
  }

  statistics(): ChannelStatistics {
    const { sums, squares, count: n } = this;
    const mean = Array.from(sums, (sum) => (n === 0 ? 0 : sum / (n * BYTE_RANGE)));
    const std = Array.from(sums, (sum, c) => {
      const spread = BigInt(n) * BigInt(squares[c]!) - BigInt(sum) * BigInt(sum);
      return spread === 0n ? 1 : Math.sqrt(Number(spread)) / (n * BYTE_RANGE);
    });
    return { mean, std };
  }
}

/** Statistics of floats, channels last, in float64 and two passes: the mean first, then the squared
 * deviations from it, corrected by their sum (Chan, Golub and LeVeque 1983). Std 1 for
 * constants. */
export function floatStatistics(
  values: Float32Array | Float64Array,
  channels: number,
): ChannelStatistics {
  const n = Math.max(values.length / channels, 1);
  const mean = new Float64Array(channels);
  for (let i = 0; i < values.length; i++) mean[i % channels]! += values[i]!;
  for (let c = 0; c < channels; c++) mean[c]! /= n;
  const squares = new Float64Array(channels);
  const rest = new Float64Array(channels);
  for (let i = 0; i < values.length; i++) {
    const deviation = values[i]! - mean[i % channels]!;
    squares[i % channels]! += deviation * deviation;
    rest[i % channels]! += deviation;
  }
  const std = Array.from(squares, (sum, c) => {
    const variance = (sum - (rest[c]! * rest[c]!) / n) / n;
    // The mean of equal values may be rounded, which would give a false variance.
    return variance > 0 && !isConstant(values, channels, c) ? Math.sqrt(variance) : 1;
  });
  return { mean: [...mean], std };
}

/** Whether all values of a channel (last axis) are the same. */
export function isConstant(
  values: Uint8Array | Float32Array | Float64Array,
  channels: number,
  channel: number,
): boolean {
  for (let i = channel + channels; i < values.length; i += channels) {
    if (values[i] !== values[channel]) return false;
  }
  return true;
}
