// A scheduler for threads that run code under test: exactly one of them runs at a time, and before
// each atomic operation a seeded generator says who goes on. All state is in shared memory and is
// touched by the running thread alone, so a seed always gives the same interleaving. It orders
// whole operations (sequential consistency), and does not model reordering by a processor.

/** The Atomics of the engine, whatever replaces the global ones later. */
const real = Atomics;

const PARTICIPANTS = 0;
const STRATEGY = 1;
const RANDOM = 2;
const POINTS = 3;
const SWITCHES = 4;
const VERDICT = 5;
const SLOW_THREAD = 6;
const LEAST_PRIORITY = 7;
/** 1: there are no more schedules. */
const DISMISSED = 8;
const CHANGE_POINTS = 9;
const CHANGES = 3;
/** 1: waits that have a timeout may end by it. */
const TIME_PASSES = CHANGE_POINTS + CHANGES;
const FIRST_THREAD = 32;
const THREAD_WORDS = 32;
const MAX_THREADS = 8;
// Within a thread's words.
const TURN = 0;
const STATE = 1;
const BLOCKED_AT = 2;
const PRIORITY = 3;
const LAST_OPERATION = 4;
const LAST_WORD = 5;
const OWN_POINTS = 6;
const STALLED_UNTIL = 7;
const HAS_TIMEOUT = 8;
const DOOMED = 9;
/** Points of a thread since it was last blocked or had to yield. */
const RUN_LENGTH = 10;
const TRACE = FIRST_THREAD + MAX_THREADS * THREAD_WORDS;
const TRACED = 32;
const TRACE_WORDS = 3;
/** The size of the scheduler's own memory. */
export const SCHEDULER_WORDS = TRACE + TRACED * TRACE_WORDS;

const State = { ready: 0, blocked: 1, done: 2 } as const;
/** How a schedule has ended. */
export const Verdict = { right: 0, stuck: 1, endless: 2, wrong: 3 } as const;

/** By seed. Half of the schedules stall: that finds mistakes with several late threads a dozen
 * times as often as any of the others. */
const STRATEGIES = [
  'uniform',
  'stalls',
  'bursts',
  'stalls',
  'priorities',
  'stalls',
  'one slow',
  'stalls',
] as const;
/** A thread that others wait for in a loop must come to its turn: nobody runs longer than this. */
const MAX_RUN_LENGTH = 100;
/** In bursts a thread goes on with a probability of 7/8; the slow thread comes with 1/64. */
const BURST = 8;
const SLOWNESS = 64;
/** The inverse probabilities that a thread stalls before a load, and before other operations, whose
 * order matters more; for up to so many points. */
const LOAD_STALL_ODDS = 20;
const STALL_ODDS = 4;
/** The inverse probability that a timeout passes before a point although others can go on. */
const EARLY_TIMEOUT_ODDS = 16;
const LONGEST_STALL = 14;
/** The number of the operation that changes nothing. */
const LOAD = 0;
/** More points than any schedule of ours has. */
const MAX_POINTS = 50_000;

/** Ends a thread's part in a schedule whose verdict is known. */
export class ScheduleOver extends Error {}

/** Ends a thread as {@link Scheduler.dieAt} and {@link Scheduler.kill} have said. */
export class Death extends Error {}

/** One thread's side of the scheduler. */
export class Scheduler {
  private readonly words: Int32Array;
  private readonly own: number;
  private readonly thread: number;
  private pointsLeft = Number.POSITIVE_INFINITY;
  private isActive = false;

  constructor(words: Int32Array, thread: number) {
    this.words = words;
    this.thread = thread;
    this.own = threadWord(thread);
  }

