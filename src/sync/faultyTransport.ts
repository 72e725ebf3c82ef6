// A transport with one fault, for tests of how the other processes react: messages that arrive late
// or never, or a process that dies before it sends.

import type { Messages, Transport, TransportFailure } from './transport.ts';

export interface TransportFault {
  /** The fault: `delay` sends late, `drop` sends nothing from then on, `die` ends the thread. */
  readonly kind: 'delay' | 'drop' | 'die';
  /** The exchange before which it occurs, counted from 0. */
  readonly exchange: number;
  /** The length of a delay. */
  readonly delayMs?: number;
}

/** Adds a fault to the transports of a process. */
export function withFault(
  transports: readonly Transport[],
  fault: TransportFault,
): readonly Transport[] {
  const count = { exchanges: 0 };
  return transports.map((transport) => new FaultyTransport(transport, fault, count));
}

class FaultyTransport implements Transport {
  readonly process: number;
  readonly processes: number;
  private readonly inner: Transport;
  private readonly fault: TransportFault;
  private readonly sleepWord = new Int32Array(new SharedArrayBuffer(4));
  /** The exchanges of all transports of the process. */
  private readonly count: { exchanges: number };

  constructor(inner: Transport, fault: TransportFault, count: { exchanges: number }) {
    this.count = count;
    this.inner = inner;
    this.fault = fault;
    this.process = inner.process;
    this.processes = inner.processes;
  }

  prepare(messages: Messages): number {
    return this.inner.prepare(messages);
  }

  start(prepared: number): void {
    const { kind, exchange, delayMs = 0 } = this.fault;
    const number = this.count.exchanges++;
    if (kind === 'drop' && number >= exchange) return;
    if (number === exchange) {
      if (kind === 'die') throw new Error(`died before exchange ${exchange}`);
      Atomics.wait(this.sleepWord, 0, 0, delayMs);
    }
    this.inner.start(prepared);
  }

  test(prepared: number): boolean {
    const { kind, exchange } = this.fault;
    return (kind !== 'drop' || this.count.exchanges <= exchange) && this.inner.test(prepared);
  }

  release(prepared: number): void {
    this.inner.release(prepared);
  }

  pause(turn: number): void {
    this.inner.pause(turn);
  }

  fail(reason: string): void {
    this.inner.fail(reason);
  }

  readFailure(): TransportFailure | undefined {
    return this.inner.readFailure();
  }

  hasFinished(process: number): boolean {
    return this.inner.hasFinished(process);
  }
}
