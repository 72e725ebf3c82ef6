// What the processes of a supervised run leave for their supervisor, in a folder of its own: who
// they are, and that no restart would help.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Names the folder, in the environment of the processes. */
export const FOLDER_VARIABLE = 'SYNCBN_SUPERVISED';
/** Is set where they are to keep their states there, to be restarted from. */
export const SNAPSHOTS_VARIABLE = 'SYNCBN_SNAPSHOTS';

const FAILED = 'failed';
const ID_SUFFIX = '.pid';

/** Says that this process has failed for a reason of its own. */
export function markFailed(reason: string): void {
  const folder = process.env[FOLDER_VARIABLE];
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, FAILED), reason);
}

/** Whether a process has said so. */
export function hasFailed(folder: string): boolean {
  return existsSync(join(folder, FAILED));
}

/** Says by which id the system knows the process of a rank, on the supervisor's host. */
export function noteProcess(rank: number): void {
  const folder = process.env[FOLDER_VARIABLE];
  if (folder === undefined || !existsSync(folder)) return;
  writeFileSync(join(folder, `${rank}${ID_SUFFIX}`), `${hostname()} ${process.pid}`);
}

/** The rank of the process that a host knows by this id; undefined where it has not said so. */
export function rankOf(folder: string, host: string, pid: number): number | undefined {
  const files = readdirSync(folder).filter((name) => name.endsWith(ID_SUFFIX));
  const found = files.find((name) => readFileSync(join(folder, name), 'utf8') === `${host} ${pid}`);
  return found === undefined ? undefined : Number.parseInt(found, 10);
}
