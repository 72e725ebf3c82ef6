// The thread that calls MPI for the main thread: it joins the other processes, exchanges messages
// with them, and leaves. It is silent while workers run. They make exchanges then, and treat a
// message from another process's main thread as a sign that its workers have finished.

import { type MessagePort, workerData } from 'node:worker_threads';
import { RunError } from '../base/errors.ts';
import { bindMpi } from '../mpi/calls.ts';
import { loadMpiAgain } from '../mpi/library.ts';
import type { MpiLock } from '../mpi/lock.ts';
import { MAIN_TAG, MpiTransport, messageOf } from '../mpi/mpiTransport.ts';
import type { Message } from '../sync/transport.ts';
import { exposeApi } from './control.ts';

/** Startup data of the thread. */
export interface MpiThreadData {
  readonly port: MessagePort;
  /** The library that the main thread has loaded. */
  readonly file: string;
  readonly lock: MpiLock;
  /** One word that says how far this process has left, for a main thread that can no longer receive
   * messages. */
  readonly left: Int32Array<SharedArrayBuffer>;
}

/** How far a process has left: not begun, all processes have reached the end, MPI is finalized. */
export const Leaving = { none: 0, all: 1, done: 2 } as const;

/** The processes that have joined. */
export interface Joined {
  readonly process: number;
  readonly processes: number;
  /** Host of each process. */
  readonly host: string;
  /** The library's version string. */
  readonly version: string;
}

/** Duration of an exchange between all processes, in microseconds. */
export interface ExchangeTimes {
  readonly sizeBytes: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
}

export interface MpiThreadApi {
  /** Joins all other processes. Waits without a time limit. */
  join(): Joined;
  /** The bytes from each process. */
  allGather(bytes: Uint8Array, patience: Patience): readonly Uint8Array[];
  /** Measures exchanges of this many bytes from each process to every other. */
  measure(sizeBytes: number, timeoutMs: number): ExchangeTimes;
  /** Tells all other processes why this one cannot continue. */
  fail(reason: string): void;
  /** Leaves MPI together with all others. */
  leave(timeoutMs: number): void;
}

/** Runs the thread from start to end. */
export function serveMpi(): void {
  const { port, file, lock, left } = workerData as MpiThreadData;
  const library = loadMpiAgain(file);
  const calls = bindMpi(library);
  let transport: MpiTransport | undefined;
  const tell = (leaving: number): void => {
    Atomics.store(left, 0, leaving);
    Atomics.notify(left, 0);
  };
  exposeApi<MpiThreadApi>(
    port,
    {
      join() {
        calls.init();
        transport = new MpiTransport(library, MAIN_TAG, lock);
        const { process, processes } = transport;
        return { process, processes, host: calls.processorName(), version: calls.version() };
      },
      allGather: (bytes, patience) => allGather(transport!, bytes, patience),
      measure: (sizeBytes, timeoutMs) => measure(transport!, sizeBytes, timeoutMs),
      fail(reason) {
        transport?.takeOver();
        transport?.fail(reason);
      },
      leave(timeoutMs) {
        transport!.takeOver();
        // Finalize has no timeout, so make sure that all processes are here, including failed ones.
        const own = messageOf(transport!.process, 0).bytes;
        exchange(transport!, own, { sizeOf: () => 0, timeoutMs, isLast: true });
        tell(Leaving.all);
        calls.finalize();
        tell(Leaving.done);
      },
    },
    () => {},
  );
}

/** The bytes of all processes: first their sizes, then the contents. */
function allGather(
  transport: MpiTransport,
  bytes: Uint8Array,
  patience: Patience,
): readonly Uint8Array[] {
  const sizeBytes = Float64Array.BYTES_PER_ELEMENT;
  const size = messageOf(transport.process, sizeBytes).bytes;
  new Float64Array(size.buffer)[0] = bytes.length;
  const sizes = exchange(transport, size, { sizeOf: () => sizeBytes, ...patience }).map(
    (message) => new Float64Array(message.buffer)[0]!,
  );
  const own = messageOf(transport.process, bytes.length).bytes;
  own.set(bytes);
  const all = exchange(transport, own, { sizeOf: (of) => sizes[of]!, ...patience });
  return all.map((shared, of) => new Uint8Array(shared.subarray(0, sizes[of])));
}

