// The thread that speaks MPI for a main thread: it joins the other processes, tells them what main
// has to tell, and leaves. While workers are at work it is silent: they exchange then, and take a
// message from another process's main thread to mean that its workers have finished.

import { type MessagePort, workerData } from 'node:worker_threads';
import { RunError } from '../base/errors.ts';
import { bindMpi } from '../mpi/calls.ts';
import { loadMpiAgain } from '../mpi/library.ts';
import type { MpiLock } from '../mpi/lock.ts';
import { MAIN_TAG, MpiTransport, messageOf } from '../mpi/mpiTransport.ts';
import type { Message } from '../sync/transport.ts';
import { exposeApi } from './control.ts';

/** What the thread is started with. */
export interface MpiThreadData {
  readonly port: MessagePort;
  /** The library that main has loaded. */
  readonly file: string;
  readonly lock: MpiLock;
  /** Its only word is how far this process has left, for a main thread that can no longer
   * listen. */
  readonly left: Int32Array<SharedArrayBuffer>;
}

/** How far a process has left: not at all, all processes have come to the end, MPI has let go. */
export const Leaving = { none: 0, all: 1, done: 2 } as const;

/** Who is there. */
export interface Joined {
  readonly process: number;
  readonly processes: number;
  /** Of this process. */
  readonly host: string;
  /** What the library says of itself. */
  readonly version: string;
}

/** How long an exchange of all processes takes, in microseconds. */
export interface ExchangeTimes {
  readonly sizeBytes: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
}

export interface MpiThreadApi {
  /** Joins all others, and waits for them as long as it takes. */
  join(): Joined;
  /** The bytes that each process gives. */
  allGather(bytes: Uint8Array, patience: Patience): readonly Uint8Array[];
  /** Measures exchanges in which each process sends so many bytes to each other one. */
  measure(sizeBytes: number, timeoutMs: number): ExchangeTimes;
  /** Tells all others why this process goes no further. */
  fail(reason: string): void;
  /** Leaves together with all others. */
  leave(timeoutMs: number): void;
}

/** The whole life of the thread. */
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
        // Finalize has no timeout: make sure that all processes are here, failed ones too.
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

/** The bytes of all processes: first how many, then which. */
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

/** How long to wait for other processes, and what errors call them. */
export interface Patience {
  readonly timeoutMs: number;
  /** The host of each process, as far as known. */
  readonly hosts?: readonly string[];
  /** Whether it does not matter any more what has failed. */
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
  // One by one, so that it is known who is late.
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

/** Waits until all that was started has ended; `names` are the processes of each. */
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
    // What has ended once is ended for good, so the first that has not is the next to look at.
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

/** The error of having waited too long, which names all that have not come. */
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

/** What errors call a process. */
function nameOf(process: number, { hosts = [] }: Patience): string {
  const host = hosts[process];
  return host === undefined ? `process ${process}` : `process ${process} on ${host}`;
}

/** So long is measured, at most so often, after so many exchanges that are not. */
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
  // All have to make as many: the first process's guess is good enough for all.
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
