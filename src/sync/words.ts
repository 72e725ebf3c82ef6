// The control words: a block of Int32 in shared memory through which the members of a group see
// which of them have arrived where. The main thread initializes it once and every member attaches
// to it. Only Atomics change words that another thread waits for. Data never passes through it.

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
// Members look at arrivals while they wait. Those of two ranks share one cache line: the store of
// one brings the number of the other along, so the later one need not fetch it (a barrier of two
// took 0.15 us instead of 0.24; 2-core x86 machine, Node 20, November 2026). With more ranks each
// has its own line, to avoid contention.
//
// The description of a call is in the half of its sequence number's parity. A member cannot
// overwrite that half before every member has passed the next call, and thus read this one.
//
// The world has one such block, and so does each group split off it. State, abort, stop, "sleeps
// at" (the wake word that the thread waits on, or 0) and "last line" (the line of its last call, in
// any group) are only used in the world's block, because a thread is in one place at a time and the
// run aborts as a whole.

export const LINE_WORDS = 32;
export const LINE_BYTES = LINE_WORDS * 4;
const MAGIC = 0x53424e32;

export const MAGIC_WORD = 0;
export const WORLD_SIZE_WORD = 1;
export const TIMEOUT_WORD = 2;
export const SPIN_TURNS_WORD = 3;
/** The start and end of the free part of a group's memory, in lines from address 0. */
export const HEAP_NEXT_WORD = 4;
export const HEAP_END_WORD = 5;
/** The number of members of this process that have freed a split group. */
export const FREED_WORD = 6;
/** In the world's block: the number of links to other processes made for groups of this one. */
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
/** The rank that completed the last synchronization of a group that does not spin. */
export const LAST_RANK_WORD = ARRIVED_WORD + 1;
export const SLEEPERS_WORD = 12 * LINE_WORDS;
export const STOP_WORD = 13 * LINE_WORDS;
export const PROGRESS_WORD = 14 * LINE_WORDS;
export const PROGRESS_WORDS = LINE_WORDS;

const FIRST_RANK_WORD = 15 * LINE_WORDS;
const LINES_PER_RANK = 4;

// Word offsets within a rank's lines.
export const STATE = 0;
/** The call at even sequence numbers; for odd ones add CALL_WORDS. */
export const SIGNATURE = 1;
export const LENGTH = 2;
export const CALL_WORDS = 2;
export const STEP = LINE_WORDS;
export const LAYER = LINE_WORDS + 1;
export const SLEEPS_AT = LINE_WORDS + 2;
export const LAST_LINE = LINE_WORDS + 3;
/** The number of the member's call in this group, counted from 1. */
export const NUMBER = LINE_WORDS + 4;
/** The sequence number at the last call, for errors. */
export const LAST_SEQUENCE = LINE_WORDS + 5;
/** Changes whenever the member reports its position. */
export const PULSE = LINE_WORDS + 6;
export const CALL_TEXT = 2 * LINE_WORDS;
/** Space for the text of a call: one line without the word for its size. */
export const CALL_TEXT_BYTES = (LINE_WORDS - 1) * 4;

// Within a rank's arrival.
/** Two words for the call: an address, a vote, a few elements. */
export const FIRST_VALUE = 2;
export const VALUE_WORDS = 2;
const ARRIVAL_WORDS = FIRST_VALUE + 2 * VALUE_WORDS;
/** Up to this many ranks share a cache line. */
const PACKED_RANKS = 2;

/** What a member is doing. */
export const State = { absent: 0, running: 1, waiting: 2, done: 3, dead: 4 } as const;

/** What the main thread requests: to stop at the next common step; also not to wait for other
 * processes. */
export const Stop = { none: 0, asked: 1, withoutPeers: 2 } as const;

/** The default time that a member waits for the others. */
export const DEFAULT_TIMEOUT_MS = 60_000;

/** The number of timeouts that a member waits for the one that exchanges with other processes,
 * which first waits for its own group and then for them. */
export const EXCHANGE_PATIENCE = 3;

