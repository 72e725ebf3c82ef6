// Collectives over several processes, here threads of this process that exchange by mailboxes: the
// bits of one process, and errors that reach all of them. Under MPI: launchMpi.long.test.ts.

import { describe, expect, it } from 'vitest';
import { memoryNetworks } from '../../src/runtime/network.ts';
import { type LaunchAsked, launchAlone, launchApart } from '../support/processes/launches.ts';

/** What each process's error says. */
async function messagesOf(
  workers: readonly number[],
  asked: LaunchAsked,
  networks = memoryNetworks(workers.length),
): Promise<readonly string[]> {
  const outcomes = await launchApart(workers, asked, networks);
  return outcomes.map((outcome) => (outcome instanceof Error ? outcome.message : 'no error'));
}

it('three processes have the bits of one', async () => {
  const args = { what: 'all', count: 30, seed: 7 } as const;
  const alone = await launchAlone(4, { args });
  const apart = await launchApart([2, 1, 1], { args });
  expect(apart).toEqual([alone, alone, alone]);
  expect(alone).toMatchObject(alone.map(() => ({ wrong: [], isCounted: true })));
});

describe('all processes get an error', () => {
  it('when a job throws in one of them', async () => {
    const networks = memoryNetworks(2);
    const args = { what: 'throw', odd: 2 } as const;
    const [other, own] = await messagesOf([1, 2], { args }, networks);
    expect(own).toBe('rank 2: TypeError: the job is wrong');
    expect(other).toMatch(
      /^rank 0, in barrier, call 2: process 1 on this host failed: .*rank 2: Ty/,
    );
    expect(await messagesOf([1, 2], { args }, networks)).toEqual(
      Array(2).fill(expect.stringMatching(/^launch over .* has ended because one has failed/)),
    );
  });

  it('when members call different collectives, with both', async () => {
    const calls = [64, 32].map((bits) => `allReduce(sum, float${bits}) of length 8, call 2`);
    const both =
      `rank 0 (process 0 on this host) ${calls[0]}; ` +
      `rank 2 (process 1 on this host) ${calls[1]}.`;
    for (const message of await messagesOf([2, 1], { args: { what: 'differ', odd: 2 } })) {
      expect(message).toContain(both);
    }
  });

  it.each([3, 3000])('when members differ about counts of %d', async (count) => {
    const messages = await messagesOf([1, 1], { args: { what: 'counts', count, odd: 1 } });
    for (const message of messages) expect(message).toContain('members differ about counts');
  });

  it('at once when a member of another process has finished', async () => {
    const messages = await messagesOf([2, 1], { args: { what: 'leave', odd: 2 } });
    const finished = 'process 1 on this host has finished and makes no more calls.';
    expect(messages[0]).toContain(finished);
    expect(messages[1]).toContain(finished);
  });
});
