// Random collectives between real threads, at two sizes: few in the tests, many in the long ones.

import { expect, it } from 'vitest';
import { createGroupMemory } from '../../src/sync/memory.ts';
import { runRanks } from '../support/ranks/threads.ts';

const SEEDS = [1, 2];

/** So many calls in all, shared by the seeds. */
export function describeRandomCalls(count: number): void {
  for (const seed of SEEDS) {
    it(`${count} random calls on 5 ranks at random times are correct, seed ${seed}`, async () => {
      const memory = createGroupMemory(5);
      const rounds = count / SEEDS.length;
      const outcomes = await runRanks(5, 'random', { memory, rounds, seed });
      expect(outcomes.map(({ error, value }) => error?.message ?? value)).toEqual(
        Array(5).fill([]),
      );
    }, 1_800_000);
  }
}

/** So many groups in which one member calls something else. */
export function describeMismatches(rounds: number): void {
  it('mismatched calls of every kind end with an error that names both, every time', async () => {
    for (let round = 0; round < rounds; round++) {
      const worldSize = 2 + (round % 3);
      const memory = createGroupMemory(worldSize);
      const outcomes = await runRanks(worldSize, 'mismatch', { memory, rounds: round });
      for (const { error } of outcomes) {
        expect(error?.message).toMatch(
          /members called different collectives: rank \d .*; rank \d /,
        );
      }
    }
  }, 120_000);
}
