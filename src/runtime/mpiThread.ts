// The thread that speaks MPI for a main thread: it joins the other processes, tells them what main
// has to tell, and leaves. While steps run it is silent, since then the first worker exchanges.

import { type MessagePort, workerData } from 'node:worker_threads';
import { RunError } from '../base/errors.ts';
import { bindMpi } from '../mpi/calls.ts';
import { loadMpiAgain } from '../mpi/library.ts';
import { MAIN_TAG, MpiTransport, messageOf } from '../mpi/mpiTransport.ts';
import type { Messages } from '../sync/transport.ts';
import { exposeApi } from './control.ts';

/** What the thread is started with. */
export interface MpiThreadData {
  readonly port: MessagePort;
  /** The library that main has loaded. */
  readonly file: string;
  /** Its only word becomes 1 when MPI is left, for a main thread that can no longer listen. */
  readonly left: Int32Array<SharedArrayBuffer>;
}

/** Who is there. */
export interface Joined {
  readonly process: number;
  readonly processes: number;
  /** Of this process. */
  readonly host: string;
}

export interface MpiThreadApi {
  /** Joins all others, and waits for them as long as it takes. */
  join(): Joined;
  /** The bytes that each process gives. */
  allGather(bytes: Uint8Array, timeoutMs: number): readonly Uint8Array[];
  /** Tells all others why this process goes no further. */
  fail(reason: string): void;
  /** Leaves together with all others. */
  leave(timeoutMs: number): void;
}

/** The whole life of the thread. */
export function serveMpi(): void {
  const { port, file, left } = workerData as MpiThreadData;
  const library = loadMpiAgain(file);
  const calls = bindMpi(library);
  let transport: MpiTransport | undefined;

  const exchange = (messages: Messages, what: string, timeoutMs: number): void => {
    const prepared = transport!.prepare(messages);
    transport!.start(prepared);
    const untilMs = performance.now() + timeoutMs;
    for (let turn = 1; !transport!.test(prepared); turn++) {
      const failure = transport!.readFailure();
      if (failure !== undefined) {
        throw new RunError({ reason: `process ${failure.process} broke off: ${failure.reason}` });
      }
      if (performance.now() > untilMs) {
        const reason = `the other processes did not come to ${what} within ${timeoutMs} ms.`;
        throw new RunError({ reason });
      }
      transport!.pause(turn);
    }
    transport!.release(prepared);
  };

  const allGather = (bytes: Uint8Array, timeoutMs: number): readonly Uint8Array[] => {
    const { process, processes } = transport!;
    const all = Array.from({ length: processes }, (_, of) => of);
    const others = all.filter((of) => of !== process);
    const size = messageOf(process, Float64Array.BYTES_PER_ELEMENT).bytes;
    new Float64Array(size.buffer)[0] = bytes.length;
    const sizes = all.map((of) => messageOf(of, Float64Array.BYTES_PER_ELEMENT));
    exchange(
      {
        sends: others.map((of) => ({ process: of, bytes: size })),
        receives: others.map((of) => sizes[of]!),
      },
      'the comparison of sizes',
      timeoutMs,
    );
    const own = messageOf(process, bytes.length).bytes;
    own.set(bytes);
    const received = sizes.map((message, of) =>
      of === process ? own : messageOf(of, new Float64Array(message.bytes.buffer)[0]!).bytes,
    );
    exchange(
      {
        sends: others.map((of) => ({ process: of, bytes: own })),
        receives: others.map((of) => ({ process: of, bytes: received[of]! })),
      },
      'the exchange of main threads',
      timeoutMs,
    );
    return received.map((shared, of) => {
      const length = of === process ? bytes.length : new Float64Array(sizes[of]!.bytes.buffer)[0]!;
      return new Uint8Array(shared.subarray(0, length));
    });
  };

  exposeApi<MpiThreadApi>(
    port,
    {
      join() {
        calls.init();
        transport = new MpiTransport(library, MAIN_TAG);
        const { process, processes } = transport;
        return { process, processes, host: calls.processorName() };
      },
      allGather,
      fail: (reason) => transport?.fail(reason),
      leave(timeoutMs) {
        // Finalize waits for everybody, however long it takes: first see that all are coming.
        allGather(new Uint8Array(), timeoutMs);
        calls.finalize();
        Atomics.store(left, 0, 1);
        Atomics.notify(left, 0);
      },
    },
    () => {},
  );
}
