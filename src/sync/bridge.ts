// The first member of a process acts for a group with members in several processes. In each
// synchronization, once the others of its process have arrived, it sends their calls and published
// data, and writes data from other processes to the same places here. So each process has the lines
// and slots of all members and reads nothing else. The first synchronization of a call sends a head
// of constant size: the calls, which are compared, and parts that fit. Larger parts, and parts of
// further synchronizations, are sent as separate bodies.

import type { RunError } from '../base/errors.ts';
import { isAborted } from './abort.ts';
import type { Barrier } from './barrier.ts';
import { type ArenaRange, type Call, prepareCall } from './call.ts';
import { LINK_PATIENCE, Link, type LinkPosition } from './link.ts';
import { type Block, blockAt, type GroupMemory, slotPtr } from './memory.ts';
import { EACH, NO_PARTS, type Parts, type VisitPart } from './parts.ts';
import {
  headBytesOf,
  inlineBytesOf,
  LINES_WORD,
  layOut,
  MEMBER_WORDS,
  NUMBER_WORD,
  type Room,
  SIGNATURE_WORD,
  type Span,
  sentSizeOf,
  TEXT_WORD,
} from './span.ts';
import type { Transport } from './transport.ts';
import {
  CALL_WORDS,
  type ControlWords,
  LENGTH,
  rankWord,
  readText,
  showCall,
  valueWord,
} from './words.ts';

export interface BridgeOptions extends Span {
  readonly shared: GroupMemory;
  readonly blockPtr: number;
  readonly barrier: Barrier;
  /** Copies bytes within the group's memory. */
  copyBytes(targetPtr: number, sourcePtr: number, sizeBytes: number): void;
  readonly transport: Transport;
  /** The name of each process in errors. */
  readonly names: readonly string[];
}

/** The first member of a process, in one group. */
export class Bridge {
  private readonly options: BridgeOptions;
  private readonly barrier: Barrier;
  private readonly link: Link;
  private readonly block: Block;
  private readonly rooms: readonly Room[];
  private readonly locals: readonly number[];
  private readonly inlineBytes: number;
  private readonly mostMembers: number;
  private readonly words: Int32Array;
  /** The control words of the group. */
  private readonly control: ControlWords;
  private readonly at: LinkPosition & { timeoutMs: number };
  /** Prepared exchanges, by their contents. */
  private readonly heads = new Map<number, Call>();
  private readonly bodies = new Map<string, Call>();
  /** The last call with a head; its text is in the heads. */
  private number = 0;
  private described: Call | undefined;
  private parts = NO_PARTS;
  private value = 0;
  private value2 = 0;
  /** The slots in use: 0 or 1. */
  private half = 0;
  /** The address that the next part is copied to or from. */
  private cursorPtr = 0;

  constructor(options: BridgeOptions) {
    const { shared, blockPtr, barrier, transport, names, process, members } = options;
    const { words, memory } = shared;
    this.options = options;
    this.barrier = barrier;
    this.words = words;
    this.control = words.subarray(blockPtr / 4);
    this.locals = members[process]!;
    this.mostMembers = Math.max(...members.map(({ length }) => length));
    this.inlineBytes = inlineBytesOf(options);
    this.block = blockAt(blockPtr, barrier.worldSize, shared.slotBytes);
    this.rooms = layOut(options, this.block.endPtr).rooms;
    const peers = this.rooms.map((room) => room.process);
    const { timeoutMs } = barrier;
    this.link = new Link({ transport, memory, names, timeoutMs, peers, seesEnds: true });
    this.at = {
      isAborted: () => isAborted(words),
      isEnding: () => false,
      aborted: () => barrier.aborted(),
      fail: (reason, other) => barrier.fail(reason, [], other),
      timeoutMs,
    };
  }

  /** Passes the barrier after all others of this process, once their calls and published data have
   * been exchanged. `half` says which slots are in use. */
  pass(parts: Parts, half: number, value: number, value2: number): void {
    this.parts = parts;
    this.half = half;
    this.value = value;
    this.value2 = value2;
    this.barrier.passLast(this.exchange, value, value2);
  }

  /** Releases what the link holds, after the last exchange. */
  close(): void {
    this.link.close();
  }

