// Scenarios of several processes under the scheduler: their workers meet in shared memory, the
// first ones of them exchange over links and mailboxes.

import { abortFromMain, abortRun, MAIN_RANK } from '../../../src/sync/abort.ts';
import { MemoryTransport } from '../../../src/sync/memoryTransport.ts';
import { type ControlWords, requestEnd, requestStop } from '../../../src/sync/words.ts';
import { PairTransport } from './pairTransport.ts';
import {
  checkValues,
  comeTo,
  type JoinOptions,
  join,
  LOCAL_CALLS,
  type Participant,
  passRounds,
  ROUNDS,
} from './processes.ts';
import { assert, assertThrows, type ModelContext, messageOf } from './scenarios.ts';
import { Death } from './scheduler.ts';

/** Cells behind those of the workers. */
const DIED_CELL = 32;
/** Where workers tell the main thread how they end, in the memory of their process. */
const DEATH_FROM_END = 32;
const ENDED_FROM_END = 31;
/** So little that a link that waits for a process that died is through after some hundred looks. */
const SHORT_MS = 0.5;

interface Victim {
  readonly process: number;
  readonly rank: number;
}

const isMain = ({ rank, worldSize }: ModelContext): boolean => rank === worldSize;

/** Makes all rounds. Gives the message of the error, or `no error`. */
function outcomeOf(context: ModelContext, options?: JoinOptions): string {
  return messageOf(() => {
    const own = join(context, options);
    passRounds(context, own, ROUNDS);
    own.member.finish();
  });
}

/** Draws the worker that something happens to, and says who the own one is. */
function victimOf({ draw, processes, worldSize, process, rank }: ModelContext) {
  const victim: Victim = { process: draw(processes), rank: draw(worldSize) };
  const isOfProcess = victim.process === process;
  return { victim, isOfProcess, isVictim: isOfProcess && victim.rank === rank };
}

function tell(words: ControlWords, fromEnd: number, value: number): void {
  Atomics.add(words, words.length - fromEnd, value);
  Atomics.notify(words, words.length - fromEnd);
}

/** Waits until no less was told, and gives what was told. */
function awaitTold(words: ControlWords, fromEnd: number, least: number): number {
  const word = words.length - fromEnd;
  for (;;) {
    const told = Atomics.load(words, word);
    if (told >= least) return told;
    Atomics.wait(words, word, told);
  }
}

/** Main tells the other processes that one has failed, once no worker of it is left. */
function failFromMain({ memories, mailboxes, worldSize }: ModelContext, process: number): void {
  awaitTold(memories[process]!.words, ENDED_FROM_END, worldSize);
  new MemoryTransport(mailboxes[0]!, process).fail('it is told so');
}

/** A worker of one process dies at any of its operations. Main breaks that process off, and tells
 * the others when all of its workers have ended. */
function workerDies(context: ModelContext): void {
  const { shared, scheduler, draw, memories } = context;
  const { victim, isOfProcess, isVictim } = victimOf(context);
  const point = drawPoint(draw);
  scheduler.letTimePass();
  if (isMain(context)) {
    const { words } = memories[victim.process]!;
    if (awaitTold(words, DEATH_FROM_END, 1) === 2) return;
    abortFromMain(words, victim.rank, 'its thread ended');
    failFromMain(context, victim.process);
    return;
  }
  if (isVictim) scheduler.dieAt(point);
  let message: string;
  try {
    message = outcomeOf(context);
    scheduler.survive();
    if (isVictim) tell(shared.words, DEATH_FROM_END, 2);
  } catch (error) {
    if (!(error instanceof Death)) throw error;
    scheduler.survive();
    message = 'no error';
    context.cells[DIED_CELL] = 1;
    tell(shared.words, DEATH_FROM_END, 1);
  }
  if (isOfProcess) tell(shared.words, ENDED_FROM_END, 1);
  const pattern = isOfProcess
    ? `rank ${victim.rank} (has died|aborted the run: its thread ended)`
    : `process ${victim.process} failed: it is told so`;
  checkOutcome(context, message, new RegExp(pattern));
}

