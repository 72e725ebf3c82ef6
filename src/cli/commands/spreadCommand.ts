// `syncbn train --processes n` and `--nodes a,b`: builds the launcher's command line, runs it, and,
// if restarts are allowed, restarts the remaining processes from the newest state that any of them
// holds.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { WIDE_VARIABLE } from '../../kernels/engine.ts';
import { type FoundMpirun, findMpirun, mpirunCandidates } from '../../mpi/findMpirun.ts';
import { SUPERVISED_VARIABLE } from '../../mpi/launcher.ts';
import { loadKoffi } from '../../mpi/library.ts';
import { type HostSlots, mpirunLine, readEnd } from '../../mpi/mpirun.ts';
import { screen, warn } from '../output/screen.ts';
import { EXIT_FAILED, EXIT_USAGE } from '../process/failure.ts';
import { catchSignals, SIGNAL_CODES, type Signal, stoppedBy } from '../process/signals.ts';
import { endProcesses, hasFailed, rankOf, SNAPSHOTS_VARIABLE } from '../process/supervised.ts';
import { hostsIn, type Spread, withoutSpread } from '../settings/spreadFlags.ts';

/** The file system in memory. */
const SHARED_MEMORY = '/dev/shm';
/** How much launcher output is kept, to find out how it ended. */
const KEPT_CHARACTERS = 16_384;
/** The message of processes that have stopped after a step, since launchers lose exit codes. */
const STOPPED = stoppedBy('SIGUSR1');
/** How long a launcher may take to end on request before it is killed. */
const LAUNCHER_GRACE_MS = 20_000;
/** Time limit for removing files on other hosts, since one of them may be gone. */
const CLEAN_UP_MS = 10_000;

/** Runs `train` in several processes; returns the exit code. `words` is its own command line. */
export async function runSpread(spread: Spread, words: readonly string[]): Promise<number> {
  const launcher = findLauncher();
  const folder = join(
    existsSync(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir(),
    `syncbn-${randomUUID()}`,
  );
  const environment: Record<string, string> = { [SUPERVISED_VARIABLE]: folder };
  for (const name of ['SYNCBN_MPI', WIDE_VARIABLE]) {
    const value = process.env[name];
    if (value) environment[name] = value;
  }
  const isRestartable = spread.maxRestarts > 0 || spread.hostfile !== undefined;
  if (isRestartable) environment[SNAPSHOTS_VARIABLE] = '1';
  const command = [process.execPath, process.argv[1]!, ...withoutSpread(words)];
  const lineFor: LineFor = (hosts, words) =>
    mpirunLine({
      ...launcher,
      hosts,
      processes: hosts?.reduce((sum, { slots }) => sum + slots, 0) ?? spread.processes,
      environment,
      isRoot: process.getuid?.() === 0,
      command: words,
    });
  if (spread.isDryRun) {
    screen.say(lineFor(spread.hosts, command).map(quoted).join(' '));
    return 0;
  }
  loadKoffi();
  mkdirSync(folder, { recursive: true });
  const hostsUsed = new Map<string, HostSlots>();
  try {
    return await supervise(spread, folder, (hosts) => {
      for (const { host } of hosts ?? []) hostsUsed.set(host, { host, slots: 1 });
      return lineFor(hosts, command);
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
    if (hostsUsed.size > 0 && isRestartable) {
      await cleanUp(lineFor([...hostsUsed.values()], ['rm', '-rf', folder]));
    }
  }
}

/** The launcher's command line for these words on these hosts. */
type LineFor = (hosts: Spread['hosts'], words: readonly string[]) => readonly string[];

async function supervise(
  spread: Spread,
  folder: string,
  lineFor: (hosts: Spread['hosts']) => readonly string[],
): Promise<number> {
  let { hosts } = spread;
  for (let restarts = 0; ; ) {
    const { code, caught, isRegrouped, printed } = await runOnce(lineFor(hosts), spread);
    const end = readEnd(printed, (host, pid) => rankOf(folder, host, pid));
    await endProcesses(folder);
    const isStopped = printed.includes(STOPPED);
    if (isStopped && caught !== undefined) return SIGNAL_CODES[caught];
    if (isStopped && isRegrouped) {
      hosts = hostsIn(spread.hostfile!);
      const listed = hosts.map(({ host, slots }) => `${host}:${slots}`).join(',');
      warn(`syncbn: continues on ${listed}.`);
      continue;
    }
    const isOver = code === 0 || code === EXIT_USAGE || caught !== undefined;
    if (isOver || hasFailed(folder)) return code;
    const what = end?.what ?? `the launcher exited with code ${code}`;
    if (restarts === spread.maxRestarts) {
      warn(`syncbn: ${what}${spread.maxRestarts > 0 ? '; no restarts are left' : ''}.`);
      return code;
    }
    hosts = hosts?.filter(({ host }) => host !== end?.lostHost);
    if (hosts?.length === 0) {
      warn(`syncbn: ${what}; no host is left.`);
      return code;
    }
    restarts++;
    warn(`syncbn: ${what}; restart ${restarts} of ${spread.maxRestarts}.`);
  }
}

/** Removes files that processes have left in the memory of other hosts, if those can be reached. */
async function cleanUp([mpirun, ...args]: readonly string[]): Promise<void> {
  const child = spawn(mpirun!, args, { stdio: 'ignore', timeout: CLEAN_UP_MS });
  await new Promise((resolve) => child.once('close', resolve).once('error', resolve));
}

interface Ended {
  readonly code: number;
  /** The signal that the user has stopped it with. */
  readonly caught: Signal | undefined;
  /** Whether the user has asked to read the hosts again. */
  readonly isRegrouped: boolean;
  readonly printed: string;
}

function runOnce([mpirun, ...args]: readonly string[], { hostfile }: Spread): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // A separate process group, so that only this process gets the terminal's Ctrl-C.
    const child = spawn(mpirun!, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let printed = '';
    let isRegrouped = false;
    const regroup = (): void => {
      if (hostfile === undefined) {
        warn('syncbn: SIGUSR2 rereads --hostfile, but this run has none.');
        return;
      }
      isRegrouped = true;
      endLauncher(child);
    };
    process.on('SIGUSR2', regroup);
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
      () => endLauncher(child),
      () => child.kill('SIGKILL'),
      false,
    );
    child.on('error', reject);
    child.on('close', (code) => {
      signals.release();
      process.off('SIGUSR2', regroup);
      resolve({ code: code ?? EXIT_FAILED, caught: signals.caught, isRegrouped, printed });
    });
  });
}

/** The processes stop after their step and save; a launcher that hangs is killed. */
function endLauncher(child: ChildProcess): void {
  child.kill('SIGUSR1');
  setTimeout(() => child.kill('SIGTERM'), LAUNCHER_GRACE_MS).unref();
  setTimeout(() => child.kill('SIGKILL'), LAUNCHER_GRACE_MS + 5000).unref();
}

function findLauncher(): FoundMpirun {
  const given = process.env.SYNCBN_MPIRUN;
  const found = findMpirun(mpirunCandidates());
  if (found !== undefined) return found;
  throw new UsageError({
    what: given ? `SYNCBN_MPIRUN=${given}` : 'an MPI launcher',
    problem: 'was not found',
    hint: 'installing Open MPI or MPICH, or SYNCBN_MPIRUN=/path/to/mpirun',
  });
}

/** A word quoted for a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