  private readonly exchange = (): void => {
    const { barrier, parts } = this;
    this.at.timeoutMs = LINK_PATIENCE * barrier.timeoutMs;
    const sizeBytes = parts.sizeBytes * (parts.isPerMember ? this.mostMembers : 1);
    if (barrier.number !== this.number || sizeBytes === 0) {
      this.number = barrier.number;
      const isInline = sizeBytes <= this.inlineBytes;
      this.exchangeHeads(isInline ? parts : NO_PARTS, isInline ? sentSizeOf(sizeBytes) : 0);
      if (isInline) return;
    }
    this.exchangeBodies(parts, sentSizeOf(sizeBytes));
  };

  private exchangeHeads(parts: Parts, sizeBytes: number): void {
    const { rooms, described } = this;
    const { call, number } = this.barrier;
    for (let i = 0; i < rooms.length; i++) {
      const { process, sentHeadPtr } = rooms[i]!;
      const word = sentHeadPtr / 4;
      this.words[word + SIGNATURE_WORD] = call!.signature;
      this.words[word + NUMBER_WORD] = number;
      if (described !== call) this.words.set(call!.textWords, word + TEXT_WORD);
      this.writeLines(word + LINES_WORD);
      this.cursorPtr = this.partsPtr(sentHeadPtr, this.options.process);
      this.visitParts(parts, this.options.process, process, this.pack);
    }
    this.described = call;
    this.run(this.heads.get(sizeBytes) ?? this.addHead(sizeBytes));
    for (let i = 0; i < rooms.length; i++) this.readLines(rooms[i]!);
    for (let i = 0; i < rooms.length; i++) {
      const { process, headPtr } = rooms[i]!;
      this.cursorPtr = this.partsPtr(headPtr, process);
      this.visitParts(parts, process, this.options.process, this.unpack);
    }
  }

  private exchangeBodies(parts: Parts, sizeBytes: number): void {
    const { rooms } = this;
    const { process: own } = this.options;
    for (let i = 0; i < rooms.length; i++) {
      this.cursorPtr = rooms[i]!.sentBodyPtr;
      this.visitParts(parts, own, rooms[i]!.process, this.pack);
    }
    const key = `${sizeBytes} ${parts.from} ${parts.to}`;
    this.run(this.bodies.get(key) ?? this.addBody(key, parts, sizeBytes));
    for (let i = 0; i < rooms.length; i++) {
      this.cursorPtr = rooms[i]!.bodyPtr;
      this.visitParts(parts, rooms[i]!.process, own, this.unpack);
    }
  }

  private run(call: Call): void {
    const { link, barrier } = this;
    link.start(call, false);
    link.finish(call, this.at);
    // Members of another process are waited for together; statistics name the first of them.
    if (link.waitedMs > 0) {
      barrier.counters.slept(this.options.members[link.latest]![0]!, link.waitedMs);
    }
  }

  /** The address of the parts in a head from a process. */
  private partsPtr(headPtr: number, process: number): number {
    return headPtr + headBytesOf(this.options, process, 0);
  }

  /** Calls back for the data that members of one process have for those of another. */
  private visitParts(parts: Parts, from: number, to: number, visit: VisitPart): void {
    const { members } = this.options;
    if (parts.to !== EACH && !members[to]!.includes(parts.to)) return;
    for (const rank of members[from]!) {
      if (parts.from === EACH || parts.from === rank) parts.visit(rank, members[to]!, visit);
    }
  }

  private readonly pack: VisitPart = (slot, offsetBytes, sizeBytes) => {
    this.options.copyBytes(this.cursorPtr, this.slotPtr(slot) + offsetBytes, sizeBytes);
    this.cursorPtr += sizeBytes;
  };

  private readonly unpack: VisitPart = (slot, offsetBytes, sizeBytes) => {
    this.options.copyBytes(this.slotPtr(slot) + offsetBytes, this.cursorPtr, sizeBytes);
    this.cursorPtr += sizeBytes;
  };

  private slotPtr(rank: number): number {
    return slotPtr(this.block, this.options.slotBytes, rank, this.half);
  }

