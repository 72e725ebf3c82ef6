// A transport whose messages overtake each other: each pair of processes has separate mailboxes,
// and the messages of a process are sent in any order, some of them late.

import { MemoryTransport } from '../../../src/sync/memoryTransport.ts';
import type {
  Message,
  Messages,
  Transport,
  TransportFailure,
} from '../../../src/sync/transport.ts';
import type { ModelContext } from './scenarios.ts';

/** A message is at most so many looks late. */
const LONGEST_DELAY = 6;

/** The end of one pair's mailboxes. */
interface End {
  readonly other: number;
  readonly transport: MemoryTransport;
  /** In how many looks what was started goes off; -1: it has. */
  looksLeft: number;
}

/** One process's ends. */
export class PairTransport implements Transport {
  readonly process: number;
  readonly processes: number;
  private readonly ends: readonly End[];
  private readonly draw: ModelContext['draw'];
  /** Whose messages the last {@link test} has missed, where all own ones have gone off. */
  private missed: End | undefined;

  constructor({ process, processes, mailboxes, draw }: ModelContext) {
    this.process = process;
    this.processes = processes;
    this.draw = draw;
    const [, ...pairs] = mailboxes;
    const all = Array.from({ length: processes }, (_, other) => other);
    const names = all.flatMap((low) => all.slice(low + 1).map((high) => `${low} ${high}`));
    this.ends = all
      .filter((other) => other !== process)
      .map((other) => {
        const pair = names.indexOf(`${Math.min(process, other)} ${Math.max(process, other)}`);
        const transport = new MemoryTransport(pairs[pair]!, process < other ? 0 : 1);
        return { other, transport, looksLeft: -1 };
      });
  }

  prepare({ sends, receives }: Messages): number {
    const [number] = this.ends.map(({ other, transport }) => {
      const of = (messages: readonly Message[]): readonly Message[] =>
        messages
          .filter(({ process }) => process === other)
          .map(({ bytes }) => ({ process: 1 - transport.process, bytes }));
      return transport.prepare({ sends: of(sends), receives: of(receives) });
    });
    return number!;
  }

  start(number: number): void {
    for (const end of this.ends) end.looksLeft = this.draw(LONGEST_DELAY);
    this.sendDue(number);
  }

  test(number: number): boolean {
    if (!this.sendDue(number)) {
      this.missed = undefined;
      return false;
    }
    this.missed = this.ends.find(({ transport }) => !transport.test(number));
    return this.missed === undefined;
  }

  release(number: number): void {
    for (const { transport } of this.ends) transport.release(number);
  }

  pause(turn: number): void {
    this.missed?.transport.pause(turn);
  }

  fail(reason: string): void {
    for (const { transport } of this.ends) transport.fail(reason);
  }

  readFailure(): TransportFailure | undefined {
    for (const { other, transport } of this.ends) {
      const failure = transport.readFailure();
      if (failure !== undefined) return { process: other, reason: failure.reason };
    }
    return undefined;
  }

  hasFinished(process: number): boolean {
    return this.ends.some(({ other, transport }) => {
      return other === process && transport.hasFinished(1 - transport.process);
    });
  }

  /** Sends what is due in this look. Says whether all has gone off. */
  private sendDue(number: number): boolean {
    for (const end of this.ends) {
      if (end.looksLeft === 0) end.transport.start(number);
      if (end.looksLeft >= 0) end.looksLeft--;
    }
    return this.ends.every(({ looksLeft }) => looksLeft < 0);
  }
}
