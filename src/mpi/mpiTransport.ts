// Messages over MPI, as persistent requests that are created once and started repeatedly. Nothing
// here blocks: a waiting thread polls, and yields its core in between. Only one thread at a time is
// in MPI.

import type { Message, Messages, Transport, TransportFailure } from '../sync/transport.ts';
import { allocateRequests, bindMpi, type MpiCalls, type Requests } from './calls.ts';
import type { MpiLibrary } from './library.ts';
import { enterMpi, leaveMpi, type MpiLock } from './lock.ts';

/** Tags separate the messages of different threads. */
export const MAIN_TAG = 1;
const FAILURE_TAG = 2;
/** Tags of the first worker's links in training, in order. */
export const FIRST_LINK_TAG = 3;
/** Tags of groups, in order. */
export const FIRST_GROUP_TAG = 64;
/** Every library supports tags up to this. */
export const MAX_TAG = 32_767;

const REASON_BYTES = 2048;
/** Polls in a row before the core is yielded; after that, it is yielded after each poll. */
const LOOKS_BEFORE_YIELD = 20;
/** Polls (a few milliseconds) before a wait sleeps between them. */
const LOOKS_BEFORE_NAP = 20_000;
const NAP_MS = 1;
/** How long a failing process tries to tell the others. */
const FAIL_MS = 1000;

/** One thread's messages with one tag. */
export class MpiTransport implements Transport {
  readonly process: number;
  readonly processes: number;
  private readonly library: MpiLibrary;
  private readonly calls: MpiCalls;
  private readonly tag: number;
  private readonly lock: MpiLock;
  /** Keeps the messages, so that their bytes are not collected in the meantime. */
  private readonly prepared: ({ requests: Requests; messages: Messages } | undefined)[] = [];
  private readonly napWord = new Int32Array(new SharedArrayBuffer(4));
  private readonly reason = new Uint8Array(new SharedArrayBuffer(REASON_BYTES));

  constructor(library: MpiLibrary, tag: number, lock: MpiLock) {
    this.library = library;
    this.calls = bindMpi(library);
    this.tag = tag;
    this.lock = lock;
    this.process = this.within(() => this.calls.rank());
    this.processes = this.within(() => this.calls.size());
  }

  prepare(messages: Messages): number {
    const { calls, tag } = this;
    const { sends, receives } = messages;
    const requests = allocateRequests(this.library, sends.length + receives.length);
    this.within(() => {
      for (const [i, { process, bytes }] of receives.entries()) {
        calls.receiveInit(bytes, process, tag, requests, i);
      }
      for (const [i, { process, bytes }] of sends.entries()) {
        calls.sendInit(bytes, process, tag, requests, receives.length + i);
      }
    });
    return this.prepared.push({ requests, messages }) - 1;
  }

  start(prepared: number): void {
    enterMpi(this.lock, this.calls.yield);
    try {
      this.calls.startAll(this.prepared[prepared]!.requests);
    } finally {
      leaveMpi(this.lock);
    }
  }

  test(prepared: number): boolean {
    return this.isOver(this.prepared[prepared]!.requests);
  }

  release(prepared: number): void {
    this.within(() => this.calls.free(this.prepared[prepared]!.requests));
    this.prepared[prepared] = undefined;
  }

  pause(turn: number): void {
    if (turn <= LOOKS_BEFORE_YIELD) return;
    if (turn <= LOOKS_BEFORE_NAP) this.calls.yield();
    else Atomics.wait(this.napWord, 0, 0, NAP_MS);
  }

  fail(reason: string): void {
    const { calls, process, processes } = this;
    const text = new TextEncoder().encode(reason).subarray(0, REASON_BYTES - 1);
    // The rest stays 0, so that readers know where the text ends.
    this.reason.fill(0);
    this.reason.set(text);
    const requests = allocateRequests(this.library, processes - 1);
    this.within(() => {
      for (let other = 0, at = 0; other < processes; other++) {
        if (other !== process) calls.sendInit(this.reason, other, FAILURE_TAG, requests, at++);
      }
      calls.startAll(requests);
    });
    const untilMs = performance.now() + FAIL_MS;
    while (!this.isOver(requests) && performance.now() < untilMs) calls.yield();
  }

  /** Receives the message, so that only one thread of this process has it. */
  readFailure(): TransportFailure | undefined {
    return this.within(() => {
      const process = this.calls.probe(FAILURE_TAG);
      if (process === undefined) return undefined;
      this.calls.receive(this.reason, process, FAILURE_TAG);
      const text = this.reason.slice(0, this.reason.indexOf(0));
      return { process, reason: new TextDecoder().decode(text) };
    });
  }

  /** Whether its main thread has sent a message, which it does only when no worker is running. */
  hasFinished(process: number): boolean {
    return this.within(() => this.calls.probe(MAIN_TAG, process) !== undefined);
  }

  /** Takes the lock from a terminated thread. Only for the last thread that is left. */
  takeOver(): void {
    leaveMpi(this.lock);
  }

  private isOver(requests: Requests): boolean {
    enterMpi(this.lock, this.calls.yield);
    try {
      return this.calls.testAll(requests);
    } finally {
      leaveMpi(this.lock);
    }
  }

  /** Calls MPI while no other thread does. Unlike what runs in steps, it allocates. */
  private within<T>(use: () => T): T {
    enterMpi(this.lock, this.calls.yield);
    try {
      return use();
    } finally {
      leaveMpi(this.lock);
    }
  }
}

/** A message with memory that does not move. */
export function messageOf(process: number, sizeBytes: number): Message {
  return { process, bytes: new Uint8Array(new SharedArrayBuffer(Math.max(1, sizeBytes))) };
}