  /** Sets up a schedule. For thread 0, while the others wait in {@link enter}. */
  prepare(participants: number, seed: number): void {
    const { words } = this;
    words.fill(0, 0, FIRST_THREAD);
    words.fill(0, TRACE);
    words[PARTICIPANTS] = participants;
    words[STRATEGY] = seed % STRATEGIES.length;
    words[RANDOM] = Math.imul(seed + 1, 0x9e3779b9) || 1;
    for (let i = 0; i < 8; i++) this.draw(2);
    words[SLOW_THREAD] = this.draw(participants);
    // Points near the beginning are as likely as all the many later ones together.
    for (let i = 0; i < CHANGES; i++) {
      words[CHANGE_POINTS + i] = 1 + this.draw(2 ** (4 + this.draw(7)));
    }
    for (let thread = 0; thread < participants; thread++) {
      const word = threadWord(thread);
      words.fill(0, word + STATE, word + THREAD_WORDS);
      words[word + PRIORITY] = 1 + this.draw(1000);
    }
  }

  /** Waits for the first turn in a schedule; thread 0 decides whose that is. Gives false when there
   * are no more schedules. */
  enter(): boolean {
    if (this.thread !== 0) this.take();
    else this.handOver();
    this.isActive = this.words[DISMISSED] === 0;
    return this.isActive;
  }

  /** Tells all others that there are no more schedules. For thread 0, after a schedule. */
  dismiss(): void {
    this.words[DISMISSED] = 1;
    for (let thread = 1; thread < this.words[PARTICIPANTS]!; thread++) this.give(thread);
  }

  /** Whether operations of this thread are scheduled now. */
  get schedules(): boolean {
    return this.isActive;
  }

  /** Lets this thread die at a later point of its own, counted from 1. */
  dieAt(point: number): void {
    this.pointsLeft = point;
  }

  /** Lets other threads die where they are. */
  kill(threads: readonly number[]): void {
    for (const thread of threads) {
      const word = threadWord(thread);
      this.words[word + DOOMED] = 1;
      if (this.words[word + STATE] === State.blocked) this.words[word + STATE] = State.ready;
    }
  }

  /** Lets a thread that has died speak for its surroundings. */
  survive(): void {
    this.pointsLeft = Number.POSITIVE_INFINITY;
    this.words[this.own + DOOMED] = 0;
  }

  /** From now on in this schedule, lets waits end by their timeout: now and then, and when no
   * thread can continue otherwise. Until then they last until they are woken, so that no timeout
   * hides a lost wake-up. */
  letTimePass(): void {
    this.words[TIME_PASSES] = 1;
  }

  /** A scheduling point: this thread is about to do an operation on a word. */
  point(operation: number, word: number): void {
    const { words, own } = this;
    if (words[VERDICT] !== Verdict.right) throw new ScheduleOver();
    this.pointsLeft--;
    if (this.pointsLeft <= 0 || words[own + DOOMED] === 1) throw new Death();
    words[own + LAST_OPERATION] = operation;
    words[own + LAST_WORD] = word;
    words[own + OWN_POINTS]!++;
    if (words[POINTS]! >= MAX_POINTS) this.decide(Verdict.endless);
    this.goOn();
    const entry = TRACE + (words[POINTS]! % TRACED) * TRACE_WORDS;
    words[entry] = this.thread + 1;
    words[entry + 1] = operation;
    words[entry + 2] = word;
    words[POINTS]!++;
  }

  /** Blocks this thread until {@link wake} is called for the word, or time passes. */
  block(word: number, hasTimeout: boolean): void {
    const { words, own } = this;
    words[own + BLOCKED_AT] = word;
    words[own + HAS_TIMEOUT] = hasTimeout ? 1 : 0;
    words[own + RUN_LENGTH] = 0;
    words[own + STATE] = State.blocked;
    this.goOn();
  }

  /** Makes up to `count` of the threads ready that are blocked on a word. */
  wake(word: number, count: number): number {
    const { words } = this;
    const blocked = this.threadsIn(State.blocked).filter(
      (thread) => words[threadWord(thread) + BLOCKED_AT] === word,
    );
    let woken = 0;
    for (; woken < count && blocked.length > 0; woken++) {
      const [thread] = blocked.splice(this.draw(blocked.length), 1);
      words[threadWord(thread!) + STATE] = State.ready;
    }
    return woken;
  }