/** All threads of a process die at once, and nobody tells: the others end by the deadline. */
function processDies(context: ModelContext): void {
  const { victim } = victimOf(context);
  const pattern = `process ${victim.process}( and process \\d)* did not come to .* within`;
  dieTogether(context, victim, () => {
    const message = outcomeOf(context, { timeoutMs: SHORT_MS });
    checkOutcome(context, message, new RegExp(pattern));
  });
}

/** As before, but the others end because main tells them not to wait any longer. They may not have
 * had to wait for the dead one. */
function endWithoutPeers(context: ModelContext): void {
  const { memories } = context;
  const { victim } = victimOf(context);
  if (isMain(context)) {
    memories.forEach(({ words }, process) => {
      if (process !== victim.process) requestEnd(words);
    });
    return;
  }
  dieTogether(context, victim, () => {
    const message = outcomeOf(context);
    const right = /^no error$|process \d did not come to .* before this process had to end/;
    assert(right.test(message), message);
  });
}

/** A worker of a process dies at any of its operations, and all others of that process with it. */
function dieTogether(context: ModelContext, victim: Victim, others: () => void): void {
  const { draw, process, rank, scheduler, worldSize, cells } = context;
  const point = drawPoint(draw);
  scheduler.letTimePass();
  if (isMain(context)) return;
  if (process !== victim.process) {
    others();
    return;
  }
  if (rank === victim.rank) scheduler.dieAt(point);
  try {
    outcomeOf(context);
  } catch (error) {
    if (!(error instanceof Death)) throw error;
    if (rank !== victim.rank) return;
    cells[DIED_CELL] = 1;
    const first = process * worldSize;
    const all = Array.from({ length: worldSize }, (_, other) => first + other);
    scheduler.kill(all.filter((other) => other !== first + rank));
  }
}

/** Nobody fails before somebody has died. */
function checkOutcome({ cells, process, rank }: ModelContext, found: string, right: RegExp): void {
  const isRight = found === 'no error' || (cells[DIED_CELL] === 1 && right.test(found));
  assert(isRight, `rank ${rank} of process ${process} ends with ${found}, which is not ${right}`);
}

/** Early points are as likely as all the many later ones together. */
function drawPoint(draw: ModelContext['draw']): number {
  return 1 + draw(2 ** (2 + draw(8)));
}

/** Makes some rounds, then does something else. */
function passAnd(context: ModelContext, rounds: number, last: (own: Participant) => void): void {
  const own = join(context);
  passRounds(context, own, rounds);
  last(own);
}

