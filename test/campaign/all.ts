// All campaigns, and how they share the time: two lanes of processes, so that two cores are busy.
// Each campaign is a separate process, so a hang or a death is a failure of only that campaign.

import { type ChildProcess, spawn } from 'node:child_process';
import { bits } from './bits.ts';
import { calls } from './calls.ts';
import type { Campaign, Outcome } from './campaign.ts';
import { deaths } from './deaths.ts';
import { elastic } from './elastic.ts';
import { fuzz } from './fuzz.ts';
import { kills } from './kills.ts';
import { processes } from './processes.ts';
import { soak } from './soak.ts';

/** Random numbers depend on the position in this list: add new ones at the end. */
export const CAMPAIGNS: readonly Campaign[] = [
  ...[bits, fuzz, deaths, kills, calls, soak, elastic, processes],
];

/** The shares of the time, lane by lane. With 60 minutes soak gets 22. */
const LANES: readonly (readonly (readonly [name: string, share: number])[])[] = [
  [
    ['soak', 0.37],
    ['deaths', 0.25],
    ['fuzz', 0.23],
    ['elastic', 0.15],
  ],
  [
    ['kills', 0.35],
    ['processes', 0.3],
    ['bits', 0.2],
    ['calls', 0.15],
  ],
];

/** Extra time for the last case and the end. */
const GRACE_MS = 180_000;

export function isName(name: string): boolean {
  return CAMPAIGNS.some((campaign) => campaign.name === name);
}

/** Runs all campaigns and returns their outcomes in the order of the list. */
export async function runAll(options: {
  readonly minutes: number;
  readonly seed: number;
}): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  await Promise.all(
    LANES.map(async (lane) => {
      for (const [name, share] of lane) {
        outcomes.push(await runAlone(name, options.minutes * share, options.seed));
      }
    }),
  );
  const place = ({ name }: Outcome): number => CAMPAIGNS.findIndex((other) => other.name === name);
  return outcomes.sort((a, b) => place(a) - place(b));
}

/** A campaign in a separate process. */
async function runAlone(name: string, minutes: number, seed: number): Promise<Outcome> {
  const args = [process.argv[1]!, name, '--minutes', `${minutes}`, '--seed', `${seed}`, '--json'];
  const flags = process.execArgv;
  const campaign = CAMPAIGNS.find((candidate) => candidate.name === name)!;
  const child = spawn(process.execPath, [...flags, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...campaign.env },
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), minutes * 60_000 + GRACE_MS);
  const { code, stdout } = await ended(child);
  clearTimeout(timer);
  const line = stdout.split('\n').findLast((text) => text.startsWith('{'));
  if (line !== undefined) return JSON.parse(line) as Outcome;
  const { counts } = campaign;
  const message = `its process ended with ${code} and told nothing: ${stdout.slice(-2000)}`;
  const repeat = `npm run campaign -- ${name} --seed ${seed}`;
  const failures = [{ index: -1, message, repeat }];
  return { name, counts, seed, cases: 0, count: 0, seconds: 0, failures, facts: {} };
}

function ended(child: ChildProcess): Promise<{ code: number | string | null; stdout: string }> {
  let stdout = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? signal, stdout }));
  });
}
