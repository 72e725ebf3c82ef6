// The processes that an MPI launcher has started, as a network. MPI is joined once, when the first
// run of a process starts, and left when the process ends.

import { availableParallelism, cpus } from 'node:os';
import { MessageChannel, Worker } from 'node:worker_threads';
import { type Remote, wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { UsageError } from '../base/errors.ts';
import { ownFile } from '../base/ownFile.ts';
import { afterRunning } from '../base/patience.ts';
import { bindMpi } from '../mpi/calls.ts';
import { findLauncher, type Launcher } from '../mpi/launcher.ts';
import { loadMpi, type MpiLibrary } from '../mpi/library.ts';
import { createLock, type MpiLock } from '../mpi/lock.ts';
import { DEFAULT_TIMEOUT_MS } from '../sync/words.ts';
import {
  type ExchangeTimes,
  type Joined,
  Leaving,
  type MpiThreadApi,
  type MpiThreadData,
} from './mpiThread.ts';
import { gatherJson, type Network } from './network.ts';
import { unpackError } from './thrown.ts';

/** How many timeouts processes wait for each other where data is loaded and states are written, and
 * where they join. */
const MAIN_PATIENCE = 3;
/** How long a process that ends waits for the others. */
const LEAVE_TIMEOUT_MS = 20_000;
/** The same for one that has failed: the others have been told. */
const FAILED_LEAVE_TIMEOUT_MS = 3000;
/** How long MPI may take to let go once all have come to the end. MPICH 4.0 over TCP never does
 * with three processes, in C either. */
const FINALIZE_TIMEOUT_MS = 2000;

/** What is known of one process. */
export interface ProcessFacts {
  readonly host: string;
  /** Those that it may use. */
  readonly cores: number;
  readonly coresOfHost: number;
}

/** A network by MPI. */
export interface MpiNetwork extends Network {
  readonly library: {
    readonly file: string;
    readonly family: string;
    readonly version: string;
    readonly launcher: string;
  };
  readonly facts: readonly ProcessFacts[];
  /** Measures exchanges of all processes, which all have to ask for. */
  measure(sizeBytes: number): Promise<ExchangeTimes>;
}

let joined: Promise<MpiNetwork | undefined> | undefined;

/** The network of this process; undefined where it was started alone. `timeoutMs` is how long a
 * worker may go without progress: the processes wait for each other by it. `missing` is asked what
 * is known of those that do not come. */
export function joinProcesses(
  timeoutMs = DEFAULT_TIMEOUT_MS,
  missing: () => readonly string[] = () => [],
): Promise<MpiNetwork | undefined> {
  joined ??= join(process.env, MAIN_PATIENCE * timeoutMs, missing);
  return joined;
}

async function join(
  environment: NodeJS.ProcessEnv,
  timeoutMs: number,
  missing: () => readonly string[],
): Promise<MpiNetwork | undefined> {
  const launcher = findLauncher(environment);
  if (launcher === undefined) return undefined;
  const library = loadMpi(launcher);
  const lock = createLock();
  const thread = startThread(library, lock);
  const { process: own, processes, host, version } = await thread.join(timeoutMs, missing);
  if (processes !== launcher.size) throw wrongLauncher(launcher, library, processes);
  const { file, abi } = library;
  const network: MpiNetwork = {
    library: { file, family: abi.family, version, launcher: launcher.name },
    facts: [],
    measure: (sizeBytes) => thread.call((api) => api.measure(sizeBytes, timeoutMs)),
    isBusy: false,
    process: own,
    processes,
    hosts: [],
    notices: [],
    cores: coresFor(launcher),
    openTransports: async ({ length }) => ({ kind: 'mpi', file, lock, count: length }),
    allGather: (bytes) =>
      thread.call((api) => api.allGather(bytes, { timeoutMs, hosts: network.hosts })),
    fail: (reason) => thread.call((api) => api.fail(reason)),
  };
  process.once('exit', (code) => thread.end(code, network.isBusy));
  const facts = await gatherJson<ProcessFacts>(network, {
    host,
    cores: availableParallelism(),
    coresOfHost: cpus().length,
  });
  const hosts = facts.map((one) => one.host);
  return Object.assign(network, { hosts, facts, notices: noticesOn(facts) });
}

/** What is wrong with the setup, as far as it shows. */
function noticesOn(facts: readonly ProcessFacts[]): readonly string[] {
  const bound = facts.findIndex(({ cores, coresOfHost }) => cores === 1 && coresOfHost > 1);
  if (bound < 0) return [];
  const { host, coresOfHost } = facts[bound]!;
  return [
    `Process ${bound} may use one of the ${coresOfHost} cores of ${host}: its launcher binds it. ` +
      'mpirun --bind-to none does not.',
  ];
}

/** The cores that a process of several on one host may use. */
function coresFor({ localSize }: Launcher): number {
  const cores = availableParallelism();
  // A launcher that binds has shared the cores out already.
  if (cores < cpus().length) return cores;
  return Math.max(1, Math.floor(cores / (localSize ?? 1)));
}

function wrongLauncher(launcher: Launcher, library: MpiLibrary, found: number): UsageError {
  return new UsageError({
    what: `MPI, started by ${launcher.name}`,
    problem:
      `says that there are ${launcher.size} processes, but ${library.file} ` +
      `(${library.abi.family}) finds ${found}: the launcher is of another MPI than the library`,
    hint: "the library's own mpirun, or SYNCBN_MPI=/path/to/the/library/of/the/launcher",
  });
}

interface MpiThread {
  join(timeoutMs: number, missing: () => readonly string[]): Promise<Joined>;
  call<T>(use: (api: Remote<MpiThreadApi>) => Promise<T>): Promise<T>;
  end(code: number, isBusy: boolean): void;
}

function startThread(library: MpiLibrary, lock: MpiLock): MpiThread {
  const { port1, port2 } = new MessageChannel();
  const left = new Int32Array(new SharedArrayBuffer(4));
  const workerData: MpiThreadData = { port: port2, file: library.file, lock, left };
  const worker = new Worker(ownFile('#workers/mpi.js'), { workerData, transferList: [port2] });
  const api = wrap<MpiThreadApi>(nodeEndpoint(port1));
  const calls = bindMpi(library);
  const died = new Promise<never>((_, reject) => {
    worker.once('error', (error) => reject(unpackError(error)));
  });
  died.catch(() => {});
  worker.unref();
  port1.unref();
  let open = 0;
  const call = async <T>(use: (api: Remote<MpiThreadApi>) => Promise<T>): Promise<T> => {
    open++;
    port1.ref();
    try {
      return await Promise.race([use(api), died]);
    } catch (error) {
      throw unpackError(error);
    } finally {
      open--;
      if (open === 0) port1.unref();
    }
  };
  return {
    call,
    end,
    async join(timeoutMs, missing) {
      const cancel = afterRunning(timeoutMs, () => {
        const late = `MPI: not all processes came within ${timeoutMs} ms`;
        console.error(`${[late, ...missing()].join('; ')}.`);
        // A thread within MPI_Init keeps any other end from coming.
        process.kill(process.pid, 'SIGKILL');
      });
      const found = await call((remote) => remote.join());
      cancel();
      return found;
    },
  };

  /** The end of the process: together with the others where they come, else at once for all. */
  function end(code: number, isBusy: boolean): void {
    const timeoutMs = code === 0 ? LEAVE_TIMEOUT_MS : FAILED_LEAVE_TIMEOUT_MS;
    if (!isBusy) {
      void api.leave(timeoutMs);
      Atomics.wait(left, 0, Leaving.none, timeoutMs);
      Atomics.wait(left, 0, Leaving.all, FINALIZE_TIMEOUT_MS);
    }
    if (left[0] === Leaving.done) return;
    // Where MPI does not let go at the end, all others have come there, too, and there may be
    // nothing left to abort.
    if (left[0] === Leaving.all) calls.exit(code);
    calls.abort(code === 0 ? 1 : code);
  }
}
