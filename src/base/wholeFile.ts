// Files that are written as a whole: to a temporary file beside them, synced and renamed, so that a
// crash leaves the old file or the new one, never a part. Links are followed and kept, the mode of
// the old file is kept, and leftovers of killed processes beside it are removed. Character devices
// and this process's descriptors (/dev/null, /dev/stdout) are written to directly; pipes are
// rejected.

import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import {
  type FileHandle,
  lstat,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from './errors.ts';
import { fileError } from './fileError.ts';
import { isProcess } from './processes.ts';

const ALLOWED = 'a file in a folder that can be written';
const MODE_BITS = 0o777;
/** The maximum length of a chain of links, which may be circular. */
const MAX_LINKS = 40;

/** Paths of open descriptors. */
const DESCRIPTOR = /^\/(dev\/(stdin|stdout|stderr|fd\/\d+)|proc\/[^/]+\/fd\/\d+)$/;
const MS_PER_S = 1000;

export interface WholeFileOptions {
  /** Whether devices and descriptors are also rejected, because the file will be read again. */
  readonly isRegular?: boolean;
}

/** Where to write, and how. */
interface Target {
  readonly path: string;
  /** Undefined for a new file. */
  readonly mode: number | undefined;
  readonly isInPlace: boolean;
}

/** The content, or a function that writes it. */
export type Content = Uint8Array | string | ((file: FileHandle) => Promise<void>);

/** Writes a file in one go; `what` names it in errors: `checkpoint to write, run.ckpt`. Throws a
 * {@link UsageError} if the system refuses. */
export async function writeWhole(
  given: string,
  what: string,
  content: Content,
  options: WholeFileOptions = {},
): Promise<void> {
  try {
    const { path, mode, isInPlace } = await checkTarget(given, what, options);
    if (isInPlace) return await writeInPlace(path, content);
    await removeLeftovers(path);
    const temporary = temporaryBeside(path);
    try {
      await writeSynced(temporary, content, mode);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(ignoreMissingFolder);
      throw error;
    }
    await syncFolder(dirname(path));
  } catch (error) {
    throw fileError(what, error, ALLOWED);
  }
}

/** Fails early if a file could not be written there. Leaves no file. */
export async function checkWritable(
  given: string,
  what: string,
  options: WholeFileOptions = {},
): Promise<void> {
  let temporary: string | undefined;
  try {
    const { path, isInPlace } = await checkTarget(given, what, options);
    // A descriptor that is a socket cannot be opened again.
    if (isInPlace) return await writeInPlace(path, '');
    await removeLeftovers(path);
    temporary = temporaryBeside(path);
    await writeSynced(temporary, '', undefined);
  } catch (error) {
    throw fileError(what, error, ALLOWED);
  } finally {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(ignoreMissingFolder);
  }
}

/** Finds the real path of the file and what is there. Throws if a file cannot replace it. */
async function checkTarget(
  given: string,
  what: string,
  { isRegular = false }: WholeFileOptions,
): Promise<Target> {
  const isDescriptor = DESCRIPTOR.test(resolve(given));
  const path = isDescriptor ? given : await followLinks(given);
  const old = await stat(path).catch(undefinedIfMissing);
  if (old?.isDirectory()) throw systemError('EISDIR', 'EISDIR: is a folder');
  const isInPlace = isDescriptor || old?.isCharacterDevice() === true;
  if (isInPlace ? isRegular : old !== undefined && !old.isFile()) {
    throw new UsageError({ what, given: kindOf(old), allowed: 'a regular file' });
  }
  const mode = old === undefined ? undefined : old.mode & MODE_BITS;
  return { path, mode, isInPlace };
}

function kindOf(found: Stats | undefined): string {
  if (found?.isFIFO()) return 'a pipe';
  return found?.isSocket() ? 'a socket' : 'a device or an open descriptor';
}

/** Follows a chain of links to its end, which need not exist. */
async function followLinks(given: string): Promise<string> {
  const real = await realpath(given).catch(undefinedIfMissing);
  if (real !== undefined) return real;
  let path = resolve(given);
  for (let links = 0; links < MAX_LINKS; links++) {
    const found = await lstat(path).catch(undefinedIfMissing);
    if (found === undefined || !found.isSymbolicLink()) return path;
    path = resolve(dirname(path), await readlink(path));
  }
  throw systemError('ELOOP', 'ELOOP: too many links');
}

/** Appends, so that existing contents of a descriptor's file are kept. */
async function writeInPlace(path: string, content: Content): Promise<void> {
  const file = await open(path, 'a');
  try {
    if (typeof content === 'function') await content(file);
    else await file.writeFile(content);
  } finally {
    await file.close();
  }
}

/** The name contains the host and the process, which tell whether the file is still being
 * written. */
function temporaryBeside(path: string): string {
  const owner = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
  return join(dirname(path), `${basename(path)}.${owner}.tmp`);
}

/** Removes temporary files that killed processes on this host left for this file. */
async function removeLeftovers(path: string): Promise<void> {
  const start = `${basename(path)}.${hostname()}-`;
  const folder = dirname(path);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(start)) continue;
    const pid = /^(\d+)-[0-9a-f]{8}\.tmp$/.exec(name.slice(start.length))?.[1];
    const file = join(folder, name);
    if (pid === undefined || (await isInUse(file, Number(pid)))) continue;
    await rm(file, { force: true });
  }
}

/** Whether the process that writes a temporary file still runs. In a container each process may get
 * the same process id, so a file that is older than this process belongs to an earlier one. */
async function isInUse(file: string, pid: number): Promise<boolean> {
  if (pid === process.pid) {
    const found = await stat(file).catch(undefinedIfMissing);
    const startedMs = Date.now() - process.uptime() * MS_PER_S;
    return found !== undefined && found.mtimeMs > startedMs - MS_PER_S;
  }
  return isProcess(pid);
}

async function writeSynced(
  path: string,
  content: Content,
  mode: number | undefined,
): Promise<void> {
  // Never readable by more users than the old file, not even while it is written.
  const file = await open(path, 'wx', mode);
  try {
    if (mode !== undefined) await file.chmod(mode);
    if (typeof content === 'function') await content(file);
    else await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the rename itself durable. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** Removing a probe only fails if creating it failed, which has already been reported. */
function ignoreMissingFolder(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOTDIR') throw error;
}
