// Plain twin of filter response normalization with its thresholded linear unit (Singh and Krishnan
// 2020), in float64: z = max(x / sqrt(mean(x^2) + eps) * weight + bias, threshold), with the mean
// over the rows of a sample and channel.

import type { Numbers } from './conv.ts';

export interface FilterResponseRefOptions {
  readonly rows: number;
  readonly channels: number;
  readonly eps: number;
  readonly weight?: Numbers | undefined;
  readonly bias?: Numbers | undefined;
  readonly threshold?: Numbers | undefined;
}

export function filterResponseRef(x: Numbers, options: FilterResponseRefOptions): Float64Array {
  const { y } = normalized(x, options);
  return y.map((value, i) => Math.max(value, thresholdAt(options, i)));
}

export interface FilterResponseGradientsRef {
  readonly dx: Float64Array;
  readonly dweight: Float64Array;
  readonly dbias: Float64Array;
  readonly dthreshold: Float64Array;
}

/** With g = dz where y is above the threshold, else 0: dbias = sum g, dweight = sum g xhat, dx =
 * weight (g - xhat mean(g xhat)) / rms; the rest of dz goes to the threshold. */
export function filterResponseGradRef(
  x: Numbers,
  dz: Numbers,
  options: FilterResponseRefOptions,
): FilterResponseGradientsRef {
  const { rows, channels } = options;
  const { y, xhat, factors } = normalized(x, options);
  const dweight = new Float64Array(channels);
  const dbias = new Float64Array(channels);
  const dthreshold = new Float64Array(channels);
  const sums = new Float64Array(factors.length);
  const g = Float64Array.from(dz, (value, i) => (y[i]! > thresholdAt(options, i) ? value : 0));
  for (let i = 0; i < g.length; i++) {
    const c = i % channels;
    const set = setOf(options, i);
    dweight[c] = dweight[c]! + g[i]! * xhat[i]!;
    dbias[c] = dbias[c]! + g[i]!;
    dthreshold[c] = dthreshold[c]! + dz[i]! - g[i]!;
    sums[set] = sums[set]! + g[i]! * xhat[i]!;
  }
  const dx = g.map((value, i) => {
    const set = setOf(options, i);
    const weight = options.weight?.[i % channels] ?? 1;
    return weight * factors[set]! * (value - (xhat[i]! * sums[set]!) / rows);
  });
  return { dx, dweight, dbias, dthreshold };
}

function setOf({ rows, channels }: FilterResponseRefOptions, i: number): number {
  return Math.floor(i / (rows * channels)) * channels + (i % channels);
}

function thresholdAt(options: FilterResponseRefOptions, i: number): number {
  return options.threshold?.[i % options.channels] ?? Number.NEGATIVE_INFINITY;
}

function normalized(
  x: Numbers,
  options: FilterResponseRefOptions,
): { readonly y: Float64Array; readonly xhat: Float64Array; readonly factors: Float64Array } {
  const { rows, channels, eps, weight, bias } = options;
  const squares = new Float64Array(x.length / rows);
  for (let i = 0; i < x.length; i++) {
    const set = setOf(options, i);
    squares[set] = squares[set]! + x[i]! ** 2;
  }
  const factors = squares.map((square) => 1 / Math.sqrt(square / rows + eps));
  const xhat = Float64Array.from(x, (value, i) => value * factors[setOf(options, i)]!);
  const y = xhat.map(
    (value, i) => value * (weight?.[i % channels] ?? 1) + (bias?.[i % channels] ?? 0),
  );
  return { y, xhat, factors };
}
