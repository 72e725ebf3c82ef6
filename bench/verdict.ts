// Decides whether a build became slower, from the ratios of turns, so that noise is not reported as
// slower.

import { middle } from './train.ts';
import type { Turns } from './turns.ts';

/** How many times as fast as the other build: the median, and an interval around it. */
export interface Speed {
  readonly p50: number;
  readonly low: number;
  readonly high: number;
}

export type Verdict = 'slower' | 'same' | 'faster';

/** Smaller differences are not reported. */
export const TOLERANCE = 0.05;
/** 99 % of a normal distribution is within this many deviations. */
const DEVIATIONS = 2.576;

/** The median of the ratios, and an interval of order statistics that contains the true median in
 * 99 of 100 cases, for any distribution. */
export function speedOf(ratios: readonly number[]): Speed {
  const ascending = [...ratios].sort((a, b) => a - b);
  const n = ascending.length;
  const rank = Math.max(0, Math.floor((n - DEVIATIONS * Math.sqrt(n)) / 2) - 1);
  return { p50: middle(ascending), low: ascending[rank]!, high: ascending[n - 1 - rank]! };
}

/** Slower or faster by more than the tolerance, and beyond the spread. */
export function verdictOf({ p50, low, high }: Speed): Verdict {
  if (p50 < 1 / (1 + TOLERANCE) && high < 1) return 'slower';
  if (p50 > 1 + TOLERANCE && low > 1) return 'faster';
  return 'same';
}

/** One setting of training, or one kernel on one shape. */
export interface Judged {
  readonly name: string;
  readonly ms: number;
  readonly otherMs: number;
  /** How many times as fast as the other. */
  readonly ratio: Speed;
  readonly turns: number;
  readonly verdict: Verdict;
}

/** A pass over everything that is compared: measures what is wanted with new threads, code and
 * memory, and keeps the turns. */
export type Pass = (
  isWanted: (name: string) => boolean,
  keep: (name: string, turns: Turns) => void,
) => Promise<void>;

/** How often something must be slower. The same code may be 15 % slower for as long as its memory
 * is badly placed in the caches (seen with norm input grad, 1.2 MB, AMD EPYC). */
const PASSES = 3;

/** Measures everything once, and again what seems slower; the fastest pass of each counts. */
export async function judge(pass: Pass): Promise<readonly Judged[]> {
  const found = new Map<string, Judged>();
  for (let i = 0; i < PASSES; i++) {
    const suspects = [...found.values()].filter(({ verdict }) => verdict === 'slower');
    if (i > 0 && suspects.length === 0) break;
    if (i > 0) console.error('Measuring again what seems slower:');
    const names = new Set(suspects.map(({ name }) => name));
    await pass(
      (name) => i === 0 || names.has(name),
      (name, { ms, otherMs, ratios }) => {
        const ratio = speedOf(ratios);
        const now = { name, ms, otherMs, ratio, turns: ratios.length, verdict: verdictOf(ratio) };
        const before = found.get(name);
        if (before === undefined || isBetter(now, before)) found.set(name, now);
      },
    );
  }
  return [...found.values()];
}

function isBetter(now: Judged, before: Judged): boolean {
  return now.verdict !== 'slower' || now.ratio.p50 > before.ratio.p50;
}
