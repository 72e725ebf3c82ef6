// Runs deeds of job.ts on real threads.

import { bundleJob } from '../runs/bundleJob.ts';
import { launchBuilt } from '../runs/launchBuilt.ts';
import type { Deed } from './job.ts';

let built: Promise<URL> | undefined;

/** What a deed gives on each of so many ranks. */
export async function onRanks<T>(workers: number, deed: Deed, args: object = {}): Promise<T[]> {
  built ??= bundleJob('test/support/direct/job.ts', 'direct/job');
  const job = await built;
  const launch = await launchBuilt();
  return launch<T>(job, { workers, args: { ...args, deed } });
}
