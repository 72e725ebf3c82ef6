// The control words: a block of Int32 in shared memory through which the members of a group see who
// has arrived where. Main initializes it once, every member attaches to it, only Atomics change
// what another thread waits for. Data never passes through it.

import { assertSame, InvariantError } from '../base/errors.ts';

/** The control words of one group, over shared memory. */
export type ControlWords = Int32Array<SharedArrayBuffer>;

//   line      one line is 32 words = 128 bytes, so that different writers never share a cache line
//   0         header    | magic | worldSize | timeoutMs | spinTurns | heapNext | heapEnd | freed |
//                       | links |
//   1         abort     | state | rank + 2 | step + 1 | layer + 1 | textBytes |   first abort wins
//   2 .. 9    abort text, UTF-8, 1024 bytes
//   10        wake      | counter: changes whenever sleepers have a reason to look again |
//   11        arrived   | arrivals of the current synchronization | rank that came last |
//   12        sleepers  | members in Atomics.wait |
//   13        stop      | 1: main asks to stop after the current step |
//   14        progress  | 32 words of the caller's own, written by rank 0, read by main |
//   15 + 4r   rank r    | state | signature and length of its call at even, then at odd numbers |
//   16 + 4r     "       | step + 1 | layer + 1 | sleeps at | last line | call | sequence | pulse |
//   17 + 4r     "       text of its call at even sequence numbers: | bytes | UTF-8 ... |
//   18 + 4r     "       text of its call at odd sequence numbers
//   15 + 4W   arrivals  of each rank: | sequence | - | two values (even) | two values (odd) |
//
// Arrivals are what members look at while they wait. Those of two ranks share one cache line: the
// store of the one brings the number of the other along, so that the later one need not fetch it
// (a barrier of two took 0.15 us instead of 0.24; 2-core x86 machine, Node 20, November 2026).
// Those of more ranks have a line each, since many would fight for one.
//
// What a member says about a call is in the half of its sequence number's parity: it cannot write
// that half again before every member has passed the next call, and thus read this one.
//
// The whole world has one such block, and so has each group split off it. State, abort, stop and
// "sleeps at" (the wake word that the thread waits on, 0 while it does not) and "last line" (the
// line of its last call, in whichever group) are used in the world's block alone, because a thread
// is in one place at a time and the run aborts as a whole.

export const LINE_WORDS = 32;
export const LINE_BYTES = LINE_WORDS * 4;
const MAGIC = 0x53424e32;

export const MAGIC_WORD = 0;
export const WORLD_SIZE_WORD = 1;
export const TIMEOUT_WORD = 2;
export const SPIN_TURNS_WORD = 3;
/** Where the free part of a group's memory begins and ends, in lines from address 0. */
export const HEAP_NEXT_WORD = 4;
export const HEAP_END_WORD = 5;
/** How many members of this process have given a split group back. */
export const FREED_WORD = 6;
/** In the world's block: how many links to other processes were made for groups of this one. */
export const LINKS_WORD = 7;

export const ABORT_WORD = LINE_WORDS;
export const ABORT_RANK_WORD = ABORT_WORD + 1;
export const ABORT_STEP_WORD = ABORT_WORD + 2;
export const ABORT_LAYER_WORD = ABORT_WORD + 3;
export const ABORT_BYTES_WORD = ABORT_WORD + 4;
export const ABORT_TEXT_WORD = 2 * LINE_WORDS;
export const ABORT_TEXT_BYTES = 8 * LINE_WORDS * 4;

export const WAKE_WORD = 10 * LINE_WORDS;
export const ARRIVED_WORD = 11 * LINE_WORDS;
/** Who completed the last synchronization of a group that does not spin. */
export const LAST_RANK_WORD = ARRIVED_WORD + 1;
export const SLEEPERS_WORD = 12 * LINE_WORDS;
export const STOP_WORD = 13 * LINE_WORDS;
export const PROGRESS_WORD = 14 * LINE_WORDS;
export const PROGRESS_WORDS = LINE_WORDS;

const FIRST_RANK_WORD = 15 * LINE_WORDS;
const LINES_PER_RANK = 4;

// Within a rank's lines.
export const STATE = 0;
/** The call at even sequence numbers; at odd ones CALL_WORDS further on. */
export const SIGNATURE = 1;
export const LENGTH = 2;
export const CALL_WORDS = 2;
export const STEP = LINE_WORDS;
export const LAYER = LINE_WORDS + 1;
export const SLEEPS_AT = LINE_WORDS + 2;
export const LAST_LINE = LINE_WORDS + 3;
/** Which call of the member in this group it is, counted from 1. */
export const NUMBER = LINE_WORDS + 4;
/** The sequence number at the last call, for errors. */
export const LAST_SEQUENCE = LINE_WORDS + 5;
/** Changes whenever the member says where it is. */
export const PULSE = LINE_WORDS + 6;
export const CALL_TEXT = 2 * LINE_WORDS;
/** Room for the text of a call: one line without the word that holds its size. */
export const CALL_TEXT_BYTES = (LINE_WORDS - 1) * 4;

// Within a rank's arrival.
/** Two words of the call's own: an address, a vote, a few elements. */
export const FIRST_VALUE = 2;
export const VALUE_WORDS = 2;
const ARRIVAL_WORDS = FIRST_VALUE + 2 * VALUE_WORDS;
/** Up to so many ranks share a cache line. */
const PACKED_RANKS = 2;

/** What a member is doing. */
export const State = { absent: 0, running: 1, waiting: 2, done: 3, dead: 4 } as const;

/** What main asks for: to stop at the next common step; not to wait for other processes either. */
export const Stop = { none: 0, asked: 1, withoutPeers: 2 } as const;

