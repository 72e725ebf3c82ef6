// The synchronization that everything else is built on. A member stores the number of its
// synchronization and waits until those of all others are as high; then it compares their calls. A
// wait ends by arrival, abort or timeout, or because the other member has finished or died. It
// always ends.

import type { RunError } from '../base/errors.ts';
import { sliceMsOf } from '../base/patience.ts';
import { isAborted, wakeAll, wakeGroup } from './abort.ts';
import type { Call } from './call.ts';
import { Failing } from './failing.ts';
import { Spin } from './spin.ts';
import { Counters } from './stats.ts';
import {
  ARRIVED_WORD,
  arrivalWord,
  CALL_TEXT,
  CALL_WORDS,
  type ControlWords,
  EXCHANGE_PATIENCE,
  FIRST_VALUE,
  LAST_LINE,
  LAST_RANK_WORD,
  LAST_SEQUENCE,
  LENGTH,
  LINE_WORDS,
  NUMBER,
  rankWord,
  readWorldSize,
  SIGNATURE,
  SLEEPERS_WORD,
  SLEEPS_AT,
  SPIN_TURNS_WORD,
  STATE,
  State,
  showCall,
  showLastCall,
  TIMEOUT_WORD,
  VALUE_WORDS,
  valueWord,
  WAKE_WORD,
} from './words.ts';

export interface BarrierOptions {
  /** The names of layers in errors, by layer id. */
  readonly layerNames?: readonly string[];
  /** The place of this group in its world. Default: it is the world. */
  readonly split?: Split;
  /** Where waits are counted: see {@link Counters}. */
  readonly waits?: Float64Array;
  /** The ranks of this process: the first of them arrives last if there are other processes.
   * Default: all. */
  readonly locals?: readonly number[];
}

/** A group that was split off the world. */
export interface Split {
  readonly world: ControlWords;
  /** The ranks of its members in the world. */
  readonly worldRanks: readonly number[];
}

/** One member's side of the barrier. */
export class Barrier {
  readonly rank: number;
  readonly worldSize: number;
  readonly counters: Counters;
  private readonly words: ControlWords;
  private readonly world: ControlWords;
  private readonly worldRanks: readonly number[];
  private readonly locals: readonly number[];
  private readonly failing: Failing;
  /** The word of this member's arrival, and that of rank 0. The other ranks follow at equal
   * distances. */
  private readonly arrivalWord: number;
  private readonly firstArrival: number;
  private readonly arrivalStride: number;
  /** This member's line in this group and in the world; the group's wake word and this line, as
   * indices into the world's words. */
  private readonly ownWord: number;
  private readonly ownWorldWord: number;
  private readonly wakeWord: number;
  private readonly lineWord: number;
  /** Whether members that wait spin before they sleep. */
  readonly spins: boolean;
  private readonly spin: Spin;
  /** The calls with their text in the even and odd halves of this member's lines. */
  private readonly written: [Call | undefined, Call | undefined] = [undefined, undefined];
  private readonly groupTimeoutMs: number;
  /** Factor of the timeouts of calls. */
  private readonly patience: number;
  private bytes = 0;
  private sequence: number;
  /** The number of the last call in the counters. */
  private counted = 0;
  /** The current call of this member. */
  call: Call | undefined;
  length = 0;
  number = 0;
  timeoutMs: number;
  /** Whether this member has arrived at the synchronization of {@link sequence} and not yet passed
   * it. */
  private isAtCall = false;
  /** How long this member has slept in the current synchronization. */
  private waitedMs = 0;

