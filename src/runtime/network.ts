// This process among those that share a run, as its main thread sees it. What is exchanged within
// steps goes through the first worker's link (sync/link.ts). Here is what main threads tell each
// other before, between and after steps. All processes run the same program and make the same calls
// in the same order.

import { RunError } from '../base/errors.ts';
import { showError } from '../base/showError.ts';
import type { MpiLock } from '../mpi/lock.ts';
import type { TransportFault } from '../sync/faultyTransport.ts';
import { createMailboxes, type MemoryMailboxes, MemoryTransport } from '../sync/memoryTransport.ts';
import type { Gang } from './gang.ts';

/** What the first worker needs to open its transports, one for each link. It can be posted to its
 * thread. */
export type TransportSetup =
  | {
      readonly kind: 'memory';
      /** The mailboxes of each link. */
      readonly mailboxes: readonly MemoryMailboxes[];
      readonly process: number;
      readonly fault: TransportFault | undefined;
    }
  | {
      readonly kind: 'mpi';
      readonly file: string;
      readonly lock: MpiLock;
      readonly count: number;
    };

export interface Network {
  /** Whether workers are running, so that the first one may be in an exchange. */
  isBusy: boolean;
  readonly process: number;
  readonly processes: number;
  /** The host that each process runs on. */
  readonly hosts: readonly string[];
  /** Problems with how the processes were started. */
  readonly notices: readonly string[];
  /** The cores that each process on this host may use. */
  readonly cores: number;
  /** Opens one transport per link. Each capacity is the most bytes that go from one process to
   * another at once. */
  openTransports(capacitiesBytes: readonly number[]): Promise<TransportSetup>;
  /** The bytes from each process, in process order. This process's workers must be idle. */
  allGather(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** Tells all other processes why this one cannot continue. Its own threads must have ended. */
  fail(reason: string): Promise<void>;
}

/** How errors name the processes. */
export function processNames({ hosts }: Pick<Network, 'hosts'>): readonly string[] {
  return hosts.map((host, process) => `process ${process} on ${host}`);
}

/** The value of every process, as JSON. */
export async function gatherJson<T>(network: Network, value: T): Promise<readonly T[]> {
  const all = await network.allGather(new TextEncoder().encode(JSON.stringify(value)));
  return all.map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as T);
}

/** Tells all other processes why this one cannot continue, unless the error came from one of
 * them. */
export async function tellFailure(network: Network, error: unknown): Promise<void> {
  if (!isOfPeer(error)) await network.fail(showError(error));
}

/** Whether an error came from another process, or from waiting for one. */
export function isOfPeer(error: unknown): boolean {
  return error instanceof RunError && error.failure.process !== undefined;
}

/** Runs something that other processes wait for; if it fails, they are told. */
export async function failingForAll<T>(network: Network, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    await tellFailure(network, error);
    throw error;
  }
}

/** A gang that reports its failure to all processes once its threads have ended. */
export function failingTogether<Api>(gang: Gang<Api>, network: Network): Gang<Api> {
  const together = async <T>(running: Promise<T>): Promise<T> => {
    network.isBusy = true;
    try {
      return await running;
    } catch (error) {
      await gang.close();
      await tellFailure(network, error);
      throw error;
    } finally {
      network.isBusy = false;
    }
  };
  return {
    ...gang,
    call: (...args) => together(gang.call(...args)),
    callAll: (...args) => together(gang.callAll(...args)),
  };
}

/** Simulates several processes in this one, some of them with faults; for tests. */
export function memoryNetworks(
  processes: number,
  faults: Readonly<Record<number, TransportFault>> = {},
): readonly Network[] {
  const rounds: Round[] = [];
  let failure: RunError | undefined;
  const hosts = Array.from({ length: processes }, () => 'this host');
  const opened = new Map<number, readonly MemoryMailboxes[]>();
  return hosts.map((_, process) => {
    let calls = 0;
    let own: readonly MemoryMailboxes[] | undefined;
    const allGather = async (bytes: Uint8Array): Promise<readonly Uint8Array[]> => {
      if (failure !== undefined) throw failure;
      rounds[calls] ??= new Round(processes);
      const round = rounds[calls]!;
      calls++;
      const ends = (own ?? []).map((boxes) => new MemoryTransport(boxes, process));
      for (const end of ends) end.setFinished(true);
      const all = await round.give(process, bytes);
      for (const end of ends) end.setFinished(false);
      return all;
    };
    return {
      isBusy: false,
      process,
      processes,
      hosts,
      notices: [],
      cores: 1,
      allGather,
      async fail(reason) {
        for (const boxes of own ?? []) new MemoryTransport(boxes, process).fail(reason);
        const name = `process ${process} on ${hosts[process]}`;
        failure ??= new RunError({ reason: `${name} failed: ${reason}`, process });
        for (const round of rounds) round.fail(failure);
      },
      async openTransports(capacitiesBytes) {
        const run = calls;
        const all = await allGather(new Uint8Array(new Float64Array(capacitiesBytes).buffer));
        const given = all.map((bytes) => new Float64Array(new Uint8Array(bytes).buffer));
        const mailboxes =
          opened.get(run) ??
          capacitiesBytes.map((_, link) => {
            const most = Math.max(...given.map((capacities) => capacities[link]!));
            return createMailboxes(processes, most);
          });
        opened.set(run, mailboxes);
        own = mailboxes;
        return { kind: 'memory', mailboxes, process, fault: faults[process] };
      },
    };
  });
}

/** One collective call of all processes. */
class Round {
  private readonly given: (Uint8Array | undefined)[];
  private left: number;
  private readonly all: Promise<readonly Uint8Array[]>;
  private settle: (all: readonly Uint8Array[]) => void = () => {};
  /** Rejects the waits for other processes. */
  fail: (error: Error) => void = () => {};

  constructor(processes: number) {
    this.given = Array.from({ length: processes });
    this.left = processes;
    this.all = new Promise((resolve, reject) => {
      this.settle = resolve;
      this.fail = reject;
    });
    this.all.catch(() => {});
  }

  give(process: number, bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    this.given[process] = new Uint8Array(bytes);
    this.left--;
    if (this.left === 0) this.settle(this.given as Uint8Array[]);
    return this.all;
  }
}
