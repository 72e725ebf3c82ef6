// The first worker of a process exchanges data for all of its workers during a call: it sends what
// the other processes need, with a header that identifies the call, waits for their messages,
// compares the headers, and copies the data to its place. All processes make the same exchanges in
// the same order. A wait ends by arrival, abort, timeout, or another process's failure. It always
// ends.

import type { RunError } from '../base/errors.ts';
import { sliceMsOf } from '../base/patience.ts';
import type { ArenaRange, Call } from './call.ts';
import type { Message, Transport } from './transport.ts';

export interface LinkOptions {
  readonly transport: Transport;
  /** The arena. */
  readonly memory: { readonly buffer: ArrayBufferLike };
  /** The name of each process in errors: `process 2 on host b`. */
  readonly names: readonly string[];
  readonly timeoutMs: number;
  /** The other participating processes. Default: all. */
  readonly peers?: readonly number[];
  /** Whether to look for processes with only finished workers. Default false. */
  readonly seesEnds?: boolean;
}

/** How long a process waits for others, as a multiple of the timeout between members. It is longer
 * so that the process with the cause reports it. */
export const LINK_PATIENCE = 1.5;

/** The position of a process, for errors. */
export interface LinkPosition {
  readonly isAborted: () => boolean;
  /** Whether it must stop waiting for others. */
  readonly isEnding: () => boolean;
  /** The error of this process if it was aborted meanwhile. */
  readonly aborted: () => Error;
  /** Makes an error of this process and aborts it; `process` is the other process that caused it,
   * if any. */
  readonly fail: (reason: string, process?: number) => RunError;
  /** The timeout of this exchange. Default: that of the link. */
  readonly timeoutMs?: number;
}

// A header, in 32-bit words: | mark | exchange | signature | length of the call | stop vote |
const HEADER_WORDS = 16;
/** The size of the header that precedes the bytes of an exchange to each other process. */
export const HEADER_BYTES = HEADER_WORDS * 4;
const MARK = 0x53424e4c;
const MARK_WORD = 0;
const SEQUENCE_WORD = 1;
const SIGNATURE_WORD = 2;
const LENGTH_WORD = 3;
const VOTE_WORD = 4;

/** Ranges of at least this many bytes are sent in place; smaller ones are sent together, after the
 * header. */
export const BULK_BYTES = 32_768;
/** The clock and the failure words are read once per this many looks. Later, when looks are further
 * apart, they are read at every look. */
const LOOKS_PER_TIME = 64;
const QUICK_LOOKS = 10_000;
/** The time after the end of a process by which its last message has arrived. */
const FINISHED_MS = 100;

interface Copy {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** The prepared exchange of a call. */
interface Prepared {
  readonly number: number;
  readonly before: () => void;
  /** The headers for each other process. */
  readonly sentHeaders: readonly Int32Array[];
  readonly receivedHeaders: readonly { readonly process: number; readonly words: Int32Array }[];
  readonly packs: readonly Copy[];
  readonly unpacks: readonly Copy[];
}

/** One process's side of all exchanges. */
export class Link {
  /** Whether any process had been asked to stop when it began the last finished exchange; the same
   * in all processes. */
  isStopping = false;
  /** How long the last exchange took, as far as the clock was read, and the process that was waited
   * for last. */
  waitedMs = 0;
  latest = 0;
  private readonly options: LinkOptions;
  private readonly transport: Transport;
  private readonly prepared = new Map<Call, Prepared>();
  private readonly texts = new Map<number, string>();
  private sequence = 0;
  /** The time within the wait at which a process was first seen to have finished; -1 for none. */
  private finishedAtMs = -1;

  constructor(options: LinkOptions) {
    this.options = options;
    this.transport = options.transport;
  }

  /** Begins the exchange of a call. `vote` is whether this process was asked to stop. Allocates
   * only the first time. */
  start(call: Call, vote: boolean): void {
    const prepared = this.prepared.get(call) ?? this.prepare(call);
    const sequence = (this.sequence + 1) | 0;
    this.sequence = sequence;
    prepared.before();
    for (let i = 0; i < prepared.sentHeaders.length; i++) {
      const words = prepared.sentHeaders[i]!;
      words[MARK_WORD] = MARK;
      words[SEQUENCE_WORD] = sequence;
      words[SIGNATURE_WORD] = call.signature;
      words[LENGTH_WORD] = call.length;
      words[VOTE_WORD] = vote ? 1 : 0;
    }
    for (let i = 0; i < prepared.packs.length; i++) {
      const { from, to } = prepared.packs[i]!;
      to.set(from);
    }
    this.transport.start(prepared.number);
    this.isStopping = vote;
  }

  /** Waits for the started exchange, compares the headers, and copies the data to its place. */
  finish(call: Call, at: LinkPosition): void {
    const prepared = this.prepared.get(call)!;
    const { sequence } = this;
    this.waitedMs = 0;
    this.finishedAtMs = -1;
    if (!this.transport.test(prepared.number)) this.wait(call, prepared, at);
    for (let i = 0; i < prepared.receivedHeaders.length; i++) {
      const { process, words } = prepared.receivedHeaders[i]!;
      if (
        words[MARK_WORD] !== MARK ||
        words[SEQUENCE_WORD] !== sequence ||
        words[SIGNATURE_WORD] !== call.signature ||
        words[LENGTH_WORD] !== call.length
      ) {
        throw at.fail(this.mismatch(call, process, words));
      }
      this.isStopping ||= words[VOTE_WORD] === 1;
    }
    for (let i = 0; i < prepared.unpacks.length; i++) {
      const { from, to } = prepared.unpacks[i]!;
      to.set(from);
    }
  }

  /** Releases all exchanges. None may be in progress. */
  close(): void {
    for (const { number } of this.prepared.values()) this.transport.release(number);
    this.prepared.clear();
  }