  /** Writes the length and values of each member of this process. */
  private writeLines(word: number): void {
    const { words, control, locals, barrier } = this;
    for (let i = 0; i < locals.length; i++) {
      const at = word + i * MEMBER_WORDS;
      const rank = locals[i]!;
      const from = valueWord(rank, barrier.worldSize, barrier.parity);
      const isOwn = rank === barrier.rank;
      words[at] = barrier.lengthOf(rank);
      words[at + 1] = isOwn ? this.value : control[from]!;
      words[at + 2] = isOwn ? this.value2 : control[from + 1]!;
    }
  }

  /** Compares the calls of another process's members, and stores their lengths and values. All
   * members of this process have arrived, so none of them still reads the old ones. */
  private readLines({ process, headPtr }: Room): void {
    const { words, control, barrier } = this;
    const { call, length } = barrier;
    const word = headPtr / 4;
    const members = this.options.members[process]!;
    for (let i = 0; i < members.length; i++) {
      const at = word + LINES_WORD + i * MEMBER_WORDS;
      const rank = members[i]!;
      const isSame = words[word + SIGNATURE_WORD] === call!.signature;
      if (!isSame || (words[at] !== length && !call!.uneven)) {
        throw this.mismatch(process, rank, at, word);
      }
      for (let parity = 0; parity < 2; parity++) {
        const to = valueWord(rank, barrier.worldSize, parity);
        control[rankWord(rank) + parity * CALL_WORDS + LENGTH] = words[at]!;
        control[to] = words[at + 1]!;
        control[to + 1] = words[at + 2]!;
      }
    }
  }

  private mismatch(process: number, rank: number, lineWord: number, headWord: number): RunError {
    const { words, barrier } = this;
    const { names } = this.options;
    const text = readText(
      words as ControlWords,
      headWord + TEXT_WORD + 1,
      words[headWord + TEXT_WORD]!,
    );
    const theirs =
      `rank ${barrier.worldRankOf(rank)} (${names[process]}) ` +
      showCall(text, words[lineWord]!, words[headWord + NUMBER_WORD]!);
    const { call, length, number } = barrier;
    const mine =
      `rank ${barrier.worldRankOf(barrier.rank)} (${names[this.options.process]}) ` +
      showCall(call!.text, length, number);
    const [first, second] = rank < barrier.rank ? [theirs, mine] : [mine, theirs];
    return barrier.fail(`members called different collectives: ${first}; ${second}.`);
  }

  /** Prepares heads with space for `sizeBytes` bytes of each member. Received heads have the
   * maximum size, since the others may make a different call. */
  private addHead(sizeBytes: number): Call {
    const { options } = this;
    const call = this.prepare('this call', (room) => ({
      sent: {
        offsetBytes: room.sentHeadPtr,
        sizeBytes: headBytesOf(options, options.process, sizeBytes),
      },
      received: {
        offsetBytes: room.headPtr,
        sizeBytes: headBytesOf(options, room.process, this.inlineBytes),
      },
    }));
    this.heads.set(sizeBytes, call);
    return call;
  }

  private addBody(key: string, { from, to }: Parts, sizeBytes: number): Call {
    const { process: own, members } = this.options;
    const bytesOf = (source: number, target: number): number => {
      if (to !== EACH && !members[target]!.includes(to)) return 0;
      const ranks = from === EACH ? members[source]! : members[source]!.filter((r) => r === from);
      return ranks.length * sizeBytes;
    };
    const call = this.prepare('the data of this call', ({ process, sentBodyPtr, bodyPtr }) => ({
      sent: { offsetBytes: sentBodyPtr, sizeBytes: bytesOf(own, process) },
      received: { offsetBytes: bodyPtr, sizeBytes: bytesOf(process, own) },
    }));
    this.bodies.set(key, call);
    return call;
  }

  private prepare(
    kind: string,
    rangesOf: (room: Room) => { readonly sent: ArenaRange; readonly received: ArenaRange },
  ): Call {
    const sends: ArenaRange[][] = this.options.members.map(() => []);
    const receives: ArenaRange[][] = this.options.members.map(() => []);
    for (const room of this.rooms) {
      const { sent, received } = rangesOf(room);
      sends[room.process]!.push(sent);
      receives[room.process]!.push(received);
    }
    return prepareCall({ kind, exchange: { sends, receives } });
  }
}
