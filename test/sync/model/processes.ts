// The workers of several processes under the scheduler: what they exchange in their calls, and what
// must hold after each call.

import { type ArenaRange, type Call, prepareCall } from '../../../src/sync/call.ts';
import { attachMember, type Member } from '../../../src/sync/group.ts';
import { Link } from '../../../src/sync/link.ts';
import { blockAt } from '../../../src/sync/memory.ts';
import { MemoryTransport } from '../../../src/sync/memoryTransport.ts';
import type { Transport } from '../../../src/sync/transport.ts';
import { assert, type ModelContext } from './scenarios.ts';

// Words of a process after its control words: | what its workers publish | what it sends to each
// other process alone | what it received that way | what each process sends to all, in two parts
// with a gap between |, then, much further on, what process 0 sends to all in bulk.
const OUTBOX = 4;
const INBOX = 8;
const SUMS = 12;
const SUM_WORDS = 6;
const PARTS = [
  { at: 0, words: 2 },
  { at: 3, words: 3 },
] as const;
const BULK = 64;
const BULK_WORDS = 8192;

export const ROUNDS = 4;
const PATIENT_MS = 60_000;

/** Calls of one process alone. */
export const LOCAL_CALLS = [0, 1].map((i) => prepareCall({ kind: `local ${i}` }));

/** One thread in its process. */
export interface Participant {
  readonly member: Member;
  /** Calls with an exchange, for even and odd rounds. The second one moves large ranges, too. */
  readonly exchanges: readonly Call[];
  /** The same exchange in calls that others do not make: of another kind, of another length. */
  readonly odd: readonly Call[];
}

export interface JoinOptions {
  /** Default: mailboxes in shared memory. */
  readonly transport?: Transport;
  /** How long the link waits. Default: longer than any schedule. */
  readonly timeoutMs?: number;
}

/** Attaches a worker to its process, and the first one to the others. */
export function join(context: ModelContext, options: JoinOptions = {}): Participant {
  const { rank, shared, process, processes } = context;
  const { timeoutMs = PATIENT_MS } = options;
  let link: Link | undefined;
  if (rank === 0) {
    const { transport = new MemoryTransport(context.mailboxes[0]!, process) } = options;
    const names = Array.from({ length: processes }, (_, of) => `process ${of}`);
    link = new Link({ transport, memory: shared.memory, names, timeoutMs });
  }
  const callOf = (kind: string, length: number, hasBulk = false): Call =>
    prepareCall({ kind, length, exchange: exchangeOf(context, hasBulk) });
  return {
    member: attachMember(shared.words, rank, [], link && [link]),
    exchanges: [callOf('exchange 0', 3), callOf('exchange 1', 4, true)],
    odd: [callOf('another', 3), callOf('exchange 0', 9)],
  };
}

/** All make `rounds` calls, some of them local: the same ones, because all draw them alike. Nobody
 * may come out of one with an exchange before all workers of all processes are in. */
export function passRounds(context: ModelContext, to: Participant, rounds: number): void {
  const isLocal = Array.from({ length: ROUNDS }, () => context.draw(3) === 0);
  let last = 0;
  for (let round = 1; round <= rounds; round++) {
    if (isLocal[round - 1]) {
      comeTo(context, round);
      to.member.sync(LOCAL_CALLS[round & 1]!);
    } else {
      last = round;
      comeTo(context, round);
      to.member.sync(to.exchanges[round & 1]!);
    }
    const next = isLocal.indexOf(false, round) + 1;
    checkPlaces(context, { round, last, next: next === 0 ? ROUNDS + 1 : next });
    if (last > 0) checkValues(context, last);
  }
}

/** Says that a worker is in a call, and publishes what its process sends with the next exchange. */
export function comeTo(context: ModelContext, round: number): void {
  const { process, rank, worldSize, cells } = context;
  cells[process * worldSize + rank] = round;
  areaOf(context)[rank] = publishedOf(round, process, rank);
}