  private prepare(call: Call): Prepared {
    const { sends, receives, before } = call.exchange!;
    const { process, processes } = this.transport;
    const { peers = Array.from({ length: processes }, (_, other) => other) } = this.options;
    const others = peers.filter((other) => other !== process);
    const out = others.map((other) => this.layOut(other, sends[other]!));
    const back = others.map((other) => this.layOut(other, receives[other]!));
    const prepared: Prepared = {
      number: this.transport.prepare({
        sends: out.flatMap(({ messages }) => messages),
        receives: back.flatMap(({ messages }) => messages),
      }),
      before: () => before?.(),
      sentHeaders: out.map(({ header }) => header),
      receivedHeaders: back.map(({ header, other }) => ({ process: other, words: header })),
      packs: out.flatMap(({ small }) => small.map(({ here, room }) => ({ from: here, to: room }))),
      unpacks: back.flatMap(({ small }) =>
        small.map(({ here, room }) => ({ from: room, to: here })),
      ),
    };
    this.prepared.set(call, prepared);
    this.texts.set(call.signature, call.text);
    return prepared;
  }

  /** The messages for ranges to or from another process. */
  private layOut(other: number, ranges: readonly ArenaRange[]) {
    const arena = this.options.memory.buffer as SharedArrayBuffer;
    const full = ranges.filter(({ sizeBytes }) => sizeBytes > 0);
    const small = full.filter(({ sizeBytes }) => sizeBytes < BULK_BYTES);
    const large = full.filter(({ sizeBytes }) => sizeBytes >= BULK_BYTES);
    const roomBytes = small.reduce((sum, { sizeBytes }) => sum + sizeBytes, HEADER_BYTES);
    const room = new SharedArrayBuffer(roomBytes);
    const viewOf = ({ offsetBytes, sizeBytes }: ArenaRange) =>
      new Uint8Array(arena, offsetBytes, sizeBytes);
    let atBytes = HEADER_BYTES;
    const places = small.map((range) => {
      const place = { here: viewOf(range), room: new Uint8Array(room, atBytes, range.sizeBytes) };
      atBytes += range.sizeBytes;
      return place;
    });
    const messages: readonly Message[] = [
      { process: other, bytes: new Uint8Array(room) },
      ...large.map((range) => ({ process: other, bytes: viewOf(range) })),
    ];
    return { other, header: new Int32Array(room, 0, HEADER_WORDS), small: places, messages };
  }

  private wait(call: Call, prepared: Prepared, at: LinkPosition): void {
    const { transport } = this;
    const { timeoutMs = this.options.timeoutMs } = at;
    const sliceMs = sliceMsOf(timeoutMs);
    this.latest = prepared.receivedHeaders[0]!.process;
    let waitedMs = 0;
    let sinceMs = -1;
    for (let turn = 1; !transport.test(prepared.number); turn++) {
      if (turn > QUICK_LOOKS || turn % LOOKS_PER_TIME === 0) {
        if (at.isAborted()) throw at.aborted();
        const failure = transport.readFailure();
        if (failure !== undefined) {
          const { process, reason } = failure;
          throw at.fail(`${this.options.names[process]} failed: ${reason}`, process);
        }
        const nowMs = performance.now();
        // The time between two looks is capped, since the process may have been suspended.
        if (sinceMs >= 0) waitedMs += Math.min(nowMs - sinceMs, sliceMs);
        sinceMs = nowMs;
        if (waitedMs > timeoutMs) throw this.late(call, prepared, at, `within ${timeoutMs} ms`);
        if (at.isEnding()) throw this.late(call, prepared, at, 'before this process had to end');
        this.waitedMs = waitedMs;
        if (this.options.seesEnds) this.lookForEnds(prepared, at);
      }
      transport.pause(turn);
    }
  }

  /** Fails if a process that has not arrived finished longer ago than messages take. */
  private lookForEnds({ receivedHeaders }: Prepared, at: LinkPosition): void {
    for (let i = 0; i < receivedHeaders.length; i++) {
      const { process, words } = receivedHeaders[i]!;
      if (words[SEQUENCE_WORD] === this.sequence) continue;
      this.latest = process;
      if (!this.transport.hasFinished(process)) continue;
      if (this.finishedAtMs < 0) this.finishedAtMs = this.waitedMs;
      if (this.waitedMs - this.finishedAtMs < FINISHED_MS) continue;
      const who = this.options.names[process];
      // It may not be at fault; it waits for the others to end and must be told.
      throw at.fail(`${who} has finished and makes no more calls.`);
    }
  }

  private late(
    { text }: Call,
    { receivedHeaders }: Prepared,
    at: LinkPosition,
    when: string,
  ): RunError {
    const { names } = this.options;
    const late = receivedHeaders.filter(({ words }) => words[SEQUENCE_WORD] !== this.sequence);
    // All have begun to send, and one of them has not finished.
    const missing = late.length > 0 ? late : receivedHeaders;
    const who = missing.map(({ process }) => names[process]!);
    const listed = who.join(late.length > 0 ? ' and ' : ' or ');
    const reason = `${listed} did not come to ${text} ${when}.`;
    return at.fail(reason, missing[0]!.process);
  }

  private mismatch(call: Call, process: number, words: Int32Array): string {
    const { names } = this.options;
    const theirs = this.texts.get(words[SIGNATURE_WORD]!) ?? 'something else';
    return (
      `processes called different things in exchange ${this.sequence}: ` +
      `${names[this.transport.process]} ${call.text} of length ${call.length}; ` +
      `${names[process]} ${theirs} of length ${words[LENGTH_WORD]}, in exchange ` +
      `${words[SEQUENCE_WORD]}.`
    );
  }
}
