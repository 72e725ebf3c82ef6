// The processes that an MPI launcher has started, as a network. A process joins MPI when its first
// run starts, and leaves it when the process ends.

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

/** How many timeouts processes wait for each other while data is loaded, states are written, and
 * processes join. */
const MAIN_PATIENCE = 3;
/** How long an ending process waits for the others. */
const LEAVE_TIMEOUT_MS = 20_000;
/** The same for a process that has failed: the others have already been told. */
const FAILED_LEAVE_TIMEOUT_MS = 3000;
/** Time limit for MPI to finalize after all processes have reached the end. MPICH 4.0 over TCP
 * never finalizes with three processes, even in C. */
const FINALIZE_TIMEOUT_MS = 2000;

/** What each process reports about itself. */
export interface ProcessFacts {
  readonly host: string;
  /** Cores that the process may use. */
  readonly cores: number;
  readonly coresOfHost: number;
}

/** A network over MPI. */
export interface MpiNetwork extends Network {
  readonly library: {
    readonly file: string;
    readonly family: string;
    readonly version: string;
    readonly launcher: string;
  };
  readonly facts: readonly ProcessFacts[];
  /** Measures exchanges between all processes. All of them must call it. */
  measure(sizeBytes: number): Promise<ExchangeTimes>;
}

let joined: Promise<MpiNetwork | undefined> | undefined;

/** The network of this process; undefined if it was not started by a launcher. `timeoutMs` is how
 * long a worker may go without progress; waits between processes are multiples of it. `missing`
 * returns what is known about processes that do not join. */
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

/** Detectable problems of the setup. */
function noticesOn(facts: readonly ProcessFacts[]): readonly string[] {
  const bound = facts.findIndex(({ cores, coresOfHost }) => cores === 1 && coresOfHost > 1);
  if (bound < 0) return [];
  const { host, coresOfHost } = facts[bound]!;
  return [
    `Process ${bound} may use one of the ${coresOfHost} cores of ${host}: its launcher binds it. ` +
      'mpirun --bind-to none does not.',
  ];
}

/** The cores that one of several processes on a host may use. */
function coresFor({ localSize }: Launcher): number {
  const cores = availableParallelism();
  // A launcher that binds processes has already shared out the cores.
  if (cores < cpus().length) return cores;
  return Math.max(1, Math.floor(cores / (localSize ?? 1)));
}

function wrongLauncher(launcher: Launcher, library: MpiLibrary, found: number): UsageError {
  return new UsageError({
    what: `MPI, started by ${launcher.name}`,
    problem:
      `reports ${launcher.size} processes, but ${library.file} ` +
      `(${library.abi.family}) finds ${found}: the launcher is not from the library's MPI`,
    hint: "the library's own mpirun, or SYNCBN_MPI=/path/to/the/launcher's/library",
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
        const late = `MPI: not all processes joined within ${timeoutMs} ms`;
        console.error(`${[late, ...missing()].join('; ')}.`);
        // A thread inside MPI_Init blocks every other way to end.
        process.kill(process.pid, 'SIGKILL');
      });
      const found = await call((remote) => remote.join());
      cancel();
      return found;
    },
  };

  /** Ends the process, together with the others if they reach the end, otherwise immediately for
   * all. */
  function end(code: number, isBusy: boolean): void {
    const timeoutMs = code === 0 ? LEAVE_TIMEOUT_MS : FAILED_LEAVE_TIMEOUT_MS;
    if (!isBusy) {
      void api.leave(timeoutMs);
      Atomics.wait(left, 0, Leaving.none, timeoutMs);
      Atomics.wait(left, 0, Leaving.all, FINALIZE_TIMEOUT_MS);
    }
    if (left[0] === Leaving.done) return;
    // If MPI does not finalize, all other processes have reached the end, too, and there may be
    // nothing left to abort.
    if (left[0] === Leaving.all) calls.exit(code);
    calls.abort(code === 0 ? 1 : code);
  }
}