  constructor(words: ControlWords, rank: number, options: BarrierOptions = {}) {
    this.words = words;
    this.rank = rank;
    this.worldSize = readWorldSize(words);
    this.counters = new Counters(rank, this.worldSize, options.waits);
    const all = Array.from({ length: this.worldSize }, (_, other) => other);
    const { world = words, worldRanks = all } = options.split ?? {};
    this.world = world;
    this.worldRanks = worldRanks;
    const { layerNames = [], locals = all } = options;
    this.locals = locals;
    this.patience = locals.length < all.length && locals[0] !== rank ? EXCHANGE_PATIENCE : 1;
    const [own, described] = [worldRanks[rank]!, locals.map((other) => worldRanks[other]!)];
    this.failing = new Failing(world, described, own, layerNames);
    this.ownWord = rankWord(rank);
    this.ownWorldWord = rankWord(own);
    const offset = (words.byteOffset - world.byteOffset) / 4;
    this.wakeWord = offset + WAKE_WORD;
    this.lineWord = offset + this.ownWord;
    this.firstArrival = arrivalWord(0, this.worldSize);
    this.arrivalStride = arrivalWord(1, this.worldSize) - this.firstArrival;
    this.arrivalWord = this.firstArrival + rank * this.arrivalStride;
    this.spins = words[SPIN_TURNS_WORD]! > 0;
    this.spin = new Spin(words[SPIN_TURNS_WORD]!);
    this.groupTimeoutMs = words[TIMEOUT_WORD]!;
    this.timeoutMs = this.groupTimeoutMs;
    this.sequence = words[this.arrivalWord]!;
    Atomics.store(world, this.ownWorldWord + STATE, State.running);
  }

  /** Begins a call, which has one or more synchronizations. */
  begin(call: Call, length: number, bytes = 0, timeoutMs = this.groupTimeoutMs): void {
    this.call = call;
    this.length = length | 0;
    this.number = (this.number + 1) | 0;
    this.timeoutMs = timeoutMs * this.patience;
    this.bytes = bytes;
  }

  /** Waits until every member has arrived at the same synchronization of the same call.
   * {@link valueOf} returns the values. Throws a {@link RunError} if the run is aborted, and
   * aborts it if the members differ in their calls or are late. */
  pass(value = 0, value2 = 0): void {
    const call = this.come();
    this.arrive(value, value2);
    if (this.spins) this.wakeSleepers();
    else this.countIn();
    // Other members do not need this, so it is done while they notice the arrival.
    this.count(call);
    this.awaitOthers(call);
    this.leave();
  }

  /** Like {@link pass}, but arrives last: `meanwhile` runs once all others have arrived, and they
   * continue when it has returned. One member of a group does this in a call with an exchange. */
  passLast(meanwhile: () => void, value = 0, value2 = 0): void {
    const call = this.come();
    if (!this.spins) this.countIn();
    this.count(call);
    this.awaitOthers(call);
    if (isAborted(this.world)) throw this.aborted();
    // It may wait for other processes, which the main thread must not mistake for a stall.
    Atomics.store(this.world, this.ownWorldWord + STATE, State.waiting);
    meanwhile();
    Atomics.store(this.world, this.ownWorldWord + STATE, State.running);
    // The others have waited for this member.
    this.words[LAST_RANK_WORD] = this.rank;
    this.arrive(value, value2);
    this.wakeSleepers();
    this.leave();
  }

  /** Whether the last {@link pass} had an odd number. */
  get parity(): number {
    return this.sequence & 1;
  }

  private get half(): number {
    return this.parity * CALL_WORDS;
  }

  /** The first value that a rank gave in the last {@link pass}. Read it before the next one. */
  valueOf(rank: number): number {
    return this.words[valueWord(rank, this.worldSize, this.parity)]!;
  }

  /** The second value that a rank gave. */
  value2Of(rank: number): number {
    return this.words[valueWord(rank, this.worldSize, this.parity) + 1]!;
  }

  /** The length that a rank gave. */
  lengthOf(rank: number): number {
    return this.words[rankWord(rank) + this.parity * CALL_WORDS + LENGTH]!;
  }

  /** The rank in the world of a rank in this group. */
  worldRankOf(rank: number): number {
    return this.worldRanks[rank]!;
  }

  /** Tells the others that this thread makes no more calls. Members that wait for it get an
   * error. */
  finish(): void {
    Atomics.store(this.world, this.ownWorldWord + STATE, State.done);
    wakeAll(this.world);
  }

