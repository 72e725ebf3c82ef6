// Collectives over several processes, at all types, operations and lengths; and what becomes of a
// process that is late, silent or dead at any of its exchanges.

import { describe, expect, it } from 'vitest';
import { memoryNetworks } from '../../src/runtime/network.ts';
import type { TransportFault } from '../../src/sync/faultyTransport.ts';
import { launchApart } from '../support/processes/launches.ts';

it.each([[[2, 1]], [[1, 2, 2]]])(
  'collectives of %j workers match their closed forms',
  async (workers) => {
    const results = await launchApart(workers, { args: { what: 'grid' } });
    const ranks = workers.reduce((sum, count) => sum + count);
    expect(results).toEqual(workers.map(() => Array.from({ length: ranks }, () => [])));
  },
);

it.each([
  [1 << 28, /groups that cross processes and are not freed: expected .*, got 9/],
  // Either process may fail first: the one that has no room, or the other one.
  [
    1 << 20,
    /shared memory of (the group: expected|process 0 on this host has no space for) .*2 members/,
  ],
])('groups that are never freed run out: of %d bytes', async (sharedBytes, message) => {
  const outcomes = await launchApart([1, 1], { args: { what: 'keep' }, sharedBytes });
  for (const outcome of outcomes) {
    expect(outcome).toBeInstanceOf(Error);
    expect((outcome as Error).message).toMatch(message);
  }
});

it.each([
  ['swallow', 'TypeError: the job is wrong'],
  ['shared', 'the result of rank 1 cannot be sent to other processes'],
] as const)('all processes get an error: %s', async (what, message) => {
  for (const outcome of await launchApart([1, 1], { args: { what, odd: 1 } })) {
    expect(outcome).toBeInstanceOf(Error);
    expect((outcome as Error).message).toContain(message);
  }
});

describe.each([0, 12])('a process with a fault before exchange %d', (exchange) => {
  const WORKERS = [1, 2, 1];
  const args = { what: 'all', count: 20, seed: 3 } as const;
  const outcomesOf = (fault: TransportFault) => {
    const networks = memoryNetworks(WORKERS.length, { 1: fault });
    const timeoutMs = fault.kind === 'delay' ? 60_000 : 250;
    return launchApart(WORKERS, { args, timeoutMs }, networks);
  };

  it('changes nothing if it is late', async () => {
    const [first, ...others] = await outcomesOf({ kind: 'delay', exchange, delayMs: 60 });
    expect(first).toMatchObject(Array.from({ length: 4 }, () => ({ wrong: [] })));
    expect(others).toEqual([first, first]);
  });

  it.each(['drop', 'die'] as const)('is named by the others when its fault is %s', async (kind) => {
    const outcomes = await outcomesOf({ kind, exchange });
    for (const [process, outcome] of outcomes.entries()) {
      expect(outcome).toBeInstanceOf(Error);
      const { message } = outcome as Error;
      expect(message).toMatch(
        process === 1 ? /died before|did not come/ : /process 1 on this host/,
      );
    }
  });
});
