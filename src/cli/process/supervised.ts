// What the processes of a supervised run leave for their supervisor in a separate folder: their
// ids, and whether a restart would not help.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SUPERVISED_VARIABLE } from '../../mpi/launcher.ts';

/** Set in the environment of processes that must keep their states there for restarts. */
export const SNAPSHOTS_VARIABLE = 'SYNCBN_SNAPSHOTS';

const FAILED = 'failed';
const PROCESSES = 'processes';
/** How long processes may take to end after their launcher has. */
const END_GRACE_MS = 2000;
const END_LOOK_MS = 20;

/** Records that this process has failed because of its own error. */
export function markFailed(reason: string): void {
  const folder = process.env[SUPERVISED_VARIABLE];
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, FAILED), reason);
}

/** Whether a process has recorded that. */
export function hasFailed(folder: string): boolean {
  return existsSync(join(folder, FAILED));
}

/** Records the system's id for the process of a rank, on the supervisor's host. */
export function noteProcess(rank: number): void {
  const folder = process.env[SUPERVISED_VARIABLE];
  if (folder === undefined || !existsSync(folder)) return;
  mkdirSync(join(folder, PROCESSES), { recursive: true });
  writeFileSync(join(folder, PROCESSES, `${rank}`), `${hostname()} ${process.pid}`);
}

/** The rank of the process with this id on a host; undefined if it was not recorded. */
export function rankOf(folder: string, host: string, pid: number): number | undefined {
  return noted(folder).find((one) => one.host === host && one.pid === pid)?.rank;
}

/** Ends processes that a launcher has left on this host. MPICH's launcher does not end a stopped
 * process. */
export async function endProcesses(folder: string): Promise<void> {
  const own = noted(folder).filter(({ host }) => host === hostname());
  const isAlive = ({ pid }: Noted): boolean => isOf(folder, pid);
  const untilMs = performance.now() + END_GRACE_MS;
  while (own.some(isAlive) && performance.now() < untilMs) await sleep(END_LOOK_MS);
  for (const { pid } of own.filter(isAlive)) process.kill(pid, 'SIGKILL');
  rmSync(join(folder, PROCESSES), { recursive: true, force: true });
}

/** Those of the `size` processes of this supervised run that cannot join, as far as this host can
 * tell: they are stopped, or have not started. */
export function missingProcesses(size: number): readonly string[] {
  const folder = process.env[SUPERVISED_VARIABLE];
  if (folder === undefined) return [];
  const begun = noted(folder);
  const stopped = begun.filter(({ host, pid }) => host === hostname() && isStopped(pid));
  const ranks = Array.from({ length: size }, (_, rank) => rank);
  const absent = ranks.filter((rank) => begun.every((one) => one.rank !== rank));
  return [
    ...stopped.map(({ rank, host, pid }) => `process ${rank} on ${host} (PID ${pid}) is stopped`),
    ...absent.map((rank) => `process ${rank} has not started`),
  ];
}

/** Linux's state letter for a process stopped by a signal, after the name in parentheses. */
const STOPPED = /\) T /;

function isStopped(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  return existsSync(file) && STOPPED.test(readFileSync(file, 'utf8'));
}

interface Noted {
  readonly rank: number;
  readonly host: string;
  readonly pid: number;
}

function noted(folder: string): readonly Noted[] {
  const inFolder = join(folder, PROCESSES);
  if (!existsSync(inFolder)) return [];
  return readdirSync(inFolder).map((name) => {
    const [host, pid] = readFileSync(join(inFolder, name), 'utf8').split(' ');
    return { rank: Number(name), host: host!, pid: Number(pid) };
  });
}

/** Whether a process is running and belongs to this supervisor, as far as the system can tell. */
function isOf(folder: string, pid: number): boolean {
  try {
    process.kill(pid, 0);
    const environment = `/proc/${pid}/environ`;
    return !existsSync(environment) || readFileSync(environment, 'utf8').includes(folder);
  } catch {
    // It has ended.
    return false;
  }
}