  /** Ends the schedule as wrong. */
  condemn(): void {
    this.decide(Verdict.wrong);
  }

  /** Ends this thread's part; the last one gives the turn back to thread 0. */
  leave(): void {
    const { words, own } = this;
    this.isActive = false;
    this.survive();
    words[own + STATE] = State.done;
    const next = this.nextOrStuck();
    // Where nobody is left, the schedule is over, and thread 0 goes on with another one.
    if (next !== undefined) this.give(next);
    else if (this.thread !== 0) this.give(0);
    if (next !== undefined && this.thread === 0) this.take();
  }

  get verdict(): number {
    return this.words[VERDICT]!;
  }

  get points(): number {
    return this.words[POINTS]!;
  }

  get switches(): number {
    return this.words[SWITCHES]!;
  }

  /** Who did what last, and where each thread is. */
  describe(operations: readonly string[], showWord: (word: number) => string): string {
    const { words } = this;
    const show = (at: number) => `${operations[words[at]!]} ${showWord(words[at + 1]!)}`;
    const lines = [`strategy: ${STRATEGIES[words[STRATEGY]!]}, ${this.points} points`];
    for (let thread = 0; thread < words[PARTICIPANTS]!; thread++) {
      const word = threadWord(thread);
      const state = ['is ready', 'is blocked', 'is done'][words[word + STATE]!];
      const last = words[word + OWN_POINTS] === 0 ? 'has not begun' : show(word + LAST_OPERATION);
      lines.push(`thread ${thread} ${state}: ${last}, point ${words[word + OWN_POINTS]}`);
    }
    lines.push('the last operations:');
    for (let i = Math.max(0, this.points - TRACED); i < this.points; i++) {
      const entry = TRACE + (i % TRACED) * TRACE_WORDS;
      lines.push(`  ${words[entry]! - 1}: ${show(entry + 1)}`);
    }
    return lines.join('\n');
  }

  /** Lets whoever is next go on, and ends this thread's part when the schedule is over. */
  private goOn(): void {
    this.handOver();
    if (this.words[VERDICT] !== Verdict.right) throw new ScheduleOver();
    if (this.words[this.own + DOOMED] === 1) throw new Death();
  }

  /** Hands the turn over to whoever is next, and waits for the own one. */
  private handOver(): void {
    const { words, thread, own } = this;
    const next = this.nextOrStuck()!;
    if (next !== thread) {
      words[SWITCHES]!++;
      this.give(next);
      this.take();
    }
    words[own + RUN_LENGTH]!++;
  }

  private give(thread: number): void {
    const turn = threadWord(thread) + TURN;
    real.store(this.words, turn, 1);
    real.notify(this.words, turn, 1);
  }

  private take(): void {
    const { words } = this;
    const turn = this.own + TURN;
    while (real.load(words, turn) === 0) real.wait(words, turn, 0);
    real.store(words, turn, 0);
  }

  /** Who runs next. When all that are left are blocked, the schedule ends as stuck, and they are
   * the next ones, to leave. */
  private nextOrStuck(): number | undefined {
    const timePasses = this.words[TIME_PASSES] === 1;
    if (timePasses && this.draw(EARLY_TIMEOUT_ODDS) === 0) this.endWait();
    const next = this.next() ?? (timePasses ? this.endWait() : undefined);
    if (next !== undefined || this.threadsIn(State.blocked).length === 0) return next;
    this.decide(Verdict.stuck);
    return this.next();
  }

