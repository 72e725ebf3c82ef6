// processes: runs of several processes under MPI; one is killed or stopped at a random moment. A
// supervised run restarts the others and ends with the bits of an undisturbed run; without restarts
// left, it ends with an error that names the process.

import { setTimeout as sleep } from 'node:timers/promises';
import { CLI, type Outcome, run, syncbn } from '../support/cli.ts';
import { workersOf } from '../support/processes/killed.ts';
import { LIBRARIES, type MpiLibraryUnderTest } from '../support/processes/mpirun.ts';
import { type Campaign, fail } from './campaign.ts';
import type { Dice } from './dice.ts';

const DATA = ['--data', 'synthetic', '--limit', '2000', '--batch', '40', '--model', 'refnet'];
const TRAIN = ['train', ...DATA, '--norm', 'sync', '--epochs', '6', '--workers', '1', '--json'];
/** How long others wait for a process that is stopped. */
const TIMEOUT_MS = 2000;
/** From the start of the command to the blow: before MPI is there up to the end of training. */
const LONGEST_MS = 3500;
const LOOK_MS = 20;
/** How long the system may take to forget a process that was killed. */
const LEFT_MS = 2000;
/** What errors call a process; one that has not begun yet has no number. */
const NAMES_IT = /process \d+|PID \d+/;

interface Blow {
  readonly signal: 'SIGKILL' | 'SIGSTOP';
  readonly restarts: number;
  readonly processes: number;
  readonly delayMs: number;
  /** Which of the processes, in [0, 1). */
  readonly victim: number;
}

export const processes: Campaign = {
  name: 'processes',
  counts: 'blows',
  promise: 'A run whose process is killed or stopped ends with the same bits, or names it.',
  caseTimeoutMs: 120_000,
  async open() {
    const libraries = LIBRARIES.filter(({ isHere }) => isHere).map(({ library }) => library);
    if (libraries.length === 0) {
      return { run: async () => 0, facts: () => ({ skipped: 'no MPI or no koffi is installed' }) };
    }
    const hash = hashOf(await syncbn(TRAIN));
    const counts = new Map<string, number>();
    return {
      async run(dice) {
        const library = dice.pick(libraries);
        const blow = randomBlow(dice);
        const { outcome, struck } = await strike(library, blow);
        const isLeft = struck !== undefined && (await isAlive(struck));
        check(outcome, { struck, isLeft }, { library: library.name, ...blow }, hash);
        const { signal, restarts } = blow;
        const what = struck === undefined ? 'too late' : `${signal}${restarts > 0 ? '' : ' alone'}`;
        counts.set(what, (counts.get(what) ?? 0) + 1);
        return struck === undefined ? 0 : 1;
      },
      facts: () => Object.fromEntries(counts),
    };
  },
};

function randomBlow(dice: Dice): Blow {
  return {
    signal: dice.chance(1 / 7) ? 'SIGSTOP' : 'SIGKILL',
    restarts: dice.chance(0.2) ? 0 : 3,
    processes: dice.between(2, 3),
    delayMs: dice.below(LONGEST_MS),
    victim: dice.uniform(0, 1),
  };
}

/** Runs a training and hits one of its processes, if it lasts long enough. */
async function strike(
  library: MpiLibraryUnderTest,
  { signal, restarts, processes: count, delayMs, victim }: Blow,
): Promise<{ readonly outcome: Outcome; readonly struck: number | undefined }> {
  const flags = ['--processes', `${count}`, '--timeout-ms', `${TIMEOUT_MS}`];
  const restarting = restarts === 0 ? [] : ['--max-restarts', `${restarts}`];
  let struck: number | undefined;
  let isOver = false;
  let pid = 0;
  const running = run(process.execPath, [CLI, ...TRAIN, ...flags, ...restarting], {
    env: { ...process.env, SYNCBN_MPIRUN: library.launcher },
    onStart: (child) => {
      pid = child.pid!;
    },
  }).finally(() => {
    isOver = true;
  });
  const striking = async (): Promise<void> => {
    await sleep(delayMs);
    while (!isOver && struck === undefined) {
      const pids = workersOf(pid);
      if (pids.length < count) await sleep(LOOK_MS);
      else struck = send(pids[Math.floor(victim * pids.length)]!, signal);
    }
  };
  const [outcome] = await Promise.all([running, striking()]);
  return { outcome, struck };
}

/** Gives the process, unless it has ended meanwhile. */
function send(pid: number, signal: NodeJS.Signals | 0): number | undefined {
  try {
    process.kill(pid, signal);
    return pid;
  } catch {
    return undefined;
  }
}

/** Whether a process is still there after a moment. */
async function isAlive(pid: number): Promise<boolean> {
  const untilMs = performance.now() + LEFT_MS;
  while (send(pid, 0) !== undefined) {
    if (performance.now() > untilMs) return true;
    await sleep(LOOK_MS);
  }
  return false;
}

function check(
  outcome: Outcome,
  { struck, isLeft }: { readonly struck: number | undefined; readonly isLeft: boolean },
  blow: Blow & { readonly library: string },
  hash: unknown,
): void {
  const facts = { ...blow, code: outcome.code, stderr: outcome.stderr.slice(-2000) };
  if (isLeft) fail('the process is left', facts);
  // A process that is hit at the very end has finished its work.
  if (outcome.code === 0) {
    if (hashOf(outcome) !== hash) fail('ended with other bits', facts);
    return;
  }
  if (struck === undefined) fail('failed without a blow', facts);
  if (blow.restarts > 0) fail('did not go on', facts);
  if (!NAMES_IT.test(outcome.stderr)) fail('does not name the process', facts);
}

function hashOf({ events }: Outcome): unknown {
  return events.find(({ event }) => event === 'done')?.weightsHash;
}