/** How long to wait for other processes, and how errors name them. */
export interface Patience {
  readonly timeoutMs: number;
  /** The host of each process, if known. */
  readonly hosts?: readonly string[];
  /** Whether failures no longer matter. */
  readonly isLast?: boolean;
}

/** Sends the same bytes to all others and receives theirs. */
function exchange(
  transport: MpiTransport,
  own: Message['bytes'],
  of: Patience & { readonly sizeOf: (process: number) => number },
): readonly Message['bytes'][] {
  const { process, processes } = transport;
  const all = Array.from({ length: processes }, (_, other) =>
    other === process ? { process, bytes: own } : messageOf(other, of.sizeOf(other)),
  );
  const others = all.filter((message) => message.process !== process);
  // One by one, to know which processes are late.
  const prepared = others.map((message) =>
    transport.prepare({
      sends: [{ process: message.process, bytes: own }],
      receives: [message],
    }),
  );
  for (const one of prepared) transport.start(one);
  awaitAll(
    transport,
    prepared,
    others.map((message) => message.process),
    of,
  );
  for (const one of prepared) transport.release(one);
  return all.map(({ bytes }) => bytes);
}

/** Waits until all started operations have completed; `names` are the processes of each. */
function awaitAll(
  transport: MpiTransport,
  started: readonly number[],
  names: readonly number[],
  patience: Patience,
): void {
  const { timeoutMs, isLast = false } = patience;
  const untilMs = performance.now() + timeoutMs;
  let done = 0;
  for (let turn = 1; done < started.length; turn++) {
    // A completed operation stays completed, so only the first open one needs to be tested.
    while (done < started.length && transport.test(started[done]!)) done++;
    if (done === started.length) return;
    const failure = isLast ? undefined : transport.readFailure();
    if (failure !== undefined) {
      const { process: from, reason } = failure;
      const name = nameOf(from, patience);
      throw new RunError({ reason: `${name} failed: ${reason}`, process: from });
    }
    if (performance.now() > untilMs) throw late(transport, started, names, patience);
    transport.pause(turn);
  }
}

/** The error of a timeout, which names all processes that are late. */
function late(
  transport: MpiTransport,
  started: readonly number[],
  names: readonly number[],
  patience: Patience,
): RunError {
  const missing = names.filter((_, i) => !transport.test(started[i]!));
  const named = missing.map((process) => nameOf(process, patience));
  const reason = `${named.join(' and ')} did not come within ${patience.timeoutMs} ms.`;
  return new RunError({ reason, ...(missing.length > 0 && { process: missing[0]! }) });
}

/** How errors name a process. */
function nameOf(process: number, { hosts = [] }: Patience): string {
  const host = hosts[process];
  return host === undefined ? `process ${process}` : `process ${process} on ${host}`;
}

/** Length of the measurement, the most exchanges measured, and the number of warm-up exchanges
 * before it. */
const MEASURED_MS = 400;
const MEASURED_ROUNDS = 2000;
const WARM_UP_ROUNDS = 20;

function measure(transport: MpiTransport, sizeBytes: number, timeoutMs: number): ExchangeTimes {
  const { process, processes } = transport;
  const others = Array.from({ length: processes }, (_, of) => of).filter((of) => of !== process);
  const prepared = transport.prepare({
    sends: others.map((of) => messageOf(of, sizeBytes)),
    receives: others.map((of) => messageOf(of, sizeBytes)),
  });
  const round = (): number => {
    const fromMs = performance.now();
    transport.start(prepared);
    awaitAll(transport, [prepared], [others[0]!], { timeoutMs });
    return (performance.now() - fromMs) * 1000;
  };
  let warmUp = 0;
  for (let i = 0; i < WARM_UP_ROUNDS; i++) warmUp = round();
  // All processes must make equally many exchanges, so all use the first process's estimate.
  const guess = new Float64Array([Math.max(1, warmUp)]);
  const [first] = allGather(transport, new Uint8Array(guess.buffer), { timeoutMs });
  const [oneUs] = new Float64Array(first!.buffer);
  const rounds = Math.max(5, Math.min(MEASURED_ROUNDS, Math.floor((MEASURED_MS * 1000) / oneUs!)));
  const times = Float64Array.from({ length: rounds }, round).sort();
  transport.release(prepared);
  const at = (share: number): number => times[Math.floor(share * (rounds - 1))]!;
  const mean = times.reduce((sum, us) => sum + us, 0) / rounds;
  return { sizeBytes, mean, p50: at(0.5), p99: at(0.99) };
}
