// How the processes of a supervised run tell their supervisor that no restart would help: by a file
// in the folder of its snapshots.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Names the folder, in the environment of the processes. */
export const SNAPSHOTS_VARIABLE = 'SYNCBN_SNAPSHOTS';

const fileIn = (folder: string): string => join(folder, 'failed');

/** Says that this process has failed for a reason of its own. */
export function markFailed(reason: string): void {
  const folder = process.env[SNAPSHOTS_VARIABLE];
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(fileIn(folder), reason);
}

/** Whether a process has said so. */
export function hasFailed(folder: string): boolean {
  return existsSync(fileIn(folder));
}