/** Whether all are where they can be when this worker is out of a round: those of its process in
 * the same one or the next, the others not before the last exchange and not behind the next one. */
function checkPlaces(
  { process, processes, rank, worldSize, cells }: ModelContext,
  { round, last, next }: { readonly round: number; readonly last: number; readonly next: number },
): void {
  for (let thread = 0; thread < processes * worldSize; thread++) {
    const isOwn = Math.floor(thread / worldSize) === process;
    const [least, most] = isOwn ? [round, round + 1] : [last, next];
    const found = cells[thread]!;
    const who = `rank ${rank} of process ${process} is out of round ${round}`;
    assert(found >= least && found <= most, `${who}, thread ${thread} is in ${found}`);
  }
}

/** Whether all has come that processes sent in a round. */
export function checkValues(context: ModelContext, round: number): void {
  const { process, processes, rank } = context;
  const area = areaOf(context);
  const expect = (word: number, right: number, what: string): void => {
    const where = `round ${round}, rank ${rank} of process ${process}`;
    assert(area[word] === right, `${where}: ${what} is ${area[word]}, not ${right}`);
  };
  for (let from = 0; from < processes; from++) {
    const right = sumOf(context, round, from);
    for (const { at, words } of PARTS) {
      for (let i = 0; i < words; i++) {
        expect(sumWord(from) + at + i, right, `word ${at + i} from process ${from}`);
      }
    }
    if (from !== process) expect(INBOX + from, right + process, `what ${from} sent here`);
  }
  if ((round & 1) === 0) return;
  const right = sumOf(context, round, 0);
  expect(BULK, right, 'the first word in bulk');
  expect(BULK + BULK_WORDS - 1, right, 'the last word in bulk');
}

/** What a process sends and gets in a call. Before, its first worker sums up what all published. */
function exchangeOf(context: ModelContext, hasBulk: boolean) {
  const { process, processes, worldSize } = context;
  const area = areaOf(context);
  const rangeOf = (word: number, words: number): ArenaRange => ({
    offsetBytes: area.byteOffset + word * 4,
    sizeBytes: words * 4,
  });
  const rangesOf = (from: number, alone: number): readonly ArenaRange[] => [
    rangeOf(sumWord(from) + PARTS[0].at, PARTS[0].words),
    rangeOf(BULK, hasBulk && from === 0 ? BULK_WORDS : 0),
    rangeOf(alone, 1),
    rangeOf(sumWord(from) + PARTS[1].at, PARTS[1].words),
  ];
  const ofOthers = (ranges: (other: number) => readonly ArenaRange[]) =>
    Array.from({ length: processes }, (_, other) => (other === process ? [] : ranges(other)));
  return {
    sends: ofOthers((other) => rangesOf(process, OUTBOX + other)),
    receives: ofOthers((other) => rangesOf(other, INBOX + other)),
    before: () => {
      const sum = area.subarray(0, worldSize).reduce((total, value) => total + value, 0);
      const at = sumWord(process);
      for (const part of PARTS) area.fill(sum, at + part.at, at + part.at + part.words);
      for (let other = 0; other < processes; other++) area[OUTBOX + other] = sum + other;
      if (!hasBulk || process !== 0) return;
      area[BULK] = sum;
      area[BULK + BULK_WORDS - 1] = sum;
    },
  };
}

function areaOf({ shared, worldSize }: ModelContext): Int32Array {
  return shared.words.subarray(blockAt(0, worldSize, shared.slotBytes).endPtr / 4);
}

function sumWord(process: number): number {
  return SUMS + process * SUM_WORDS;
}

function publishedOf(round: number, process: number, rank: number): number {
  return round * 1000 + process * 100 + rank * 10;
}

function sumOf({ worldSize }: ModelContext, round: number, process: number): number {
  let sum = 0;
  for (let rank = 0; rank < worldSize; rank++) sum += publishedOf(round, process, rank);
  return sum;
}
