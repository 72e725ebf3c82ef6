// launch: runs the caller's module on every core, as one group. Under an MPI launcher, the group
// spans its processes. It is to threads what torchrun is to processes. This file checks the
// arguments; launchRun.ts runs the launch, launchWorker.ts is the worker's side, and launchPlace.ts
// has the messages between processes.

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isMainThread, type ResourceLimits } from 'node:worker_threads';
import { UsageError } from '../base/errors.ts';
import { isObject, optionsSchema, parseOptions } from '../base/parse.ts';
import { accept, wholeNumber } from '../base/values.ts';
import { findLauncher } from '../mpi/launcher.ts';

/** The options of {@link launch}. */
export interface LaunchOptions {
  /** Number of threads in this process. Default: one per core. If several processes share a host,
   * this process's share of the cores. */
  readonly workers?: number;
  /** Passed to each job of this process as `args`. It is posted, so functions are not possible, and
   * shared memory is shared. */
  readonly args?: unknown;
  /** How long a group member waits for the others before the run is aborted; 1.5 times as long for
   * members in other processes. Default 60_000. */
  readonly timeoutMs?: number;
  /** How long the threads may take to load the module and get ready. Default 30_000 for each thread
   * that a core has to start. */
  readonly startTimeoutMs?: number;
  /** How long the jobs may take before the run is aborted and their threads are ended. Default:
   * forever, since the work between two collectives may take any time. */
  readonly jobTimeoutMs?: number;
  /** Memory for the group's `allocate` and `split` in each process, in bytes. Default 268_435_456
   * (256 MiB). The system commits only the part that is used. */
  readonly sharedBytes?: number;
  /** Limits of each thread's own memory, as for `Worker`. A thread that exceeds them ends and
   * aborts the run. Default: Node's limits. */
  readonly resourceLimits?: ResourceLimits;
}

/** More threads than this would only wait for each other. */
export const MAX_WORKERS = 256;

const LAUNCH = "launch(new URL('./job.mjs', import.meta.url), { workers: 4 })";

/** Upper bound of each limit in MiB. A larger stack would end the process rather than the
 * thread. */
const MAX_LIMITS = new Map([
  ['maxOldGenerationSizeMb', 2 ** 20],
  ['maxYoungGenerationSizeMb', 2 ** 20],
  ['codeRangeSizeMb', 2 ** 10],
  ['stackSizeMb', 64],
]);
const LIMITS = `limits from 1, such as stackSizeMb up to 64: ${[...MAX_LIMITS.keys()].join(', ')}`;

function isLimit([name, limit]: [string, unknown]): boolean {
  return typeof limit === 'number' && limit >= 1 && limit <= (MAX_LIMITS.get(name) ?? 0);
}

const launchSchema = optionsSchema<LaunchOptions>()({
  workers: wholeNumber(1, MAX_WORKERS).exactOptional(),
  args: accept<unknown>('anything', () => true).exactOptional(),
  timeoutMs: wholeNumber(1).exactOptional(),
  startTimeoutMs: wholeNumber(1).exactOptional(),
  jobTimeoutMs: wholeNumber(1).exactOptional(),
  sharedBytes: wholeNumber(0, 2 ** 32).exactOptional(),
  resourceLimits: accept<ResourceLimits>(LIMITS, (limits) => {
    return isObject(limits) && Object.entries(limits).every(isLimit);
  }).exactOptional(),
});

/** Runs a module's default export on every worker with `{ rank, worldSize, group, args }`, and
 * returns the results in rank order. `module` is a URL or a path relative to the current directory.
 * Throws a UsageError if it cannot be loaded or has no default function, and a RunError that names
 * the rank if a job throws, dies, or leaves the others waiting. All threads have ended when the
 * promise settles.
 *
 * Under `mpirun` or `srun`, all processes make the same call, and their workers form one group,
 * starting with those of process 0. Each process gets copies of all ranks' results. If anything
 * fails in one process, all of them throw an error that names the process and its host. In this
 * case, launch may be called only on main threads, one call at a time, and not again after it has
 * thrown.
 *
 * @example
 * await launch(new URL('./job.mjs', import.meta.url), { workers: 2 })
 */
export async function launch<T = unknown>(
  module: URL | string,
  options: LaunchOptions = {},
): Promise<T[]> {
  const moduleUrl = toUrl(module);
  const given = parseOptions('launch', launchSchema, options, { example: LAUNCH });
  const isShared = findLauncher(process.env) !== undefined;
  if (isShared && !isMainThread) {
    throw new UsageError({
      what: 'launch over several processes',
      given: 'a call in a worker thread',
      allowed: 'the main thread',
    });
  }
  const network = isShared
    ? await (await import('./mpiNetwork.ts')).joinProcesses(given.timeoutMs)
    : undefined;
  const { launchOn } = await import('./launchRun.ts');
  return (await launchOn(network, moduleUrl, given)) as T[];
}

/** URLs stay unchanged; anything else is a path. A drive letter is not a scheme. */
function toUrl(module: unknown): string {
  if (module instanceof URL) return module.href;
  if (typeof module !== 'string' || module === '' || module.includes('\0')) {
    const allowed = 'a URL or the path of a module with a default function';
    throw new UsageError({ what: 'the module of launch', given: module, allowed, hint: LAUNCH });
  }
  return /^[a-z][a-z0-9+.-]+:/i.test(module) ? module : pathToFileURL(resolve(module)).href;
}