export const processScenarios = {
  /** No worker leaves an exchange before all have entered it, no message is overwritten before it
   * is read, no wake-up is lost. */
  exchanges: (context: ModelContext) => {
    if (isMain(context)) return;
    const message = outcomeOf(context);
    assert(message === 'no error', message);
  },

  /** The same where messages come late and overtake each other. */
  reorderedExchanges: (context: ModelContext) => {
    context.scheduler.letTimePass();
    if (isMain(context)) return;
    const message = outcomeOf(context, { transport: new PairTransport(context) });
    assert(message === 'no error', message);
  },

  /** Main asks some of the processes to stop: all stop in the same round. */
  processesStop: (context: ModelContext) => {
    const { draw, memories, processes, process, rank, worldSize, cells } = context;
    const asked = 1 + draw(2 ** processes - 1);
    if (isMain(context)) {
      memories.forEach(({ words }, other) => {
        if ((asked >> other) & 1) requestStop(words);
      });
      return;
    }
    const { member, exchanges } = join(context);
    const limit = 8;
    let round = 1;
    for (; round < limit; round++) {
      comeTo(context, round);
      member.sync(exchanges[round & 1]!);
      checkValues(context, round);
      if (member.syncStop(LOCAL_CALLS[round & 1]!)) break;
    }
    cells[process * worldSize + rank] = round;
    member.sync(exchanges[0]!);
    for (let thread = 0; thread < processes * worldSize; thread++) {
      const found = cells[thread]!;
      assert(found === round, `process ${process} stops in ${round}, thread ${thread} in ${found}`);
    }
  },

  workerDies,
  processDies,
  endWithoutPeers,

  /** One process calls something else, or the same on another length: nobody gets through. */
  processesDiffer: (context: ModelContext) => {
    const { victim, isOfProcess } = victimOf(context);
    const rounds = context.draw(ROUNDS);
    const way = context.draw(2);
    if (isMain(context)) return;
    const last = ({ member, exchanges, odd }: Participant): void =>
      member.sync(isOfProcess ? odd[way]! : exchanges[0]!);
    const names = `(?=.*: process ${victim.process} |.*; process ${victim.process} )`;
    const pattern = `${names}processes called different things in .*: process \\d .*; process \\d `;
    assertThrows(new RegExp(pattern), () => passAnd(context, rounds, last));
  },

  /** A worker of one process aborts it while the others come to an exchange, and main tells them:
   * all end. */
  workerAborts: (context: ModelContext) => {
    const { draw, rank, shared, scheduler } = context;
    const { victim, isOfProcess, isVictim } = victimOf(context);
    const rounds = draw(ROUNDS);
    scheduler.letTimePass();
    if (isMain(context)) {
      failFromMain(context, victim.process);
      return;
    }
    if (isVictim) {
      passAnd(context, rounds, () => abortRun(shared.words, rank, 'it must'));
    } else {
      const pattern = isOfProcess
        ? `rank ${victim.rank} aborted the run: it must`
        : `process ${victim.process} failed: it is told so`;
      assertThrows(new RegExp(pattern), () =>
        passAnd(context, rounds, ({ member, exchanges }) => member.sync(exchanges[0]!)),
      );
    }
    if (isOfProcess) tell(shared.words, ENDED_FROM_END, 1);
  },

  /** A worker calls something else than the others of its process, with or without an exchange. */
  workersDiffer: (context: ModelContext) => {
    const { draw, shared, scheduler, worldSize } = context;
    const { victim, isOfProcess, isVictim } = victimOf(context);
    const rounds = draw(ROUNDS);
    const way = draw(3);
    // Nobody differs from itself.
    if (worldSize === 1) return;
    scheduler.letTimePass();
    if (isMain(context)) {
      failFromMain(context, victim.process);
      return;
    }
    const last = ({ member, exchanges, odd }: Participant): void =>
      member.sync(isVictim ? [...odd, LOCAL_CALLS[0]!][way]! : exchanges[0]!);
    const pattern = isOfProcess
      ? 'members called different collectives: rank \\d .*; rank \\d '
      : `process ${victim.process} failed: it is told so`;
    assertThrows(new RegExp(pattern), () => passAnd(context, rounds, last));
    if (isOfProcess) tell(shared.words, ENDED_FROM_END, 1);
  },

  /** Main breaks one process off at any time, also while it waits for others that never come. */
  mainAborts: (context: ModelContext) => {
    const { draw, memories, shared, scheduler } = context;
    const { victim, isOfProcess } = victimOf(context);
    const rounds = draw(ROUNDS);
    scheduler.letTimePass();
    if (isMain(context)) {
      abortFromMain(memories[victim.process]!.words, MAIN_RANK, 'stop it');
      failFromMain(context, victim.process);
    } else if (isOfProcess) {
      assertThrows(/the main thread aborted the run: stop it/, () =>
        passAnd(context, rounds, ({ member, exchanges }) => member.sync(exchanges[0]!)),
      );
      tell(shared.words, ENDED_FROM_END, 1);
    } else {
      const message = messageOf(() => passAnd(context, rounds, () => {}));
      const told = `process ${victim.process} failed: it is told so`;
      assert(message === 'no error' || message.includes(told), message);
    }
  },

  /** Who sees that a process has failed sees why. */
  failuresTold: (context: ModelContext) => {
    const { draw, mailboxes, process, processes } = context;
    const failed = 1 + draw(2 ** processes - 1);
    const transport = new MemoryTransport(mailboxes[0]!, process);
    if (isMain(context) || context.rank > 0) return;
    if ((failed >> process) & 1) {
      transport.fail(`reason ${process}`);
      return;
    }
    let failure = transport.readFailure();
    while (failure === undefined) failure = transport.readFailure();
    assert(failure.reason === `reason ${failure.process}`, `${failure.process}: ${failure.reason}`);
  },
};
