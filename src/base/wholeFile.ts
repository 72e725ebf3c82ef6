// Files that are written as a whole: to a temporary file beside them, synced and renamed, so that a
// crash leaves the old file or the new one, never a part.

import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UsageError } from './errors.ts';

const ALLOWED = 'a file in a folder that can be written';

/** Writes a file in one go; `what` names it in errors: `checkpoint to write, run.ckpt`. Throws a
 * {@link UsageError} when the system refuses. */
export async function writeWhole(
  path: string,
  what: string,
  content: Uint8Array | string,
): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    await writeSynced(temporary, content);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(ignoreMissingFolder);
    throw fileError(what, error, ALLOWED);
  }
}

/** Fails early when a file could not be written there. Leaves nothing behind. */
export async function checkWritable(path: string, what: string): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    await writeSynced(temporary, '');
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      throw Object.assign(new Error('EISDIR: is a folder'), { code: 'EISDIR' });
    }
  } catch (error) {
    throw fileError(what, error, ALLOWED);
  } finally {
    await rm(temporary, { force: true }).catch(ignoreMissingFolder);
  }
}

/** What the system says about a file as a UsageError; any other error as it is. */
export function fileError(what: string, error: unknown, allowed: string): unknown {
  if (!(error instanceof Error && 'code' in error) || error.code === undefined) return error;
  return new UsageError({ what, given: error.message, allowed });
}

function temporaryBeside(path: string): string {
  return `${path}.${randomUUID()}.tmp`;
}

async function writeSynced(path: string, content: Uint8Array | string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(content);
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

/** Removing a probe fails only where creating it has failed, which is reported already. */
function ignoreMissingFolder(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOTDIR') throw error;
}
