// Turns results into comparisons: selects the runs of a variant, pairs two variants by seed, and
// makes verdicts, table cells and curves from their measurements. statistics.ts has the intervals.

import { InvariantError } from '../../base/errors.ts';
import type { PlotSeries } from '../../report/plot.ts';
import type {
  ClaimVerdict,
  ExperimentOptions,
  PlainRecord,
  PlainValue,
  RunResult,
} from './experiment.ts';
import { intervalOf, pairedDifference, showInterval, verdictOf } from './statistics.ts';

/** The values of a measure, by seed. */
export type SeedValues = ReadonlyMap<number, number>;
export type Measure = (result: RunResult) => number;

/** The seeds of all experiments: 1, 2, ... */
export function seedsOf(options: ExperimentOptions): readonly number[] {
  return Array.from({ length: options.seeds }, (_, index) => index + 1);
}

/** Returns a required number from the settings. */
export function numberIn(settings: PlainRecord, name: string): number {
  const value = settings[name];
  if (typeof value === 'number') return value;
  throw new InvariantError(`the setting ${name}`, value, 'a number');
}

/** The batch size and seed in a run's settings, as training options. */
export function batchAndSeedIn(settings: PlainRecord) {
  return {
    replicas: numberIn(settings, 'replicas'),
    replicaBatch: numberIn(settings, 'replicaBatch'),
    seed: numberIn(settings, 'seed'),
  };
}

/** Returns a required setting that must be one of `choices`. */
export function choiceIn<T extends PlainValue>(
  settings: PlainRecord,
  name: string,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === settings[name]);
  if (found !== undefined) return found;
  throw new InvariantError(`the setting ${name}`, settings[name], choices.join(', '));
}

/** Returns a required measured number. */
export function numberOf(result: RunResult, name: string): number {
  const value = result.values[name];
  if (typeof value === 'number') return value;
  throw new InvariantError(`the measured ${name}`, value, 'a number');
}

/** Returns a required measured list. */
export function listOf(result: RunResult, name: string): readonly number[] {
  const value = result.values[name];
  if (value !== undefined && typeof value !== 'number') return value;
  throw new InvariantError(`the measured ${name}`, value, 'a list of numbers');
}

/** The results with settings that match all of `where`. */
export function select(results: readonly RunResult[], where: PlainRecord): readonly RunResult[] {
  const wanted = Object.entries(where);
  return results.filter(({ settings }) =>
    wanted.every(([name, value]) => settings[name] === value),
  );
}

/** The measure of the runs that match `where`, sorted by seed. */
export function bySeed(
  results: readonly RunResult[],
  where: PlainRecord,
  measure: Measure,
): SeedValues {
  const rows = select(results, where).map(
    (result) => [numberIn(result.settings, 'seed'), measure(result)] as const,
  );
  return new Map(rows.sort((a, b) => a[0] - b[0]));
}

/** The values of both, paired by seed. Seeds that either of them lacks are omitted. */
export function pairUp(a: SeedValues, b: SeedValues): { a: number[]; b: number[] } {
  const seeds = [...a.keys()].filter((seed) => b.has(seed));
  return { a: seeds.map((seed) => a.get(seed)!), b: seeds.map((seed) => b.get(seed)!) };
}

/** Returns a - b for the seeds that both have. */
export function subtract(a: SeedValues, b: SeedValues): SeedValues {
  const seeds = [...a.keys()].filter((seed) => b.has(seed));
  return new Map(seeds.map((seed) => [seed, a.get(seed)! - b.get(seed)!]));
}

/** One side of a comparison. */
export interface Side {
  readonly name: string;
  readonly values: SeedValues;
}

export interface Comparison {
  readonly claim: string;
  readonly a: Side;
  readonly b: Side;
  /** Whether the claim is that a - b is above or below `smallest`. */
  readonly claimed: 'above' | 'below';
  /** Default 0. */
  readonly smallest?: number;
  /** Digits to show; default 3. */
  readonly digits?: number;
  readonly unit?: string;
}

/** The verdict on a - b, paired by seed. Without a pair it is `inconclusive`. */
export function judge(comparison: Comparison): ClaimVerdict {
  const { claim, a, b, claimed, smallest, digits = 3, unit } = comparison;
  const pairs = pairUp(a.values, b.values);
  if (pairs.a.length === 0) {
    const evidence = `no seed has both ${a.name} and ${b.name} yet`;
    return { claim, verdict: 'inconclusive', evidence };
  }
  const difference = pairedDifference(pairs.a, pairs.b);
  const show = (values: readonly number[]): string =>
    showInterval(intervalOf(values), digits, unit);
  const count = pairs.a.length === 1 ? '1 seed' : `${pairs.a.length} seeds`;
  return {
    claim,
    verdict: verdictOf(difference, claimed, smallest),
    evidence:
      `${a.name}: ${show(pairs.a)}; ${b.name}: ${show(pairs.b)}; ` +
      `difference ${showInterval(difference, digits, unit)} (${count})`,
  };
}

export interface Sameness {
  readonly claim: string;
  readonly a: Side;
  readonly b: Side;
  /** The largest difference in either direction that still counts as equal. */
  readonly margin: number;
  readonly digits?: number;
  readonly unit?: string;
}

/** The verdict on whether a and b are equal within `margin`, paired by seed: confirmed if the whole
 * interval of a - b is within the margin, refuted if all of it is outside (two one-sided tests,
 * Schuirmann 1987). */
export function judgeSame({ margin, ...comparison }: Sameness): ClaimVerdict {
  const below = judge({ ...comparison, claimed: 'below', smallest: margin });
  const above = judge({ ...comparison, claimed: 'above', smallest: -margin });
  const both = [below.verdict, above.verdict];
  if (both.includes('refuted')) return { ...below, verdict: 'refuted' };
  return both.includes('inconclusive') ? { ...below, verdict: 'inconclusive' } : below;
}

/** A side with the same number for each seed of `values`, to compare them with. */
export function constantSide(name: string, values: SeedValues, constant: number): Side {
  return { name, values: new Map([...values.keys()].map((seed) => [seed, constant])) };
}

/** A table cell: mean and interval over the seeds, or a dash if there are no runs. */
export function cell(values: SeedValues, digits = 3, unit?: string): string {
  return values.size === 0 ? '-' : showInterval(intervalOf([...values.values()]), digits, unit);
}

/** Mean and interval over the seeds at each x. Places without a value are omitted. */
export function curve(
  name: string,
  places: readonly { readonly x: number; readonly values: readonly number[] }[],
): PlotSeries {
  const points = places
    .filter(({ values }) => values.length > 0)
    .map(({ x, values }) => {
      const { mean, halfWidth } = intervalOf(values);
      const band = { low: mean - halfWidth, high: mean + halfWidth };
      return { x, y: mean, ...(Number.isFinite(halfWidth) && band) };
    });
  return { name, points };
}

/** The curve of a list measured by a variant's runs, with one entry for each x. */
export function listCurve(
  name: string,
  runs: readonly RunResult[],
  list: string,
  xs: readonly number[],
): PlotSeries {
  const lists = runs.map((run) => listOf(run, list));
  return curve(
    name,
    xs.map((x, i) => ({ x, values: lists.flatMap((values) => values[i] ?? []) })),
  );
}
