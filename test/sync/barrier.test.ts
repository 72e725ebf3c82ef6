// The barrier between real threads: its order, its end on every failure, its comparison of calls.

import { describe, expect, it, vi } from 'vitest';
import { RunError } from '../../src/base/errors.ts';
import { abortFromMain, MAIN_RANK } from '../../src/sync/abort.ts';
import { prepareCall } from '../../src/sync/call.ts';
import { attachMember } from '../../src/sync/group.ts';
import { createGroupMemory } from '../../src/sync/memory.ts';
import {
  type ControlWords,
  controlWordCount,
  initControlWords,
  rankWord,
  requestStop,
  STATE,
  State,
} from '../../src/sync/words.ts';
import { AT_ONCE_MS } from '../support/atOnce.ts';
import { WORLD_SIZES } from '../support/ranks/closedForms.ts';
import { nowMs, type Outcome, runRanks, until } from '../support/ranks/threads.ts';

/** Words beyond those of the group belong to the test. */
function makeWords(worldSize: number, options: Parameters<typeof initControlWords>[2] = {}) {
  const words: ControlWords = new Int32Array(
    new SharedArrayBuffer((controlWordCount(worldSize) + 32) * 4),
  );
  initControlWords(words, worldSize, options);
  return words;
}

function makeCells(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(count * 4));
}

function failureOf(outcome: Outcome | undefined) {
  expect(outcome?.error).toBeInstanceOf(RunError);
  return (outcome!.error as RunError).failure;
}

function stateOf(words: ControlWords, rank: number): number {
  return Atomics.load(words, rankWord(rank) + STATE);
}

describe('the barrier', () => {
  for (const worldSize of WORLD_SIZES) {
    for (const spinTurns of worldSize === 2 ? [4000, 3, 0] : [0]) {
      it(`lets none of ${worldSize} ranks out too early, ${spinTurns} turns`, async () => {
        const memory = { words: makeWords(worldSize, { spinTurns }) };
        const rounds = worldSize <= 2 ? 20_000 : 3000;
        const cells = makeCells(worldSize);
        const outcomes = await runRanks(worldSize, 'rounds', { memory, cells, rounds });
        expect(outcomes.map((o) => o.value)).toEqual(Array(worldSize).fill(0));
        expect([...cells]).toEqual(Array(worldSize).fill(rounds));
      });
    }
  }

  for (const firstSequence of [2 ** 31 - 500, -500]) {
    it(`keeps its order when the sequence numbers wrap, from ${firstSequence}`, async () => {
      const memory = { words: makeWords(3, { firstSequence }) };
      const outcomes = await runRanks(3, 'rounds', { memory, cells: makeCells(3), rounds: 1000 });
      expect(outcomes.map((o) => o.value)).toEqual([0, 0, 0]);
    });
  }

  it('returns at once in a group of one', () => {
    const wait = vi.spyOn(Atomics, 'wait');
    const member = attachMember(makeWords(1), 0);
    expect(member.sync(prepareCall({ kind: 'barrier' }))).toBeUndefined();
    expect(member.sync(prepareCall({ kind: 'moments', length: 3 }))).toBeUndefined();
    expect(wait).not.toHaveBeenCalled();
    wait.mockRestore();
  });

  it('releases all even if members finish right after it', async () => {
    for (let run = 0; run < 5; run++) {
      const memory = { words: makeWords(3) };
      const outcomes = await runRanks(3, 'finishTogether', { memory, rounds: 20 });
      expect(outcomes.map((o) => o.error)).toEqual([undefined, undefined, undefined]);
    }
  });

  it('tells every rank to stop in the same round', async () => {
    const memory = { words: makeWords(3) };
    const cells = makeCells(1);
    const run = runRanks(3, 'stop', { memory, cells });
    await until(() => Atomics.load(cells, 0) > 100);
    requestStop(memory.words);
    const [first, second, third] = (await run).map((o) => o.value as number);
    expect(first).toBeGreaterThan(100);
    expect([second, third]).toEqual([first, first]);
  });
});

