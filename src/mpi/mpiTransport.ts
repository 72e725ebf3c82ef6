// Messages by MPI: persistent requests, which are made once and started again and again. Nothing
// here blocks: who waits tests, and gives its core away in between.

import type { Message, Messages, Transport, TransportFailure } from '../sync/transport.ts';
import { allocateRequests, bindMpi, type MpiCalls, type Requests } from './calls.ts';
import type { MpiLibrary } from './library.ts';

/** Tags: what one thread sends is never taken for what another one waits for. */
export const MAIN_TAG = 1;
const FAILURE_TAG = 2;
/** Of the links of the first worker, one behind the other. */
export const FIRST_LINK_TAG = 3;

const REASON_BYTES = 2048;
/** So many looks in a row before the core is given away; then after each one. */
const LOOKS_BEFORE_YIELD = 20;
/** So many looks, which are milliseconds, before a wait sleeps between them. */
const LOOKS_BEFORE_NAP = 20_000;
const NAP_MS = 1;
/** How long a process that fails tries to tell the others. */
const FAIL_MS = 1000;

/** One thread's messages with one tag. */
export class MpiTransport implements Transport {
  readonly process: number;
  readonly processes: number;
  private readonly library: MpiLibrary;
  private readonly calls: MpiCalls;
  private readonly tag: number;
  /** With the messages, whose bytes must not be collected meanwhile. */
  private readonly prepared: ({ requests: Requests; messages: Messages } | undefined)[] = [];
  private readonly napWord = new Int32Array(new SharedArrayBuffer(4));
  private readonly reason = new Uint8Array(new SharedArrayBuffer(REASON_BYTES));

  constructor(library: MpiLibrary, tag: number) {
    this.library = library;
    this.calls = bindMpi(library);
    this.tag = tag;
    this.process = this.calls.rank();
    this.processes = this.calls.size();
  }

  prepare(messages: Messages): number {
    const { calls, tag } = this;
    const { sends, receives } = messages;
    const requests = allocateRequests(this.library, sends.length + receives.length);
    for (const [i, { process, bytes }] of receives.entries()) {
      calls.receiveInit(bytes, process, tag, requests, i);
    }
    for (const [i, { process, bytes }] of sends.entries()) {
      calls.sendInit(bytes, process, tag, requests, receives.length + i);
    }
    return this.prepared.push({ requests, messages }) - 1;
  }

  start(prepared: number): void {
    this.calls.startAll(this.prepared[prepared]!.requests);
  }

  test(prepared: number): boolean {
    return this.calls.testAll(this.prepared[prepared]!.requests);
  }

  release(prepared: number): void {
    this.calls.free(this.prepared[prepared]!.requests);
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
    // What is not text stays 0, so that readers know where it ends.
    this.reason.fill(0);
    this.reason.set(text);
    const requests = allocateRequests(this.library, processes - 1);
    for (let other = 0, at = 0; other < processes; other++) {
      if (other !== process) calls.sendInit(this.reason, other, FAILURE_TAG, requests, at++);
    }
    calls.startAll(requests);
    const untilMs = performance.now() + FAIL_MS;
    while (!calls.testAll(requests) && performance.now() < untilMs) calls.yield();
  }

  readFailure(): TransportFailure | undefined {
    const process = this.calls.probe(FAILURE_TAG);
    if (process === undefined) return undefined;
    this.calls.receive(this.reason, process, FAILURE_TAG);
    const text = this.reason.slice(0, this.reason.indexOf(0));
    return { process, reason: new TextDecoder().decode(text) };
  }
}

/** Bytes that do not move, for a message. */
export function messageOf(process: number, sizeBytes: number): Message {
  return { process, bytes: new Uint8Array(new SharedArrayBuffer(Math.max(1, sizeBytes))) };
}
