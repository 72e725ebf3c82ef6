// The one synchronization that everything else is made of. A member stores the number of its call
// into its own line and waits until the lines of all others have come as far: one cache line moves
// per pair of members, and the same line tells what the other one has called. Waiting ends by
// arrival, by abort, by timeout, or because the other one has finished or died; never not at all.

import { RunError, type RunFailure } from '../base/errors.ts';
import { abortRun, isAborted, MAIN_RANK, readAbort, wakeAll } from './abort.ts';
import { type Call, showCall } from './call.ts';
import {
  ARRIVED_WORD,
  CALL_TEXT,
  CALL_WORDS,
  type ControlWords,
  LENGTH,
  LINE_WORDS,
  rankWord,
  readPosition,
  readText,
  readWorldSize,
  SEQUENCE,
  SIGNATURE,
  SLEEPERS_WORD,
  SPINS_WORD,
  STATE,
  State,
  TIMEOUT_WORD,
  VOTE,
  WAKE_WORD,
} from './words.ts';

/** How often a member with a core of its own looks before it sleeps: 100 to 200 us, a dozen times
 * and more what a futex wake-up costs (measured on a 2-core x86 machine, Node 20, November
 * 2026). */
const SPIN_TURNS = 4000;

/** The names that errors use for layers, by layer id. */
export type LayerNames = readonly string[];

/** One member's side of the barrier. */
export class Barrier {
  readonly rank: number;
  readonly worldSize: number;
  private readonly words: ControlWords;
  private readonly layerNames: LayerNames;
  private readonly ownWord: number;
  private readonly timeoutMs: number;
  private readonly spins: boolean;
  /** Whose text lies in the even and in the odd half of the own lines. */
  private readonly written: [Call | undefined, Call | undefined] = [undefined, undefined];
  private sequence: number;
  private call: Call | undefined;
  private length = 0;
  private waitingSinceMs = 0;

  constructor(words: ControlWords, rank: number, layerNames: LayerNames) {
    this.words = words;
    this.rank = rank;
    this.worldSize = readWorldSize(words);
    this.layerNames = layerNames;
    this.ownWord = rankWord(rank);
    this.timeoutMs = words[TIMEOUT_WORD]!;
    this.spins = words[SPINS_WORD] === 1;
    this.sequence = words[this.ownWord + SEQUENCE]!;
    Atomics.store(words, this.ownWord + STATE, State.running);
  }

  /** Waits until every member has made this call. `vote` is a number for {@link voteOf}. Throws a
   * {@link RunError} when the run is broken off, and breaks it off when the members differ in their
   * calls or are late. */
  pass(call: Call, length: number, vote = 0): void {
    const { words, worldSize, rank } = this;
    const sequence = (this.sequence + 1) | 0;
    this.sequence = sequence;
    this.call = call;
    this.length = length;
    this.waitingSinceMs = 0;
    if (isAborted(words)) throw this.aborted();
    const half = (sequence & 1) * CALL_WORDS;
    this.describe(call, sequence & 1);
    words[this.ownWord + half + SIGNATURE] = call.signature;
    words[this.ownWord + half + LENGTH] = length;
    words[this.ownWord + half + VOTE] = vote;
    Atomics.store(words, this.ownWord + SEQUENCE, sequence);
    this.wakeSleepers();
    for (let other = 0; other < worldSize; other++) {
      if (other === rank) continue;
      if (!this.hasArrived(other)) this.waitFor(other);
      const word = rankWord(other) + half;
      if (words[word + SIGNATURE] !== call.signature || words[word + LENGTH] !== (length | 0)) {
        throw this.mismatch(other);
      }
    }
    if (isAborted(words)) throw this.aborted();
  }

  /** The vote that a rank gave in the last {@link pass}. To be read before the next one. */
  voteOf(rank: number): number {
    return this.words[rankWord(rank) + (this.sequence & 1) * CALL_WORDS + VOTE]!;
  }

  /** Tells the others that this member makes no more calls: who waits for it gets an error. */
  finish(): void {
    Atomics.store(this.words, this.ownWord + STATE, State.done);
    wakeAll(this.words);
  }

  private describe(call: Call, parity: number): void {
    if (this.written[parity] === call) return;
    this.written[parity] = call;
    const word = this.ownWord + CALL_TEXT + parity * LINE_WORDS;
    for (let i = 0; i < call.textWords.length; i++) this.words[word + i] = call.textWords[i]!;
  }

  /** Where members spin, anybody may sleep for anybody, so each arrival wakes who sleeps. Where
   * they do not, all sleep, and only the last arrival is news. Counting is exact although nobody
   * resets the counter to 0: a member adds again only when all have stored this sequence number,
   * so whoever makes the count reach worldSize has all of those stores behind it. */
  private wakeSleepers(): void {
    const { words, worldSize } = this;
    if (!this.spins) {
      if (Atomics.add(words, ARRIVED_WORD, 1) + 1 !== worldSize) return;
      Atomics.sub(words, ARRIVED_WORD, worldSize);
    }
    if (Atomics.load(words, SLEEPERS_WORD) > 0) wakeAll(words);
  }

