// A lock file that names the process with exclusive use of a folder's files. It is removed when the
// process ends in any way except by SIGKILL. The lock of a process that no longer exists does not
// count. Processes on other hosts cannot be checked, so their locks always count.

import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import * as z from 'zod';
import { UsageError } from './errors.ts';
import { fileError } from './fileError.ts';
import { isProcess } from './processes.ts';

const ownerSchema = z.object({
  host: z.string(),
  pid: z.number().int().positive(),
  /** When the process began, in ticks of the system; null if the system does not tell. */
  began: z.string().nullable(),
});
type Owner = z.infer<typeof ownerSchema>;

/** A lock without content belongs to a process that has just created it, or was killed while doing
 * so. */
const EMPTY_LOCK_MS = 5000;
/** A stale lock is removed within a millisecond. */
const GUARD_PAUSE_MS = 5;

export interface FileLock {
  /** Releases the lock; may be called more than once. */
  release(): void;
}

/** Takes the lock. `what` names its purpose in errors: `--out results`. Throws a {@link UsageError}
 * while another process holds it. */
export function lockFile(path: string, what: string): FileLock {
  const mine = JSON.stringify(thisProcess());
  try {
    while (!create(path, mine)) removeStale(path, what);
  } catch (error) {
    throw fileError(what, error, 'a folder that can be written');
  }
  const release = (): void => {
    process.off('exit', release);
    if (read(path) === mine) rmSync(path, { force: true });
  };
  process.on('exit', release);
  return { release };
}

/** Creates the file. Returns false if it already exists. */
function create(path: string, content: string): boolean {
  try {
    writeFileSync(path, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a stale lock. Throws if its holder may still be running. */
function removeStale(path: string, what: string): void {
  const content = read(path);
  if (content === undefined) return;
  const owner = parseOwner(content);
  if (owner === undefined ? isFresh(path) : mayRun(owner)) {
    const holder = owner === undefined ? '' : ` of host ${owner.host}`;
    const pid = owner === undefined ? 'another process' : `process ${owner.pid}`;
    throw new UsageError({
      what,
      problem: `is in use by ${pid}${holder}`,
      hint: `another folder, or remove ${path} if that process is over`,
    });
  }
  // Several processes may have found the same stale lock. Only one at a time removes the lock that
  // it has checked, so none removes the new lock of a faster process.
  const guard = `${path}.stale`;
  if (!create(guard, '')) {
    if (!isFresh(guard)) rmSync(guard, { force: true });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, GUARD_PAUSE_MS);
    return;
  }
  try {
    if (read(path) === content) rmSync(path, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

function isFresh(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs < EMPTY_LOCK_MS;
}

function mayRun({ host, pid, began }: Owner): boolean {
  if (host !== hostname()) return true;
  if (!isProcess(pid)) return false;
  // The process id may have been reused by now, which is common in containers.
  const now = beganOf(pid);
  return now === null || began === null || now === began;
}

function thisProcess(): Owner {
  return { host: hostname(), pid: process.pid, began: beganOf(process.pid) };
}

/** Linux has it in /proc: the 20th field after the name, which may contain spaces. */
function beganOf(pid: number): string | null {
  const text = read(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

function parseOwner(content: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(content));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
