// Folders that are to be there.

import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Makes a folder and those above it. Not by mkdir's own recursion, which never ends where a system
 * folder says that it is not there. */
export async function makeFolder(given: string): Promise<void> {
  const folder = resolve(given);
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  if (dirname(folder) !== folder) await makeFolder(dirname(folder));
  await mkdir(folder);
}
