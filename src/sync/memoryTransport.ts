// A transport between threads that act as processes: messages go through mailboxes in shared
// memory. For tests, and for trying the protocol of several processes without MPI.

import { alignUp } from '../base/bytes.ts';
import { InvariantError } from '../base/errors.ts';
import type { Message, Messages, Transport, TransportFailure } from './transport.ts';

/** The mailboxes that all ends share. They can be posted to threads. */
export interface MemoryMailboxes {
  readonly processes: number;
  readonly buffer: SharedArrayBuffer;
  readonly capacityBytes: number;
}

// Words of each process: | doorbell | failed | bytes of the reason | finished |, then the reason.
// Then for each pair of processes two boxes, for even and odd exchanges: | number of exchange |,
// then bytes. A process can be at most one exchange ahead of another, since it needs the other's
// messages, so a box is read before it is written again.
const DOORBELL = 0;
const FAILED = 1;
const REASON_BYTES = 2;
const FINISHED = 3;
const HEAD_BYTES = 16;
const REASON_CAPACITY_BYTES = 1024;
const PROCESS_BYTES = HEAD_BYTES + REASON_CAPACITY_BYTES;
const PAUSE_MS = 1;
const LOOKS_BEFORE_PAUSE = 20;
/** The exchanges of each generation have separate numbers, up to 2 to the power of this. */
const GENERATION_BITS = 16;

/** Makes mailboxes for `processes` processes, each with space for one exchange of at most
 * `capacityBytes` bytes. */
export function createMailboxes(processes: number, leastBytes: number): MemoryMailboxes {
  const capacityBytes = alignUp(leastBytes, HEAD_BYTES);
  const boxBytes = HEAD_BYTES + capacityBytes;
  const sizeBytes = processes * PROCESS_BYTES + processes * processes * 2 * boxBytes;
  return { processes, buffer: new SharedArrayBuffer(sizeBytes), capacityBytes };
}

interface Copy {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** The boxes for messages to or from another process, in even and odd exchanges. */
interface Route {
  readonly other: number;
  readonly copies: readonly [readonly Copy[], readonly Copy[]];
}

interface Prepared {
  readonly sends: readonly Route[];
  readonly receives: readonly Route[];
}

/** One process's end of the mailboxes. */
export class MemoryTransport implements Transport {
  readonly process: number;
  readonly processes: number;
  private readonly mailboxes: MemoryMailboxes;
  private readonly heads: readonly Int32Array<SharedArrayBuffer>[];
  private readonly others: readonly number[];
  private readonly prepared: (Prepared | undefined)[] = [];
  /** The numbers of the exchanges in the boxes of each pair, by parity. */
  private readonly numbers: (from: number, to: number, parity: number) => Int32Array;
  /** Which processes' messages of the current exchange have been read. */
  private readonly isRead: Uint8Array;
  private sequence: number;
  private doorbell = 0;

  /** Mailboxes may be reused with another generation. */
  constructor(mailboxes: MemoryMailboxes, process: number, generation = 0) {
    const { processes, buffer } = mailboxes;
    this.sequence = generation << GENERATION_BITS;
    this.mailboxes = mailboxes;
    this.process = process;
    this.processes = processes;
    const all = Array.from({ length: processes }, (_, of) => of);
    this.heads = all.map((of) => new Int32Array(buffer, of * PROCESS_BYTES, HEAD_BYTES / 4));
    this.others = all.filter((of) => of !== process);
    this.isRead = new Uint8Array(processes);
    const boxes = all.map((from) =>
      all.map((to) =>
        [0, 1].map((parity) => new Int32Array(buffer, this.boxAt(from, to, parity), 1)),
      ),
    );
    this.numbers = (from, to, parity) => boxes[from]![to]![parity]!;
  }

  prepare({ sends, receives }: Messages): number {
    const { process } = this;
    const prepared: Prepared = {
      sends: this.othersOf(sends).map((other) => this.route(other, sends, process, other)),
      receives: this.othersOf(receives).map((other) => {
        return this.route(other, receives, other, process);
      }),
    };
    return this.prepared.push(prepared) - 1;
  }

