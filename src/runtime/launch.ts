// launch: runs a module of the caller's on every core, as one group. It is to threads what torchrun
// is to processes. The worker's side is launchWorker.ts.

import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ResourceLimits } from 'node:worker_threads';
import { RunError, UsageError } from '../base/errors.ts';
import { importFailure } from '../base/importing.ts';
import { ownFile } from '../base/ownFile.ts';
import { isObject, optionsSchema, parseOptions } from '../base/parse.ts';
import { accept, wholeNumber } from '../base/values.ts';
import { compileCollectiveKernels } from '../kernels/load.ts';
import { createGroupMemory } from '../sync/memory.ts';
import { DEFAULT_TIMEOUT_MS } from '../sync/words.ts';
import { startGang } from './gang.ts';
import type { LaunchApi, LaunchData } from './launchWorker.ts';

export interface LaunchOptions {
  /** How many threads. Default: as many as there are cores. */
  readonly workers?: number;
  /** What each job gets as `args`; posted, so functions are not possible and shared memory is
   * shared. */
  readonly args?: unknown;
  /** How long a member of the group waits for the others before the run is aborted. Default
   * 60_000. */
  readonly timeoutMs?: number;
  /** How long the threads may take to load the module and get ready. Default 30_000 for each thread
   * that a core has to start. */
  readonly startTimeoutMs?: number;
  /** How long the jobs may take before the run is aborted and their threads are ended. Default:
   * forever, since what a job does between two collectives is its own business. */
  readonly jobTimeoutMs?: number;
  /** Room for the group's `allocate` and `split`, in bytes. Default 268_435_456 (256 MiB), of which
   * the system hands out only what is used. */
  readonly sharedBytes?: number;
  /** Limits of each thread's own memory, as for `Worker`. A thread that exceeds them ends, and the
   * run with it. */
  readonly resourceLimits?: ResourceLimits;
}

/** More threads than this only wait for each other. */
const MAX_WORKERS = 256;

const LAUNCH = "launch(new URL('./job.mjs', import.meta.url), { workers: 4 })";

/** The most of each limit in MiB; a stack beyond this ends the process, not the thread. */
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

/** Runs the default export of a module on every worker, with `{ rank, worldSize, group, args }`,
 * and gives the results in rank order. `module` is a URL or a path relative to the current
 * directory. Throws a UsageError when it cannot be loaded or has no default function, and a
 * RunError that names the rank when a job throws, dies, or leaves the others waiting. When it
 * settles, all threads are gone. */
export async function launch<T = unknown>(
  module: URL | string,
  options: LaunchOptions = {},
): Promise<T[]> {
  const moduleUrl = toUrl(module);
  const given = parseOptions('launch', launchSchema, options, { example: LAUNCH });
  const { args, timeoutMs = DEFAULT_TIMEOUT_MS, sharedBytes, resourceLimits } = given;
  const { workers = Math.min(availableParallelism(), MAX_WORKERS) } = given;
  const { startTimeoutMs, jobTimeoutMs } = given;
  const memory = createGroupMemory(workers, {
    timeoutMs,
    ...(sharedBytes !== undefined && { sharedBytes }),
  });
  const kernels = compileCollectiveKernels();
  const gang = await startGang<LaunchApi, LaunchData>({
    workers,
    entry: ownFile('#workers/launch.js'),
    words: memory.words,
    dataOf: () => ({ moduleUrl, memory, kernels, args }),
    ...(resourceLimits !== undefined && { resourceLimits }),
    ...(startTimeoutMs !== undefined && { startTimeoutMs }),
  }).catch((error: unknown) => explain(error, moduleUrl));
  const callOptions = jobTimeoutMs === undefined ? {} : { timeoutMs: jobTimeoutMs };
  try {
    return (await gang.callAll((api) => api.run(), callOptions)) as T[];
  } finally {
    await gang.close();
  }
}

/** Only `args` can be what the start could not post, and only the module, or what it imports, what
 * Node could not load. */
function explain(error: unknown, moduleUrl: string): never {
  if (!(error instanceof RunError && error.cause instanceof Error)) throw error;
  const { name, message } = error.cause;
  if (name === 'DataCloneError') {
    const allowed = 'what can be posted to a thread';
    throw new UsageError({ what: 'args', given: message, allowed });
  }
  // A syntax error in CommonJS that a module imports ends the thread, past any try.
  const failure = importFailure(error.cause);
  if (failure.hint === undefined) throw error;
  const details = { what: `the module of launch, ${moduleUrl},`, ...failure };
  throw Object.assign(new UsageError(details), { cause: error.cause });
}

/** URLs stay as they are; anything else is a path. A drive letter is not a scheme. */
function toUrl(module: unknown): string {
  if (module instanceof URL) return module.href;
  if (typeof module !== 'string' || module === '' || module.includes('\0')) {
    const allowed = 'a URL or the path of a module with a default function';
    throw new UsageError({ what: 'the module of launch', given: module, allowed, hint: LAUNCH });
  }
  return /^[a-z][a-z0-9+.-]+:/i.test(module) ? module : pathToFileURL(resolve(module)).href;
}
