// What the ranks do under the scheduler, and what must hold in every interleaving. Barriers here;
// scenarios of data are in dataScenarios.ts. A scenario throws when something is wrong.

import { abortFromMain, abortRun, MAIN_RANK } from '../../../src/sync/abort.ts';
import { type Call, prepareCall } from '../../../src/sync/call.ts';
import type { CollectiveKernels } from '../../../src/sync/channel.ts';
import { attachMember, type Member } from '../../../src/sync/group.ts';
import type { GroupMemory } from '../../../src/sync/memory.ts';
import type { MemoryMailboxes } from '../../../src/sync/memoryTransport.ts';
import { requestStop } from '../../../src/sync/words.ts';
import { Death, ScheduleOver, type Scheduler } from './scheduler.ts';

export interface ModelContext {
  /** In its process. The main thread, where a scenario has one, is the rank after the last; it
   * acts for all processes. */
  readonly rank: number;
  /** Of each process. */
  readonly worldSize: number;
  /** Of the own process. */
  readonly shared: GroupMemory;
  readonly process: number;
  readonly processes: number;
  readonly memories: readonly GroupMemory[];
  /** Those of all processes, then those of each pair alone: of 0 and 1, 0 and 2, 1 and 2. */
  readonly mailboxes: readonly MemoryMailboxes[];
  readonly kernels: CollectiveKernels;
  readonly scheduler: Scheduler;
  /** Plain shared words of the test, zero at first. */
  readonly cells: Int32Array;
  /** A whole number below the bound; the same numbers on all ranks. */
  readonly draw: (bound: number) => number;
}

export type ModelScenario = (context: ModelContext) => void;

const ROUNDS = 4;
const CALLS = [0, 1].map((i) => prepareCall({ kind: `round ${i}`, length: 3 + i }));
const OTHER_CALLS = [
  prepareCall({ kind: 'another' }),
  ...CALLS.map((_, i) => prepareCall({ kind: `round ${i}`, length: 9 })),
];

/** Fails the schedule. */
export function assert(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** The message of the error that something ends with. */
export function messageOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    // The end of this thread is not an error of the code under test.
    if (error instanceof ScheduleOver || error instanceof Death) throw error;
    return (error as Error).message;
  }
  return 'no error';
}

/** Asserts that something ends with an error. */
export function assertThrows(pattern: RegExp, run: () => void): void {
  const message = messageOf(run);
  assert(pattern.test(message), `${message}: is not ${pattern}`);
}

/** Joins and passes `rounds` barriers; nobody may come out before all are in. */
function pass({ shared, rank, worldSize, cells }: ModelContext, rounds: number): Member {
  const member = attachMember(shared.words, rank);
  for (let round = 1; round <= rounds; round++) {
    cells[rank] = round;
    member.sync(callOf(round));
    for (let other = 0; other < worldSize; other++) {
      const found = cells[other]!;
      assert(found >= round, `rank ${rank} is out of barrier ${round}, rank ${other} at ${found}`);
      assert(found <= round + 1, `rank ${other} is two barriers ahead of rank ${rank}`);
    }
  }
  return member;
}

function callOf(round: number): Call {
  return CALLS[round & 1]!;
}

/** One rank does something else after some rounds; all others must end with an error, which may
 * reach them while they are still on their way out of the round before. */
function passUntil(
  context: ModelContext,
  last: (member: Member) => void,
  pattern: (victim: number) => RegExp,
): void {
  const { rank, worldSize, draw } = context;
  const victim = draw(worldSize);
  const rounds = draw(ROUNDS);
  if (rank === victim) last(pass(context, rounds));
  else assertThrows(pattern(victim), () => pass(context, rounds).sync(callOf(rounds + 1)));
}

/** Where a thread that died tells the main thread so, as the end of a thread does. */
const DEATH_FROM_END = 32;

