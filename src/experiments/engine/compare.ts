// From results to comparisons: picks the runs of a variant, pairs two variants by seed, and makes
// verdicts, table cells and curves of what they measured. Intervals are those of statistics.ts.

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

/** What a measure gave, by seed. */
export type SeedValues = ReadonlyMap<number, number>;
export type Measure = (result: RunResult) => number;

/** The seeds of all experiments: 1, 2, ... */
export function seedsOf(options: ExperimentOptions): readonly number[] {
  return Array.from({ length: options.seeds }, (_, index) => index + 1);
}

/** A number of the settings that has to be there. */
export function numberIn(settings: PlainRecord, name: string): number {
  const value = settings[name];
  if (typeof value === 'number') return value;
  throw new InvariantError(`the setting ${name}`, value, 'a number');
}

/** What the settings of a run say of its batches and random numbers, as a training takes it. */
export function batchAndSeedIn(settings: PlainRecord) {
  return {
    replicas: numberIn(settings, 'replicas'),
    replicaBatch: numberIn(settings, 'replicaBatch'),
    seed: numberIn(settings, 'seed'),
  };
}

/** A setting that has to be one of a list. */
export function choiceIn<T extends PlainValue>(
  settings: PlainRecord,
  name: string,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === settings[name]);
  if (found !== undefined) return found;
  throw new InvariantError(`the setting ${name}`, settings[name], choices.join(', '));
}

/** A measured number that has to be there. */
export function numberOf(result: RunResult, name: string): number {
  const value = result.values[name];
  if (typeof value === 'number') return value;
  throw new InvariantError(`the measured ${name}`, value, 'a number');
}

/** A measured list that has to be there. */
export function listOf(result: RunResult, name: string): readonly number[] {
  const value = result.values[name];
  if (value !== undefined && typeof value !== 'number') return value;
  throw new InvariantError(`the measured ${name}`, value, 'a list of numbers');
}

/** The results whose settings agree with all of `where`. */
export function select(results: readonly RunResult[], where: PlainRecord): readonly RunResult[] {
  const wanted = Object.entries(where);
  return results.filter(({ settings }) =>
    wanted.every(([name, value]) => settings[name] === value),
  );
}

/** What `measure` says of the runs that agree with `where`, in the order of the seeds. */
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

/** The seeds' values of both, each seed's side by side; a seed that one of them lacks is left
 * out. */
export function pairUp(a: SeedValues, b: SeedValues): { a: number[]; b: number[] } {
  const seeds = [...a.keys()].filter((seed) => b.has(seed));
  return { a: seeds.map((seed) => a.get(seed)!), b: seeds.map((seed) => b.get(seed)!) };
}

/** a - b for the seeds that both have. */
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
  /** Where the claim has a - b: above `smallest` or below it. */
  readonly claimed: 'above' | 'below';
  /** Default 0. */
  readonly smallest?: number;
  /** How numbers are shown; default 3 digits without a unit. */
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
  /** The largest difference, either way, that still counts as the same. */
  readonly margin: number;
  readonly digits?: number;
  readonly unit?: string;
}

/** The verdict on a and b being the same but for `margin`, paired by seed: confirmed where the
 * whole interval of a - b lies within it, refuted where it lies wholly outside (two one-sided
 * tests, Schuirmann 1987). */
export function judgeSame({ margin, ...comparison }: Sameness): ClaimVerdict {
  const below = judge({ ...comparison, claimed: 'below', smallest: margin });
  const above = judge({ ...comparison, claimed: 'above', smallest: -margin });
  const both = [below.verdict, above.verdict];
  if (both.includes('refuted')) return { ...below, verdict: 'refuted' };
  return both.includes('inconclusive') ? { ...below, verdict: 'inconclusive' } : below;
}

/** A fixed number for each seed of `values`, to compare them with. */
export function constantSide(name: string, values: SeedValues, constant: number): Side {
  return { name, values: new Map([...values.keys()].map((seed) => [seed, constant])) };
}

/** A cell of a table: mean and interval over the seeds, or a dash where there are no runs. */
export function cell(values: SeedValues, digits = 3, unit?: string): string {
  return values.size === 0 ? '-' : showInterval(intervalOf([...values.values()]), digits, unit);
}

/** Mean and interval over the seeds at each x. Places without a value are left out. */
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

/** The curve of a list that runs of a variant measured, one entry for each x. */
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
