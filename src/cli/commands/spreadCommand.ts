// `syncbn train --processes n` and `--nodes a,b`: builds the launcher's command line, runs it, and,
// where restarts are allowed, starts what is left again from the newest state that any process
// holds.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { type FoundMpirun, findMpirun } from '../../mpi/findMpirun.ts';
import { loadKoffi } from '../../mpi/library.ts';
import { mpirunLine, readEnd } from '../../mpi/mpirun.ts';
import { screen, warn } from '../output/screen.ts';
import { EXIT_FAILED, EXIT_USAGE } from '../process/failure.ts';
import { catchSignals } from '../process/signals.ts';
import {
  endProcesses,
  FOLDER_VARIABLE,
  hasFailed,
  rankOf,
  SNAPSHOTS_VARIABLE,
} from '../process/supervised.ts';
import { type Spread, withoutSpread } from '../settings/spreadFlags.ts';

/** In this order, unless SYNCBN_MPIRUN names one. */
const LAUNCHERS = ['mpirun', 'mpirun.openmpi', 'mpirun.mpich', 'mpiexec'];
/** Where memory is a file. */
const SHARED_MEMORY = '/dev/shm';
/** What is kept of what the launcher prints, to read its end from. */
const KEPT_CHARACTERS = 16_384;
/** How long a launcher may take to end when it is asked to, before it is made to. */
const LAUNCHER_GRACE_MS = 20_000;

/** Runs `train` in several processes; gives the exit code. `words` is its own command line. */
export async function runSpread(spread: Spread, words: readonly string[]): Promise<number> {
  const launcher = findLauncher();
  const folder = join(
    existsSync(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir(),
    `syncbn-${randomUUID()}`,
  );
  const environment: Record<string, string> = { [FOLDER_VARIABLE]: folder };
  if (process.env.SYNCBN_MPI) environment.SYNCBN_MPI = process.env.SYNCBN_MPI;
  if (spread.maxRestarts > 0) environment[SNAPSHOTS_VARIABLE] = '1';
  const command = [process.execPath, process.argv[1]!, ...withoutSpread(words)];
  const lineFor = (hosts: Spread['hosts']): readonly string[] =>
    mpirunLine({
      ...launcher,
      hosts,
      processes: hosts?.reduce((sum, { slots }) => sum + slots, 0) ?? spread.processes,
      environment,
      isRoot: process.getuid?.() === 0,
      command,
    });
  if (spread.isDryRun) {
    screen.say(lineFor(spread.hosts).map(quoted).join(' '));
    return 0;
  }
  loadKoffi();
  mkdirSync(folder, { recursive: true });
  try {
    return await supervise(spread, folder, lineFor);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function supervise(
  spread: Spread,
  folder: string,
  lineFor: (hosts: Spread['hosts']) => readonly string[],
): Promise<number> {
  let { hosts } = spread;
  for (let restarts = 0; ; restarts++) {
    const { code, isStopped, printed } = await runOnce(lineFor(hosts));
    const end = readEnd(printed, (host, pid) => rankOf(folder, host, pid));
    await endProcesses(folder);
    if (code === 0 || isStopped || code === EXIT_USAGE || hasFailed(folder)) return code;
    const what = end?.what ?? `the launcher ended with exit code ${code}`;
    if (restarts === spread.maxRestarts) {
      warn(`syncbn: ${what}${spread.maxRestarts > 0 ? '; no restarts are left' : ''}.`);
      return code;
    }
    hosts = hosts?.filter(({ host }) => host !== end?.lostHost);
    if (hosts?.length === 0) {
      warn(`syncbn: ${what}; no host is left.`);
      return code;
    }
    warn(`syncbn: ${what}; restart ${restarts + 1} of ${spread.maxRestarts}.`);
  }
}

interface Ended {
  readonly code: number;
  readonly isStopped: boolean;
  readonly printed: string;
}

function runOnce([mpirun, ...args]: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // A group of its own: the terminal's Ctrl-C comes here alone.
    const child = spawn(mpirun!, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let printed = '';
    let isStopped = false;
    const keep = (chunk: Buffer): void => {
      printed = (printed + chunk.toString()).slice(-KEPT_CHARACTERS);
    };
    child.stdout.on('data', (chunk: Buffer) => {
      keep(chunk);
      process.stdout.write(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      keep(chunk);
      process.stderr.write(chunk);
    });
    const signals = catchSignals(
      () => {
        isStopped = true;
        endLauncher(child);
      },
      () => child.kill('SIGKILL'),
      false,
    );
    child.on('error', reject);
    child.on('close', (code) => {
      signals.release();
      resolve({ code: code ?? EXIT_FAILED, isStopped, printed });
    });
  });
}

/** The processes stop after their step and save; a launcher that hangs is made to end. */
function endLauncher(child: ChildProcess): void {
  child.kill('SIGUSR1');
  setTimeout(() => child.kill('SIGTERM'), LAUNCHER_GRACE_MS).unref();
  setTimeout(() => child.kill('SIGKILL'), LAUNCHER_GRACE_MS + 5000).unref();
}

function findLauncher(): FoundMpirun {
  const given = process.env.SYNCBN_MPIRUN;
  const found = findMpirun(given ? [given] : LAUNCHERS);
  if (found !== undefined) return found;
  throw new UsageError({
    what: given ? `SYNCBN_MPIRUN=${given}` : 'a launcher of MPI',
    problem: 'was not found',
    hint: 'installing Open MPI or MPICH, or SYNCBN_MPIRUN=/path/to/mpirun',
  });
}

/** A word as a shell reads it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