describe('a barrier that cannot complete', () => {
  it('names the late rank, and the place where the others wait', async () => {
    const memory = { words: makeWords(3, { timeoutMs: 300 }) };
    const cells = makeCells(1);
    const run = runRanks(3, 'late', { memory, cells });
    await until(() => stateOf(memory.words, 2) === State.running);
    await until(() => Atomics.load(memory.words, 32) !== 0);
    Atomics.store(cells, 0, 1);
    Atomics.notify(cells, 0);
    const outcomes = await run;
    for (const rank of [0, 1]) {
      const failure = failureOf(outcomes[rank]);
      expect(failure).toMatchObject({
        rank,
        step: 3,
        layer: '1.batchNorm',
        collective: 'moments "1.batchNorm" of length 33, call 1',
        missing: [2],
      });
      expect(failure.reason).toContain('did not come within 300 ms');
    }
    expect(outcomes[2]!.error).toBeUndefined();
  });

  it('fails at once if a member has finished', async () => {
    const memory = { words: makeWords(3) };
    const outcomes = await runRanks(3, 'finished', { memory });
    for (const rank of [0, 1]) {
      const failure = failureOf(outcomes[rank]);
      expect(failure.missing).toContain(2);
      expect(failure.reason).toContain('rank 2 has finished');
    }
  });

  it('is left at once after an abort by the main thread, even from sleep', async () => {
    const memory = { words: makeWords(3) };
    const cells = makeCells(1);
    const run = runRanks(3, 'late', { memory, cells });
    await until(() => [0, 1].every((rank) => stateOf(memory.words, rank) === State.waiting));
    await until(() => stateOf(memory.words, 2) === State.running);
    const abortedMs = nowMs();
    abortFromMain(memory.words, 2, 'its thread is gone');
    Atomics.store(cells, 0, 1);
    Atomics.notify(cells, 0);
    const outcomes = await run;
    for (const rank of [0, 1]) {
      const { reason } = failureOf(outcomes[rank]);
      expect(reason).toBe(
        'rank 2 aborted the run in step 3, layer 1.batchNorm: its thread is gone',
      );
      expect(outcomes[rank]!.atMs - abortedMs).toBeLessThan(AT_ONCE_MS);
    }
  });

  it('loses no wake-up, whenever the abort comes', async () => {
    for (const spinTurns of [4000, 3, 0]) {
      const blocks = Array.from({ length: 400 }, () => makeWords(2, { spinTurns }));
      const outcomes = await runRanks(2, 'abortRace', { blocks });
      expect(outcomes[0]).toMatchObject({ value: 0 });
    }
  });

  it('is not entered after an abort, and blames no other member', () => {
    const words = makeWords(2);
    const member = attachMember(words, 0);
    abortFromMain(words, MAIN_RANK, 'enough');
    expect(() => member.sync(prepareCall({ kind: 'barrier' }))).toThrow(
      'rank 0, in barrier, call 1: the main thread aborted the run: enough',
    );
  });
});

describe('members that make different calls', () => {
  const cases = [
    ['mismatchedKind', 'allReduce(sum, float32) of length 7, call 2', 'barrier "epoch 1", call 2'],
    [
      'mismatchedLength',
      'allReduce(sum, float64) of length 7, call 1',
      'allReduce(sum, float64) of length 8, call 1',
    ],
    [
      'mismatchedType',
      'allReduce(max, float64) of length 7, call 1',
      'allReduce(max, int32) of length 7, call 1',
    ],
  ] as const;
  for (const worldSize of [2, 3, 5]) {
    for (const [scenario, usual, other] of cases) {
      it(`get an error that names both, on each of ${worldSize} ranks: ${scenario}`, async () => {
        const memory = createGroupMemory(worldSize);
        const outcomes = await runRanks(worldSize, scenario, { memory });
        for (const [rank, outcome] of outcomes.entries()) {
          const failure = failureOf(outcome);
          expect(failure.rank).toBe(rank);
          // A slow rank may find the run aborted before it makes the call in question.
          const isFirst = failure.reason.startsWith('members');
          if (isFirst) expect(failure.collective).toBe(rank === 1 ? other : usual);
          expect(failure.reason).toContain('members called different collectives');
          expect(failure.reason).toContain(usual);
          expect(failure.reason).toContain(`rank 1 ${other}`);
        }
      });
    }
  }
});
