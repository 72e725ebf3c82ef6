// Launches over processes that are simulated in this one, and the outcome of each.

import type { LaunchOptions } from '../../../src/runtime/launch.ts';
import { launchOn } from '../../../src/runtime/launchRun.ts';
import { memoryNetworks, type Network } from '../../../src/runtime/network.ts';
import { bundleJob } from '../runs/bundleJob.ts';
import type { LaunchArgs } from './launchJob.ts';

export interface LaunchAsked {
  readonly args: LaunchArgs;
  readonly timeoutMs?: number;
  readonly sharedBytes?: number;
}

let job: Promise<URL> | undefined;

/** The URL of the job, in JavaScript. */
export async function urlOfJob(): Promise<string> {
  job ??= bundleJob('test/support/processes/launchJob.ts', 'launches/job');
  return (await job).href;
}

export async function launchAlone(workers: number, asked: LaunchAsked): Promise<unknown[]> {
  return launchOn(undefined, await urlOfJob(), { ...asked, workers });
}

/** The results in each process of so many workers, or its error. */
export async function launchApart(
  workers: readonly number[],
  asked: LaunchAsked,
  networks: readonly Network[] = memoryNetworks(workers.length),
): Promise<readonly (unknown[] | Error)[]> {
  const url = await urlOfJob();
  return Promise.all(
    networks.map(async (network, process) => {
      const options: LaunchOptions = { ...asked, workers: workers[process]! };
      return launchOn(network, url, options).catch((error: Error) => error);
    }),
  );
}
