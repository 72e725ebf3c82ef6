// Workers of a trainer that die, in each way and in each call: the call, or where the worker could
// still answer the next one, rejects with an error that names the rank, and no thread is left.

import { describe, expect, it } from 'vitest';
import { RunError } from '../../src/base/errors.ts';
import { countThreads, DEATHS, endOf, MOMENTS, startDoomed } from '../support/runs/doomed.ts';

/** What the error says of each death. */
const SAYS = {
  throw: 'RangeError: no more',
  throwObject: '{"code":"E_WRONG","at":[1, 2]}',
  exit: 'worker exited with code: 3',
  float: 'nobody catches this',
  terminate: 'worker exited with code: 1',
} as const;

describe('a worker that dies', () => {
  for (const [i, moment] of MOMENTS.entries()) {
    for (const [j, way] of DEATHS.entries()) {
      const workers = 1 + ((i + j) % 3);
      const victim = (i + 2 * j) % workers;
      it(`by ${way} in ${moment}, rank ${victim} of ${workers}, is named`, async () => {
        const error = await endOf({ way, moment, workers, victim });
        expect(error).toBeInstanceOf(RunError);
        expect(error.message).toContain(SAYS[way]);
        expect((error as RunError).failure.rank).toBe(victim);
      });
    }
  }

  for (const way of ['throw', 'exit', 'float'] as const) {
    it(`by ${way} while it starts, makes the start reject`, async () => {
      const started = startDoomed({ way, moment: 'start', workers: 2, victim: 0 });
      await expect(started).rejects.toThrow(SAYS[way].replace('worker ', ''));
    });
  }

  it('leaves no thread, however often it happens', async () => {
    await endOf({ way: 'float', moment: 'fit', workers: 3, victim: 1 });
    const before = countThreads();
    for (let death = 0; death < 10; death++) {
      await endOf({ way: 'float', moment: 'fit', workers: 3, victim: death % 3 });
    }
    expect(countThreads()).toBeLessThanOrEqual(before);
  });
});