  /** Aborts the run and returns the error to throw. `late` are ranks in the world. */
  fail(reason: string, late: readonly number[] = [], process?: number): RunError {
    return this.failing.fail(reason, { collective: this.showOwnCall(), late }, process);
  }

  /** Announces which synchronization this member is at. */
  private come(): Call {
    const { words } = this;
    const call = this.call!;
    this.sequence = (this.sequence + 1) | 0;
    this.isAtCall = true;
    words[this.ownWord + LAST_SEQUENCE] = this.sequence;
    words[this.ownWord + NUMBER] = this.number;
    this.describe(call);
    return call;
  }

  private arrive(value: number, value2: number): void {
    const { words, sequence } = this;
    const ownValueWord = this.arrivalWord + FIRST_VALUE + this.parity * VALUE_WORDS;
    words[ownValueWord] = value;
    words[ownValueWord + 1] = value2;
    Atomics.store(words, this.arrivalWord, sequence);
  }

  private leave(): void {
    this.isAtCall = false;
    if (isAborted(this.world)) throw this.aborted();
  }

  private awaitOthers(call: Call): void {
    const { words, locals, rank, half } = this;
    for (let i = 0; i < locals.length; i++) {
      const other = locals[i]!;
      if (other === rank) continue;
      if (!this.hasArrived(other)) this.waitFor(other);
      const word = rankWord(other) + half;
      if (
        words[word + SIGNATURE] !== call.signature ||
        (words[word + LENGTH] !== this.length && !call.uneven)
      ) {
        throw this.mismatch(other);
      }
    }
  }

  /** Announces the call if it has changed. Others read it in each synchronization, so each store
   * has to fetch the cache line back. */
  private describe(call: Call): void {
    const { words, parity } = this;
    const callWord = this.ownWord + this.half;
    if (words[callWord + LENGTH] !== this.length) words[callWord + LENGTH] = this.length;
    if (this.written[parity] === call) return;
    this.written[parity] = call;
    words[callWord + SIGNATURE] = call.signature;
    const word = this.ownWord + CALL_TEXT + parity * LINE_WORDS;
    for (let i = 0; i < call.textWords.length; i++) words[word + i] = call.textWords[i]!;
  }

  /** Records a call with its first synchronization, for errors and statistics. */
  private count(call: Call): void {
    this.waitedMs = 0;
    if (this.counted === this.number) return;
    this.counted = this.number;
    this.world[this.ownWorldWord + LAST_LINE] = this.lineWord;
    this.counters.begin(call, this.bytes);
  }

  /** Counts this member if members do not spin. If they spin, any member may sleep until any other
   * arrives, so each arrival wakes the sleepers. Otherwise all sleep, and only the last arrival
   * matters: the one that makes the count a multiple of their number. A fast member may count its
   * next arrival before a slow one has counted this one, and the member that completes a multiple
   * may subtract it late, so the count is not always that of this synchronization. But a member
   * only counts again after all have stored this number, so all of those stores precede the
   * arrival that completes a multiple. The member that arrives last counts itself before it waits,
   * as if it had arrived, so the last of the others wakes it, regardless of what they call. */
  private countIn(): void {
    const { words, locals } = this;
    if ((Atomics.add(words, ARRIVED_WORD, 1) + 1) % locals.length !== 0) return;
    Atomics.sub(words, ARRIVED_WORD, locals.length);
    words[LAST_RANK_WORD] = this.rank;
    this.wakeSleepers();
  }

  private wakeSleepers(): void {
    if (Atomics.load(this.words, SLEEPERS_WORD) > 0) wakeGroup(this.words, WAKE_WORD);
  }

  /** The difference is modulo 2^32, so the order survives wraparound. */
  private hasArrived(other: number): boolean {
    return (
      ((Atomics.load(this.words, this.firstArrival + other * this.arrivalStride) - this.sequence) |
        0) >=
      0
    );
  }