/** How long a member waits for the others, unless told otherwise. */
export const DEFAULT_TIMEOUT_MS = 60_000;

/** How many timeouts a member waits for the one that exchanges with other processes, which waits
 * for its own group and then for them. */
export const EXCHANGE_PATIENCE = 3;

export interface ControlOptions {
  /** How long a member waits for the others before the run is aborted. Default 60_000. */
  readonly timeoutMs?: number;
  /** How often a waiting member looks before it sleeps. Right only when each has a core of its
   * own; {@link spinTurnsFor} knows. Default 0. */
  readonly spinTurns?: number;
  /** The sequence number that the group starts from; any 32-bit number. Default 0. */
  readonly firstSequence?: number;
}

/** Where a member stands; unknown fields are absent. */
export interface Position {
  readonly step?: number;
  readonly layerId?: number;
}

/** How many Int32 words a group of this size needs. */
export function controlWordCount(worldSize: number): number {
  const arrivalLines = worldSize <= PACKED_RANKS ? 1 : worldSize;
  return rankWord(worldSize) + arrivalLines * LINE_WORDS;
}

/** Where the sequence number of a rank lies. */
export function arrivalWord(rank: number, worldSize: number): number {
  const stride = worldSize <= PACKED_RANKS ? ARRIVAL_WORDS : LINE_WORDS;
  return rankWord(worldSize) + rank * stride;
}

/** Prepares the words for a new group. For the main thread, before any member attaches. */
export function initControlWords(
  words: ControlWords,
  worldSize: number,
  options: ControlOptions = {},
): void {
  if (words.length < controlWordCount(worldSize)) {
    throw new InvariantError('control words', words.length, controlWordCount(worldSize));
  }
  words.fill(0, 0, controlWordCount(worldSize));
  words[WORLD_SIZE_WORD] = worldSize;
  words[TIMEOUT_WORD] = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  words[SPIN_TURNS_WORD] = options.spinTurns ?? 0;
  for (let rank = 0; rank < worldSize; rank++) {
    words[arrivalWord(rank, worldSize)] = options.firstSequence ?? 0;
  }
  Atomics.store(words, MAGIC_WORD, MAGIC);
}

/** The size of the group whose words these are; it is a bug when main has not initialized them. */
export function readWorldSize(words: ControlWords): number {
  assertSame('mark of the control words', Atomics.load(words, MAGIC_WORD), MAGIC);
  return words[WORLD_SIZE_WORD]!;
}

/** Where the lines of a rank begin. */
export function rankWord(rank: number): number {
  return FIRST_RANK_WORD + rank * LINES_PER_RANK * LINE_WORDS;
}

/** Where the values lie that a rank gives with even (0) or odd (1) synchronizations: 8 bytes, at a
 * multiple of 8 from the first word. */
export function valueWord(rank: number, worldSize: number, parity: number): number {
  return arrivalWord(rank, worldSize) + FIRST_VALUE + parity * VALUE_WORDS;
}

/** Where a rank was when it last said so. Exact once its thread has stopped or waits. */
export function readPosition(words: ControlWords, rank: number): Position {
  const step = words[rankWord(rank) + STEP]! - 1;
  const layerId = words[rankWord(rank) + LAYER]! - 1;
  return { ...(step >= 0 && { step }), ...(layerId >= 0 && { layerId }) };
}

/** A number that changes as the member of a rank gets on. For main, which watches it. */
export function readPulse(words: ControlWords, rank: number): number {
  const ownWord = rankWord(rank);
  const pulse = Atomics.load(words, ownWord + PULSE);
  return (pulse + Atomics.load(words, ownWord + LAST_SEQUENCE)) | 0;
}

/** The call that the member of this line made last, for people; undefined when it made none. */
export function showLastCall(words: ControlWords, lineWord: number): string | undefined {
  const parity = words[lineWord + LAST_SEQUENCE]! & 1;
  const callWord = lineWord + parity * CALL_WORDS;
  const textWord = lineWord + CALL_TEXT + parity * LINE_WORDS;
  const text = readText(words, textWord + 1, words[textWord]!);
  if (text === '') return undefined;
  return showCall(text, words[callWord + LENGTH]!, words[lineWord + NUMBER]!);
}

/** The length of calls that move no data. */
export const NO_LENGTH = -1;

/** A call for people: `allReduce(sum, float32) of length 7, call 3`. */
export function showCall(text: string, length: number, number: number): string {
  return `${text}${length === NO_LENGTH ? '' : ` of length ${length}`}, call ${number}`;
}

/** Asks the group to stop at its next {@link Member.syncStop}. */
export function requestStop(words: ControlWords): void {
  Atomics.store(words, STOP_WORD, Stop.asked);
}

/** Asks the group to wait for no other process any longer, besides. */
export function requestEnd(words: ControlWords): void {
  Atomics.store(words, STOP_WORD, Stop.withoutPeers);
}

/** Takes a stop request back, so that the group can go on. For main, while no member runs. */
export function clearStop(words: ControlWords): void {
  Atomics.store(words, STOP_WORD, Stop.none);
}

/** The caller's own words in the progress line: rank 0 writes, main reads. */
export function progressWords(words: ControlWords): ControlWords {
  return words.subarray(PROGRESS_WORD, PROGRESS_WORD + PROGRESS_WORDS);
}

const decoder = new TextDecoder();

/** Reads UTF-8 from the words. A character cut at the end is left out. */
export function readText(words: ControlWords, word: number, sizeBytes: number): string {
  // Decoders refuse shared memory, and the copy is not shared.
  const bytes = new Uint8Array(words.buffer, words.byteOffset + word * 4, sizeBytes).slice();
  const text = decoder.decode(bytes, { stream: true });
  decoder.decode();
  return text;
}
