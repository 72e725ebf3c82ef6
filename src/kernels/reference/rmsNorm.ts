// Plain twin of root mean square normalization (Zhang and Sennrich 2019), in float64: y = x /
// sqrt(mean(x^2) + eps) * weight over rows.

import type { Numbers } from './conv.ts';

export interface RmsNormRefOptions {
  readonly length: number;
  readonly eps: number;
  readonly weight?: Numbers | undefined;
}

export function rmsNormRef(x: Numbers, options: RmsNormRefOptions): Float64Array {
  const factors = invRmsRef(x, options);
  return Float64Array.from(x, (value, i) => {
    const weight = options.weight?.[i % options.length] ?? 1;
    return value * factors[Math.floor(i / options.length)]! * weight;
  });
}

/** With xhat = x / rms and g = dy weight: dx = (g - xhat mean(g xhat)) / rms, with the mean over
 * the row; dweight is the sum of dy xhat. */
export function rmsNormGradRef(
  x: Numbers,
  dy: Numbers,
  options: RmsNormRefOptions,
): { readonly dx: Float64Array; readonly dweight: Float64Array } {
  const { length, weight } = options;
  const factors = invRmsRef(x, options);
  const dweight = new Float64Array(length);
  const sums = new Float64Array(factors.length);
  const xhat = Float64Array.from(x, (value, i) => value * factors[Math.floor(i / length)]!);
  const g = Float64Array.from(dy, (value, i) => value * (weight?.[i % length] ?? 1));
  for (let i = 0; i < xhat.length; i++) {
    const row = Math.floor(i / length);
    dweight[i % length] = dweight[i % length]! + dy[i]! * xhat[i]!;
    sums[row] = sums[row]! + g[i]! * xhat[i]!;
  }
  const dx = g.map((value, i) => {
    const row = Math.floor(i / length);
    return (value - (xhat[i]! * sums[row]!) / length) * factors[row]!;
  });
  return { dx, dweight };
}

function invRmsRef(x: Numbers, { length, eps }: RmsNormRefOptions): Float64Array {
  const factors = new Float64Array(x.length / length);
  for (let row = 0; row < factors.length; row++) {
    let square = 0;
    for (let i = 0; i < length; i++) square += x[row * length + i]! ** 2;
    factors[row] = 1 / Math.sqrt(square / length + eps);
  }
  return factors;
}