export interface ControlOptions {
  /** How long a member waits for the others before the run is aborted. Default 60_000. */
  readonly timeoutMs?: number;
  /** How often a waiting member looks before it sleeps. Only useful if each has its own core, see
   * {@link spinTurnsFor}. Default 0. */
  readonly spinTurns?: number;
  /** The sequence number that the group starts from; any 32-bit number. Default 0. */
  readonly firstSequence?: number;
}

/** The position of a member; unknown fields are absent. */
export interface Position {
  readonly step?: number;
  readonly layerId?: number;
}

/** The number of Int32 words that a group of this size needs. */
export function controlWordCount(worldSize: number): number {
  const arrivalLines = worldSize <= PACKED_RANKS ? 1 : worldSize;
  return rankWord(worldSize) + arrivalLines * LINE_WORDS;
}

/** The index of a rank's sequence number. */
export function arrivalWord(rank: number, worldSize: number): number {
  const stride = worldSize <= PACKED_RANKS ? ARRIVAL_WORDS : LINE_WORDS;
  return rankWord(worldSize) + rank * stride;
}

/** Prepares the words for a new group. Called by the main thread before any member attaches. */
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

/** The size of the group with these words. It is a bug if the main thread has not initialized
 * them. */
export function readWorldSize(words: ControlWords): number {
  assertSame('mark of the control words', Atomics.load(words, MAGIC_WORD), MAGIC);
  return words[WORLD_SIZE_WORD]!;
}

/** The index of a rank's first line. */
export function rankWord(rank: number): number {
  return FIRST_RANK_WORD + rank * LINES_PER_RANK * LINE_WORDS;
}

/** The index of the values of a rank in even (0) or odd (1) synchronizations: 8 bytes, at a
 * multiple of 8 from the first word. */
export function valueWord(rank: number, worldSize: number, parity: number): number {
  return arrivalWord(rank, worldSize) + FIRST_VALUE + parity * VALUE_WORDS;
}

/** The last reported position of a rank. Exact once its thread has stopped or waits. */
export function readPosition(words: ControlWords, rank: number): Position {
  const step = words[rankWord(rank) + STEP]! - 1;
  const layerId = words[rankWord(rank) + LAYER]! - 1;
  return { ...(step >= 0 && { step }), ...(layerId >= 0 && { layerId }) };
}

/** A number that changes as the member of a rank makes progress. The main thread watches it. */
export function readPulse(words: ControlWords, rank: number): number {
  const ownWord = rankWord(rank);
  const pulse = Atomics.load(words, ownWord + PULSE);
  return (pulse + Atomics.load(words, ownWord + LAST_SEQUENCE)) | 0;
}

/** Describes the last call of the member of this line, or returns undefined if it made none. */
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

/** Describes a call: `allReduce(sum, float32) of length 7, call 3`. */
export function showCall(text: string, length: number, number: number): string {
  return `${text}${length === NO_LENGTH ? '' : ` of length ${length}`}, call ${number}`;
}

/** Asks the group to stop at its next {@link Member.syncStop}. */
export function requestStop(words: ControlWords): void {
  Atomics.store(words, STOP_WORD, Stop.asked);
}

/** Also asks the group to stop waiting for other processes. */
export function requestEnd(words: ControlWords): void {
  Atomics.store(words, STOP_WORD, Stop.withoutPeers);
}

/** Withdraws a stop request, so that the group can continue. Called by the main thread while no
 * member runs. */
export function clearStop(words: ControlWords): void {
  Atomics.store(words, STOP_WORD, Stop.none);
}

/** The caller's words in the progress line: rank 0 writes, the main thread reads. */
export function progressWords(words: ControlWords): ControlWords {
  return words.subarray(PROGRESS_WORD, PROGRESS_WORD + PROGRESS_WORDS);
}

const decoder = new TextDecoder();

/** Reads UTF-8 from the words. A character cut at the end is left out. */
export function readText(words: ControlWords, word: number, sizeBytes: number): string {
  // Decoders do not accept shared memory, so the bytes are copied.
  const bytes = new Uint8Array(words.buffer, words.byteOffset + word * 4, sizeBytes).slice();
  const text = decoder.decode(bytes, { stream: true });
  decoder.decode();
  return text;
}
