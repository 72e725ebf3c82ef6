// What a campaign is, and how it runs: one case after another until the time is up or the cases are
// done. A failed case is reported with the command that repeats it, and the campaign continues.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dice } from './dice.ts';

/** What each case may use. */
export interface Setting {
  readonly seed: number;
  /** Removed at the end of the campaign. */
  readonly folder: string;
  /** The duration of the campaign; undefined if its cases are counted. */
  readonly minutes: number | undefined;
}

/** The cases of a running campaign. */
export interface Cases {
  /** Runs a case. Returns how many of the counted things it did; throws if the promise does not
   * hold. */
  run(dice: Dice, index: number): Promise<number>;
  /** Releases everything that the campaign holds. */
  close?(): Promise<void>;
  /** Other observations, for the table. */
  facts?(): Readonly<Record<string, number | string>>;
}

export interface Campaign {
  readonly name: string;
  /** What it counts, in the plural: kills, deaths. */
  readonly counts: string;
  /** What holds if no case fails, in one sentence. */
  readonly promise: string;
  /** A case that takes longer fails. */
  readonly caseTimeoutMs: number;
  /** Environment variables that its process needs from the start. */
  readonly env?: Readonly<Record<string, string>>;
  open(setting: Setting): Promise<Cases>;
}

/** Which end comes first. */
export interface Limits {
  readonly minutes?: number | undefined;
  /** How many cases. */
  readonly cases?: number | undefined;
  /** Only the case of this index. */
  readonly only?: number | undefined;
}

export interface Failure {
  readonly index: number;
  readonly message: string;
  /** The command that repeats it. */
  readonly repeat: string;
}

export interface Outcome {
  readonly name: string;
  readonly counts: string;
  readonly seed: number;
  readonly cases: number;
  readonly count: number;
  readonly seconds: number;
  readonly failures: readonly Failure[];
  readonly facts: Readonly<Record<string, number | string>>;
}

/** Called after each case. */
export type Look = (state: Pick<Outcome, 'cases' | 'count' | 'seconds' | 'failures'>) => void;

/** More of them would show nothing new. */
const MAX_FAILURES = 10;
const MAX_LINES = 30;
const MAX_TEXT = 8000;

/** Runs a campaign. `number` is its position in the list of campaigns, `look` is called as it
 * proceeds. */
export async function runCampaign(
  campaign: Campaign,
  number: number,
  options: { readonly seed: number; readonly limits: Limits; readonly look?: Look },
): Promise<Outcome> {
  const { seed, limits, look } = options;
  const folder = await mkdtemp(join(tmpdir(), `syncbn-campaign-${campaign.name}-`));
  const startMs = performance.now();
  const seconds = (): number => (performance.now() - startMs) / 1000;
  const failures: Failure[] = [];
  let cases = 0;
  let count = 0;
  const first = limits.only ?? 0;
  const last = limits.only ?? (limits.cases ?? Number.POSITIVE_INFINITY) - 1;
  const endSeconds = limits.minutes === undefined ? Number.POSITIVE_INFINITY : limits.minutes * 60;
  const opened = await campaign.open({ seed, folder, minutes: limits.minutes });
  try {
    for (let index = first; index <= last && seconds() < endSeconds; index++) {
      try {
        const run = opened.run(new Dice(seed, number, index), index);
        count += await within(campaign.caseTimeoutMs, run);
      } catch (error) {
        const message = textOf(error);
        const repeat = `npm run campaign -- ${campaign.name} --seed ${seed} --only ${index}`;
        failures.push({ index, message, repeat });
      }
      cases++;
      look?.({ cases, count, seconds: seconds(), failures });
      if (failures.length >= MAX_FAILURES) break;
    }
    const facts = opened.facts?.() ?? {};
    const { name, counts } = campaign;
    return { name, counts, seed, cases, count, seconds: seconds(), failures, facts };
  } finally {
    await opened.close?.();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The error with its origin. */
function textOf(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return text.split('\n').slice(0, MAX_LINES).join('\n').slice(0, MAX_TEXT);
}

/** The promise's value, or an error if it does not settle in time. */
export async function within<T>(timeoutMs: number, promise: Promise<T>, what = 'it'): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what} did not end within ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Fails the case. `facts` is everything needed to investigate it. */
export function fail(what: string, facts: Readonly<Record<string, unknown>>): never {
  const lines = Object.entries(facts).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return `  ${name}: ${text}`;
  });
  throw new Error([what, ...lines].join('\n'));
}