  /** The difference is taken modulo 2^32, so the order survives the wrap of the numbers. */
  private hasArrived(other: number): boolean {
    return ((Atomics.load(this.words, rankWord(other) + SEQUENCE) - this.sequence) | 0) >= 0;
  }

  /** Whether a member that has not arrived never will. */
  private isGone(other: number): boolean {
    if (Atomics.load(this.words, rankWord(other) + STATE) < State.done) return false;
    // It may have arrived after the caller looked, and finished then.
    return !this.hasArrived(other);
  }

  private waitFor(other: number): void {
    for (let turn = this.spins ? SPIN_TURNS : 0; ; turn--) {
      if (this.hasArrived(other)) return;
      if (isAborted(this.words)) throw this.aborted();
      if (this.isGone(other)) throw this.fail(`rank ${other} ${this.gone(other)}`);
      if (turn <= 0) this.sleep(other);
    }
  }

  /** Sleeps until somebody changes the wake word. No wake-up is lost: this member counts itself
   * and reads the wake word before it looks again, and others store their news before they look
   * for sleepers; so either it sees the news, or they see it and change the word, and the wait
   * returns. */
  private sleep(other: number): void {
    const { words, timeoutMs } = this;
    if (this.waitingSinceMs === 0) this.waitingSinceMs = performance.now();
    const leftMs = timeoutMs - (performance.now() - this.waitingSinceMs);
    if (leftMs <= 0) throw this.fail(`the others did not come within ${timeoutMs} ms.`);
    Atomics.store(words, this.ownWord + STATE, State.waiting);
    Atomics.add(words, SLEEPERS_WORD, 1);
    const wake = Atomics.load(words, WAKE_WORD);
    if (!this.hasArrived(other) && !isAborted(words) && !this.isGone(other)) {
      Atomics.wait(words, WAKE_WORD, wake, leftMs);
    }
    Atomics.sub(words, SLEEPERS_WORD, 1);
    Atomics.store(words, this.ownWord + STATE, State.running);
  }

  private gone(other: number): string {
    const state = Atomics.load(this.words, rankWord(other) + STATE);
    return state === State.dead ? 'has died.' : 'has finished and makes no more calls.';
  }

  private mismatch(other: number): RunError {
    const parity = this.sequence & 1;
    const word = rankWord(other);
    const textWord = word + CALL_TEXT + parity * LINE_WORDS;
    const text = readText(this.words, textWord + 1, this.words[textWord]!);
    const length = this.words[word + parity * CALL_WORDS + LENGTH]!;
    const theirs = `rank ${other} ${showCall(text, length)}`;
    const mine = `rank ${this.rank} ${this.showOwnCall()}`;
    const [first, second] = other < this.rank ? [theirs, mine] : [mine, theirs];
    return this.fail(`members called different collectives: ${first}, ${second}.`);
  }

  /** Breaks the run off for everybody and gives the error to throw. */
  private fail(reason: string): RunError {
    const missing = this.missing();
    const late = missing.length > 0 ? ` Not arrived: rank ${missing.join(', ')}.` : '';
    abortRun(this.words, this.rank, `${this.showOwnCall()}: ${reason}${late}`);
    return new RunError(this.failure(reason, missing));
  }

  /** The error of a member that finds the run broken off by another one. */
  private aborted(): RunError {
    const abort = readAbort(this.words);
    if (abort === undefined) return new RunError(this.failure('the run was broken off.', []));
    const who = abort.rank === MAIN_RANK ? 'the main thread' : `rank ${abort.rank}`;
    const where = [
      abort.step === undefined ? '' : ` in step ${abort.step}`,
      abort.layerId === undefined ? '' : `, layer ${this.layerName(abort.layerId)}`,
    ].join('');
    return new RunError(
      this.failure(`${who} broke the run off${where}: ${abort.reason}`, this.missing()),
    );
  }

  private failure(reason: string, missing: readonly number[]): RunFailure {
    const { step, layerId } = readPosition(this.words, this.rank);
    return {
      reason,
      rank: this.rank,
      ...(step !== undefined && { step }),
      ...(layerId !== undefined && { layer: this.layerName(layerId) }),
      collective: this.showOwnCall(),
      ...(missing.length > 0 && { missing }),
    };
  }

  /** Who has not made the call that this member has arrived at; nobody when it is not at one. */
  private missing(): number[] {
    if (this.words[this.ownWord + SEQUENCE] !== this.sequence) return [];
    const ranks = Array.from({ length: this.worldSize }, (_, rank) => rank);
    return ranks.filter((rank) => rank !== this.rank && !this.hasArrived(rank));
  }

  private layerName(layerId: number): string {
    return this.layerNames[layerId] ?? `#${layerId}`;
  }

  private showOwnCall(): string {
    return this.call === undefined ? '' : showCall(this.call.text, this.length);
  }
}
