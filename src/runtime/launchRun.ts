// The main thread's side of a launch: the group's memory, the gang, and the jobs of this process,
// which may be one of several. It is loaded with the first launch.

import { availableParallelism } from 'node:os';
import { RunError, type UsageDetails, UsageError } from '../base/errors.ts';
import { importFailure } from '../base/importing.ts';
import { ownFile } from '../base/ownFile.ts';
import { messageOf } from '../base/showError.ts';
import { compileCollectiveKernels } from '../kernels/load.ts';
import { createGroupMemory } from '../sync/memory.ts';
import { DEFAULT_TIMEOUT_MS } from '../sync/words.ts';
import { startGang } from './gang.ts';
import { type LaunchOptions, MAX_WORKERS } from './launch.ts';
import { findPlace, type LaunchPlace, runAmong } from './launchPlace.ts';
import type { LaunchApi, LaunchData } from './launchWorker.ts';
import { failingForAll, type Network } from './network.ts';

/** Why no launch can begin over a network: another one is running or has failed. */
const refusals = new WeakMap<Network, UsageDetails>();

const UNDER_WAY: UsageDetails = {
  what: 'launch over several processes',
  problem: 'cannot begin while another one is running',
  hint: 'one after the other',
};

/** Launches in this process alone, or as one of the processes of a network. */
export async function launchOn(
  network: Network | undefined,
  moduleUrl: string,
  options: LaunchOptions,
): Promise<unknown[]> {
  if (network === undefined) {
    const { workers = Math.min(availableParallelism(), MAX_WORKERS) } = options;
    return runJobs(moduleUrl, options, { worldSize: workers, workers });
  }
  const refusal = refusals.get(network);
  if (refusal !== undefined) throw new UsageError(refusal);
  refusals.set(network, UNDER_WAY);
  try {
    const results = await failingForAll(network, () => runTogether(network, moduleUrl, options));
    refusals.delete(network);
    return results;
  } catch (error) {
    const problem = `has ended because one has failed (${messageOf(error)})`;
    refusals.set(network, { ...UNDER_WAY, problem, hint: 'starting all processes again' });
    throw error;
  }
}

async function runTogether(
  network: Network,
  moduleUrl: string,
  options: LaunchOptions,
): Promise<unknown[]> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, sharedBytes } = options;
  const { workers = Math.min(network.cores, MAX_WORKERS) } = options;
  const settings = { timeoutMs: `${timeoutMs}`, sharedBytes: `${sharedBytes ?? 'the default'}` };
  const place = await findPlace(network, { workers, moduleUrl, settings });
  network.isBusy = true;
  try {
    return await runJobs(moduleUrl, options, {
      worldSize: place.worldSize,
      workers,
      together: { network, place },
    });
  } finally {
    network.isBusy = false;
  }
}

/** The workers of this process in their world. */
interface Crowd {
  readonly worldSize: number;
  readonly workers: number;
  readonly together?: { readonly network: Network; readonly place: LaunchPlace };
}

/** Runs the jobs of this process, and returns their results, or those of all processes. */
async function runJobs(
  moduleUrl: string,
  options: LaunchOptions,
  { worldSize, workers, together }: Crowd,
): Promise<unknown[]> {
  const { args, timeoutMs = DEFAULT_TIMEOUT_MS, sharedBytes, resourceLimits } = options;
  const { startTimeoutMs, jobTimeoutMs } = options;
  const memory = createGroupMemory(worldSize, {
    timeoutMs,
    ...(sharedBytes !== undefined && { sharedBytes }),
    ...together?.place.options,
  });
  const kernels = compileCollectiveKernels();
  const world = together?.place.setup;
  const gang = await startGang<LaunchApi, LaunchData>({
    workers,
    entry: ownFile('#workers/launch.js'),
    words: memory.words,
    firstRank: together?.place.firstRank ?? 0,
    dataOf: () => ({ moduleUrl, memory, kernels, args, world }),
    ...(resourceLimits !== undefined && { resourceLimits }),
    ...(startTimeoutMs !== undefined && { startTimeoutMs }),
  }).catch((error: unknown) => explain(error, moduleUrl));
  const callOptions = jobTimeoutMs === undefined ? {} : { timeoutMs: jobTimeoutMs };
  const run = (): Promise<unknown[]> => gang.callAll((api) => api.run(), callOptions);
  try {
    return together === undefined ? await run() : await runAmong(together, memory.words, run);
  } finally {
    await gang.close();
  }
}

/** If the start could not post something, it was `args`. If Node could not load something, it was
 * the module or one of its imports. */
function explain(error: unknown, moduleUrl: string): never {
  if (!(error instanceof RunError && error.cause instanceof Error)) throw error;
  const { name, message } = error.cause;
  if (name === 'DataCloneError') {
    const allowed = 'what can be posted to a thread';
    throw new UsageError({ what: 'args', given: message, allowed });
  }
  // A syntax error in CommonJS that a module imports ends the thread and cannot be caught.
  const failure = importFailure(error.cause);
  if (failure.hint === undefined) throw error;
  const details = { what: `the module of launch, ${moduleUrl},`, ...failure };
  throw Object.assign(new UsageError(details), { cause: error.cause });
}
