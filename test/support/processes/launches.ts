// Launches over processes that are parts of this one, and what becomes of each.

import { pathToFileURL } from 'node:url';
import { type LaunchOptions, launchOn } from '../../../src/runtime/launch.ts';
import { memoryNetworks, type Network } from '../../../src/runtime/network.ts';
import { bundle } from '../ranks/threads.ts';
import type { LaunchArgs } from './launchJob.ts';

export interface LaunchAsked {
  readonly args: LaunchArgs;
  readonly timeoutMs?: number;
  readonly sharedBytes?: number;
}

let jobUrl: Promise<string> | undefined;

/** The URL of the job, in JavaScript. */
export function urlOfJob(): Promise<string> {
  jobUrl ??= bundle('test/support/processes/launchJob.ts', 'launchJob').then((file) => {
    return pathToFileURL(file).href;
  });
  return jobUrl;
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