  private stateOf(other: number): number {
    return Atomics.load(this.world, rankWord(this.worldRankOf(other)) + STATE);
  }

  /** Whether a member that has not arrived will never arrive. */
  private isGone(other: number): boolean {
    if (this.stateOf(other) < State.done) return false;
    // It may have arrived after the caller looked, and then finished.
    return !this.hasArrived(other);
  }

  private waitFor(other: number): void {
    const { turns } = this.spin;
    for (let turn = 1; turn <= turns; turn++) {
      if (this.hasArrived(other)) {
        this.spin.hit();
        this.counters.spun(other, turn);
        return;
      }
      this.checkHope(other);
    }
    this.spin.miss();
    const beforeMs = this.waitedMs;
    while (!this.hasArrived(other)) {
      this.checkHope(other);
      this.sleep(other);
    }
    this.counters.spun(other, turns);
    // If only the last arrival wakes sleepers, a sleeper has waited for that one, not for `other`.
    const late = this.spins ? other : this.words[LAST_RANK_WORD]!;
    this.counters.slept(late, this.waitedMs - beforeMs);
  }

  /** Throws if waiting for a member is pointless. */
  private checkHope(other: number): void {
    if (isAborted(this.world)) throw this.aborted();
    if (!this.isGone(other)) return;
    const what = this.stateOf(other) === State.dead ? 'died.' : 'finished and makes no more calls.';
    throw this.fail(`rank ${this.worldRankOf(other)} has ${what}`, this.late());
  }

  /** Sleeps until another member changes the wake word, at most for a slice of the timeout. No
   * wake-up is lost: this member counts itself and reads the wake word before it looks again, and
   * others store their changes before they look for sleepers. Either this member sees the change,
   * or they see the sleeper and change the word, and the wait returns. */
  private sleep(other: number): void {
    const { words, world, ownWorldWord } = this;
    const leftMs = this.timeoutMs - this.waitedMs;
    if (leftMs <= 0) {
      throw this.fail(`the others did not come within ${this.timeoutMs} ms.`, this.late());
    }
    Atomics.store(world, ownWorldWord + SLEEPS_AT, this.wakeWord);
    Atomics.store(world, ownWorldWord + STATE, State.waiting);
    Atomics.add(words, SLEEPERS_WORD, 1);
    const wake = Atomics.load(words, WAKE_WORD);
    const sliceMs = Math.min(leftMs, sliceMsOf(this.timeoutMs));
    const startMs = performance.now();
    if (!this.hasArrived(other) && !isAborted(world) && !this.isGone(other)) {
      Atomics.wait(words, WAKE_WORD, wake, sliceMs);
    }
    this.waitedMs += Math.min(performance.now() - startMs, sliceMs);
    Atomics.sub(words, SLEEPERS_WORD, 1);
    Atomics.store(world, ownWorldWord + STATE, State.running);
    Atomics.store(world, ownWorldWord + SLEEPS_AT, 0);
  }

  private mismatch(other: number): RunError {
    const theirs = `rank ${this.worldRankOf(other)} ${showLastCall(this.words, rankWord(other))}`;
    const mine = `rank ${this.worldRanks[this.rank]} ${this.showOwnCall()}`;
    const [first, second] = other < this.rank ? [theirs, mine] : [mine, theirs];
    return this.fail(`members called different collectives: ${first}; ${second}.`);
  }

  /** The error of a member if another one has aborted the run. */
  aborted(): RunError {
    return this.failing.aborted({ collective: this.showOwnCall(), late: this.late() });
  }

  /** The world ranks of the members that this one waits for. */
  private late(): number[] {
    if (!this.isAtCall) return [];
    return this.locals
      .filter((rank) => rank !== this.rank && !this.hasArrived(rank))
      .map((rank) => this.worldRanks[rank]!);
  }

  private showOwnCall(): string {
    return this.call === undefined ? '' : showCall(this.call.text, this.length, this.number);
  }
}