  start(number: number): void {
    const { process } = this;
    this.sequence = (this.sequence + 1) | 0;
    const parity = this.sequence & 1;
    this.isRead.fill(0);
    for (const { other, copies } of this.prepared[number]!.sends) {
      for (const { from, to } of copies[parity]!) to.set(from);
      Atomics.store(this.numbers(process, other, parity), 0, this.sequence);
      this.ring(other);
    }
  }

  test(number: number): boolean {
    const { process, isRead } = this;
    const parity = this.sequence & 1;
    this.doorbell = Atomics.load(this.heads[process]!, DOORBELL);
    for (const { other, copies } of this.prepared[number]!.receives) {
      if (isRead[other] === 1) continue;
      if (Atomics.load(this.numbers(other, process, parity), 0) !== this.sequence) return false;
      for (const { from, to } of copies[parity]!) to.set(from);
      isRead[other] = 1;
    }
    return true;
  }

  release(number: number): void {
    this.prepared[number] = undefined;
  }

  pause(turn: number): void {
    if (turn <= LOOKS_BEFORE_PAUSE) return;
    Atomics.wait(this.heads[this.process]!, DOORBELL, this.doorbell, PAUSE_MS);
  }

  fail(reason: string): void {
    const text = new TextEncoder().encode(reason).subarray(0, REASON_CAPACITY_BYTES);
    const head = this.heads[this.process]!;
    this.reasonOf(this.process).set(text);
    head[REASON_BYTES] = text.length;
    Atomics.store(head, FAILED, 1);
    for (const other of this.others) this.ring(other);
  }

  readFailure(): TransportFailure | undefined {
    const process = this.others.find((other) => Atomics.load(this.heads[other]!, FAILED) === 1);
    if (process === undefined) return undefined;
    const text = this.reasonOf(process).slice(0, this.heads[process]![REASON_BYTES]);
    return { process, reason: new TextDecoder().decode(text) };
  }

  /** Tells all others whether the workers of this process have made their last call. */
  setFinished(isFinished: boolean): void {
    Atomics.store(this.heads[this.process]!, FINISHED, isFinished ? 1 : 0);
  }

  hasFinished(process: number): boolean {
    return Atomics.load(this.heads[process]!, FINISHED) === 1;
  }

  private othersOf(messages: readonly Message[]): readonly number[] {
    return this.others.filter((other) => messages.some(({ process }) => process === other));
  }

  private ring(process: number): void {
    Atomics.add(this.heads[process]!, DOORBELL, 1);
    Atomics.notify(this.heads[process]!, DOORBELL);
  }

  private reasonOf(process: number): Uint8Array {
    const atBytes = process * PROCESS_BYTES + HEAD_BYTES;
    return new Uint8Array(this.mailboxes.buffer, atBytes, REASON_CAPACITY_BYTES);
  }

  /** The address of a box. */
  private boxAt(from: number, to: number, parity: number): number {
    const { processes, capacityBytes } = this.mailboxes;
    const index = (from * processes + to) * 2 + parity;
    return processes * PROCESS_BYTES + index * (HEAD_BYTES + capacityBytes);
  }

  /** The route of messages between two processes through their boxes. */
  private route(other: number, messages: readonly Message[], from: number, to: number): Route {
    const { buffer, capacityBytes } = this.mailboxes;
    const isSent = from === this.process;
    const own = messages.filter(({ process }) => process === other);
    const sizeBytes = own.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (sizeBytes > capacityBytes) {
      throw new InvariantError('bytes of an exchange', sizeBytes, `at most ${capacityBytes}`);
    }
    const through = (parity: number): readonly Copy[] => {
      let atBytes = this.boxAt(from, to, parity) + HEAD_BYTES;
      return own.map(({ bytes }) => {
        const room = new Uint8Array(buffer, atBytes, bytes.length);
        atBytes += bytes.length;
        return isSent ? { from: bytes, to: room } : { from: room, to: bytes };
      });
    };
    return { other, copies: [through(0), through(1)] };
  }
}