  /** Makes a thread ready whose timeout passes, and gives it; undefined when there is none. */
  private endWait(): number | undefined {
    const { words, thread } = this;
    const waiting = this.threadsIn(State.blocked).filter(
      (other) => words[threadWord(other) + HAS_TIMEOUT] === 1,
    );
    if (waiting.length === 0) return undefined;
    const stays = waiting.includes(thread) && this.draw(BURST) > 0;
    const one = stays ? thread : this.oneOf(waiting);
    words[threadWord(one) + STATE] = State.ready;
    return one;
  }

  /** The first verdict counts. */
  private decide(verdict: number): void {
    if (this.words[VERDICT] === Verdict.right) this.words[VERDICT] = verdict;
  }

  /** Who runs next; undefined when nobody can. */
  private next(): number | undefined {
    const { words, thread, own } = this;
    if (words[VERDICT] !== Verdict.right) {
      // Each thread is still to throw and leave.
      const left = this.threadsIn(State.ready, State.blocked);
      return left.includes(thread) ? thread : left[0];
    }
    const ready = this.threadsIn(State.ready);
    if (ready.length <= 1) return ready[0];
    const mustYield = words[own + RUN_LENGTH]! > MAX_RUN_LENGTH;
    if (mustYield) words[own + RUN_LENGTH] = 0;
    switch (STRATEGIES[words[STRATEGY]!]) {
      case 'bursts':
        if (!mustYield && ready.includes(thread) && this.draw(BURST) > 0) return thread;
        return this.oneOf(ready);
      case 'priorities':
        return this.mostUrgent(ready, mustYield);
      case 'one slow': {
        const slow = words[SLOW_THREAD]!;
        if (ready.includes(slow) && this.draw(SLOWNESS) === 0) return slow;
        return this.oneOf(ready.filter((other) => other !== slow));
      }
      case 'stalls':
        return this.unstalled(ready, mustYield);
      default:
        return this.oneOf(ready);
    }
  }

  /** Threads run on until they stall, several at a time, as when the system takes their core. */
  private unstalled(ready: readonly number[], mustYield: boolean): number {
    const { words, thread, own } = this;
    const odds = words[own + LAST_OPERATION] === LOAD ? LOAD_STALL_ODDS : STALL_ODDS;
    if (mustYield || this.draw(odds) === 0) {
      words[own + STALLED_UNTIL] = words[POINTS]! + this.draw(LONGEST_STALL);
    }
    const left = ready.filter(
      (other) => words[threadWord(other) + STALLED_UNTIL]! <= words[POINTS]!,
    );
    return left.includes(thread) ? thread : this.oneOf(left.length > 0 ? left : ready);
  }

  /** Probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte 2010): the
   * thread of the highest priority runs, and at a few random points it gets the lowest. */
  private mostUrgent(ready: readonly number[], mustYield: boolean): number {
    const { words, own } = this;
    const changes = words.subarray(CHANGE_POINTS, CHANGE_POINTS + CHANGES);
    if (mustYield || changes.includes(words[POINTS]!)) {
      words[LEAST_PRIORITY]!--;
      words[own + PRIORITY] = words[LEAST_PRIORITY]!;
    }
    const priorityOf = (thread: number) => words[threadWord(thread) + PRIORITY]!;
    return ready.reduce((best, other) => (priorityOf(other) > priorityOf(best) ? other : best));
  }

  private oneOf(threads: readonly number[]): number {
    return threads[this.draw(threads.length)]!;
  }

  private threadsIn(...states: readonly number[]): number[] {
    const threads: number[] = [];
    for (let thread = 0; thread < this.words[PARTICIPANTS]!; thread++) {
      if (states.includes(this.words[threadWord(thread) + STATE]!)) threads.push(thread);
    }
    return threads;
  }

  /** A whole number below the bound, by xorshift (Marsaglia 2003). */
  private draw(bound: number): number {
    let x = this.words[RANDOM]!;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.words[RANDOM] = x;
    return (x >>> 0) % bound;
  }
}

function threadWord(thread: number): number {
  return FIRST_THREAD + thread * THREAD_WORDS;
}