/** One rank dies at any of its operations, also in the middle of aborting the run. */
function die(context: ModelContext): void {
  const { rank, worldSize, draw, scheduler, shared } = context;
  const { words } = shared;
  const victim = draw(worldSize);
  const point = 1 + draw(2 ** (2 + draw(6)));
  const aborts = draw(4) === 0;
  const lastRound = aborts ? draw(ROUNDS) : ROUNDS;
  const deathWord = words.length - DEATH_FROM_END;
  const tell = (value: number) => {
    scheduler.survive();
    Atomics.store(words, deathWord, value);
    Atomics.notify(words, deathWord);
  };
  if (rank === worldSize) {
    while (Atomics.load(words, deathWord) === 0) Atomics.wait(words, deathWord, 0);
    if (Atomics.load(words, deathWord) === 1) abortFromMain(words, victim, 'its thread ended');
  } else if (rank === victim) {
    scheduler.dieAt(point);
    try {
      const member = pass(context, lastRound);
      if (aborts) abortRun(words, victim, 'it aborts');
      else member.finish();
      tell(2);
    } catch (error) {
      if (!(error instanceof Death)) throw error;
      tell(1);
    }
  } else {
    const message = messageOf(() => pass(context, ROUNDS).finish());
    const names = new RegExp(`rank ${victim} (has died|aborted the run)`);
    const isRight =
      names.test(message) ||
      (message === 'no error' && !aborts) ||
      (message.includes('a dying thread') && aborts);
    assert(isRight, `rank ${victim} died, rank ${rank} ends with ${message}`);
  }
}

export const barrierScenarios = {
  /** Nobody comes out before all are in. */
  rounds: (context: ModelContext) => {
    pass(context, ROUNDS);
  },

  /** All finish after the last barrier, while slower ones still look for them. */
  finishTogether: (context: ModelContext) => {
    pass(context, 1 + context.draw(2)).finish();
  },

  finishEarly: (context: ModelContext) => {
    passUntil(
      context,
      (member) => member.finish(),
      (victim) => new RegExp(`rank ${victim} has finished and makes no more calls`),
    );
  },

  abort: (context: ModelContext) => {
    const { rank, shared } = context;
    passUntil(
      context,
      () => assert(abortRun(shared.words, rank, 'it must'), 'the only abort is the first'),
      (victim) => new RegExp(`rank ${victim} aborted the run: it must`),
    );
  },

  /** Ranks 0 and 1 break off at once: the first one counts, for all. */
  twoAborts: (context: ModelContext) => {
    const { rank, shared, cells, worldSize } = context;
    const firstCell = worldSize + rank;
    if (rank <= 1) {
      cells[firstCell] = abortRun(shared.words, rank, `reason ${rank}`) ? 1 : 2;
      const [one, other] = cells.subarray(worldSize, worldSize + 2);
      assert(one === 0 || other === 0 || one !== other, 'both were first, or nobody');
    } else {
      const message = messageOf(() => pass(context, ROUNDS));
      const [, first] = /rank ([01]) aborted the run: reason \1/.exec(message) ?? [];
      assert(first !== undefined, message);
      assert(cells[worldSize + Number(first)] !== 2, `${message}, which was not the first`);
    }
  },

  /** The main thread breaks off at any time. */
  abortFromMain: (context: ModelContext) => {
    const { rank, worldSize, shared } = context;
    if (rank === worldSize) {
      abortFromMain(shared.words, MAIN_RANK, 'stop it');
      return;
    }
    const message = messageOf(() => pass(context, ROUNDS).finish());
    const isRight = /^no error$|the main thread aborted the run: stop it/.test(message);
    assert(isRight, message);
  },

  /** All learn in the same round that the main thread asks to stop. */
  stop: ({ rank, worldSize, shared, cells }: ModelContext) => {
    if (rank === worldSize) {
      requestStop(shared.words);
      return;
    }
    const member = attachMember(shared.words, rank);
    const limit = 20;
    let round = 1;
    while (round < limit && !member.syncStop(callOf(round))) round++;
    cells[rank] = round;
    member.sync(OTHER_CALLS[0]!);
    for (let other = 0; other < worldSize; other++) {
      assert(cells[other] === round, `rank ${rank} stops in ${round}, ${other} in ${cells[other]}`);
    }
  },

  die,

  /** One rank calls something else, or the same on another length: nobody gets through. */
  mismatch: (context: ModelContext) => {
    const { rank, worldSize, draw } = context;
    const victim = draw(worldSize);
    const rounds = draw(ROUNDS);
    const isLonger = draw(2) === 1;
    const other = isLonger ? OTHER_CALLS[1 + ((rounds + 1) & 1)]! : OTHER_CALLS[0]!;
    const call = rank === victim ? other : callOf(rounds + 1);
    assertThrows(/members called different collectives: rank \d .*; rank \d /, () =>
      pass(context, rounds).sync(call),
    );
  },
} satisfies Record<string, ModelScenario>;
