// Summarizes measurements: the minimum, the median and nearly the worst. No means: on a shared
// machine, a few late steps would dominate them.

export interface Summary {
  readonly min: number;
  readonly p50: number;
  readonly p99: number;
}

/** The nearest rank: the smallest value that at least `share` of all values do not exceed. Values
 * must be ascending and at least one. */
export function quantile(ascending: readonly number[], share: number): number {
  const rank = Math.ceil(share * ascending.length);
  return ascending[Math.max(rank, 1) - 1]!;
}

/** Min, p50 and p99 of at least one value, in any order. */
export function summarize(values: readonly number[]): Summary {
  const ascending = [...values].sort((a, b) => a - b);
  return {
    min: ascending[0]!,
    p50: quantile(ascending, 0.5),
    p99: quantile(ascending, 0.99),
  };
}
