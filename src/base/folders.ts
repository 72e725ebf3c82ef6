// Creates folders.

import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Makes a folder and its parents. It does not use mkdir's `recursive`, which never ends if a
 * system folder reports that it does not exist. */
export async function makeFolder(given: string): Promise<void> {
  const folder = resolve(given);
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  if (dirname(folder) !== folder) await makeFolder(dirname(folder));
  await mkdir(folder);
}
