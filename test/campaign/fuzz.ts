// fuzz: damaged files of every format, damaged settings and flags end with success or a UsageError,
// in bounded time and memory, and never run code.

import { type Campaign, fail } from './campaign.ts';
import type { Attempt, Target } from './fuzzTarget.ts';
import { codeHasRun, isAllowed, openTargets } from './fuzzTargets.ts';

/** The number of attempts in a case, all at one target. */
const ATTEMPTS = 50;
/** For one input of a few kilobytes; most take less than one. */
const MAX_MS = 5000;
/** The process grows by less than this for one input, even if a file claims a huge length. */
const MAX_GROWTH_BYTES = 300 * 2 ** 20;
/** Messages must be readable. */
const MAX_MESSAGE = 4000;

export const fuzz: Campaign = {
  name: 'fuzz',
  counts: 'mutations',
  promise: 'A damaged file is refused with a UsageError or read, and never runs code.',
  caseTimeoutMs: 120_000,
  async open({ folder }) {
    const targets = await openTargets(folder);
    const refused = new Map<string, number>(targets.map(({ format }) => [format, 0]));
    const tried = new Map<string, number>(refused);
    let slowestMs = 0;
    return {
      async run(dice, index) {
        const target = targets[index % targets.length]!;
        for (let i = 0; i < ATTEMPTS; i++) {
          const { isRefused, ms } = await tryOne(target, target.attempt(dice));
          tried.set(target.format, tried.get(target.format)! + 1);
          if (isRefused) refused.set(target.format, refused.get(target.format)! + 1);
          slowestMs = Math.max(slowestMs, ms);
        }
        return ATTEMPTS;
      },
      facts: () => ({
        formats: targets.length,
        '% refused': Math.round((100 * sum(refused)) / Math.max(1, sum(tried))),
        'ms for the slowest': Math.round(slowestMs),
      }),
    };
  },
};

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

async function tryOne(target: Target, attempt: Attempt) {
  const facts = { format: target.format, input: shown(attempt.input) };
  const before = process.memoryUsage().rss;
  const startMs = performance.now();
  let isRefused = false;
  try {
    await attempt.read();
  } catch (error) {
    isRefused = true;
    if (codeHasRun()) fail('code from a file ran', facts);
    if (!isAllowed(error)) {
      const stack = error instanceof Error ? (error.stack ?? '').slice(0, 2000) : String(error);
      fail('another error than a UsageError', { ...facts, stack });
    }
    const { message } = error as Error;
    if (message.length > MAX_MESSAGE) {
      fail(`a message of ${message.length} characters`, { ...facts, start: message.slice(0, 500) });
    }
  }
  if (codeHasRun()) fail('code from a file ran', facts);
  const ms = performance.now() - startMs;
  if (ms > MAX_MS) fail(`took ${Math.round(ms)} ms`, facts);
  const grown = process.memoryUsage().rss - before;
  if (grown > MAX_GROWTH_BYTES) fail(`took ${Math.round(grown / 2 ** 20)} MiB`, facts);
  return { isRefused, ms };
}

/** The input in a form that can be typed. */
function shown(input: Attempt['input']): string {
  const MAX_SHOWN = 6000;
  if (typeof input === 'string') return input.slice(0, MAX_SHOWN);
  const text = Buffer.from(input.subarray(0, MAX_SHOWN)).toString('base64');
  return `base64 of ${input.length} bytes: ${text}`;
}
