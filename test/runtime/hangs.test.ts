// Nothing waits forever: whatever a worker does instead of continuing, in any call, the run ends
// with an error that names it, and its thread is gone.

import { describe, expect, it } from 'vitest';
import { RunError } from '../../src/base/errors.ts';
import { doomedData, endOf, MOMENTS, startDoomed } from '../support/runs/doomed.ts';
import { launchBuilt } from '../support/runs/launchBuilt.ts';

const HANGING = new URL('../support/jobs/hanging.mjs', import.meta.url);

/** What a promise rejects with. */
async function errorOf(promise: Promise<unknown>): Promise<RunError> {
  return promise.then(
    () => expect.unreachable('it should have rejected'),
    (error: unknown) => error as RunError,
  );
}

describe('a worker that loops', () => {
  for (const moment of MOMENTS) {
    for (const workers of moment === 'predict' ? [1, 3] : [1]) {
      it(`in ${moment}, of ${workers}, ends the run and is named`, async () => {
        const victim = workers - 1;
        const error = await endOf({ way: 'loop', moment, workers, victim, timeoutMs: 300 });
        expect(error).toBeInstanceOf(RunError);
        expect((error as RunError).failure).toMatchObject({
          rank: victim,
          layer: '0.custom',
          reason: 'it has made no progress for 300 ms.',
        });
        expect((error as RunError).failure.step).toBeGreaterThanOrEqual(0);
      });
    }
  }

  it('is not confused with one that works for long in small pieces', async () => {
    const timeoutMs = 40;
    const doom = { way: 'none', moment: 'fit', workers: 1, victim: 0, timeoutMs } as const;
    const trainer = await startDoomed(doom);
    let trainedMs = 0;
    for await (const { seconds } of trainer.fit({ epochs: 1_000_000, progressEveryMs: 20 })) {
      trainedMs = 1000 * seconds;
      if (trainedMs > 5 * timeoutMs) break;
    }
    expect(trainedMs).toBeGreaterThan(5 * timeoutMs);
    expect((await trainer.evaluate()).count).toBe(doomedData.test.count);
    await trainer.close();
  });

  it('while it starts, is named after startTimeoutMs', async () => {
    const doom = { way: 'loop', moment: 'start', workers: 2, victim: 0 } as const;
    const error = await errorOf(startDoomed({ ...doom, startTimeoutMs: 700 }));
    expect(error.message).toMatch(/rank \d: its thread was not ready within 700 ms/);
  });
});

describe('a launched job', () => {
  it('that loops or never settles is ended after jobTimeoutMs, and named', async () => {
    const launch = await launchBuilt();
    for (const how of ['loop', 'settle']) {
      const args = { how, rank: 1 };
      const error = await errorOf(launch(HANGING, { workers: 2, args, jobTimeoutMs: 200 }));
      expect(error.message).toBe('rank 1: its thread did not answer within 200 ms.');
    }
  });

  it('whose module never loads is ended after startTimeoutMs', async () => {
    const launch = await launchBuilt();
    const module = new URL('../support/jobs/neverLoads.mjs', import.meta.url);
    const error = await errorOf(launch(module, { workers: 2, startTimeoutMs: 500 }));
    expect(error.message).toBe('rank 0: its thread was not ready within 500 ms.');
  });

  it('refuses invalid timeouts', async () => {
    const launch = await launchBuilt();
    for (const options of [{ jobTimeoutMs: 0 }, { startTimeoutMs: '1s' as unknown as number }]) {
      const error = await errorOf(launch(HANGING, { workers: 1, ...options }));
      expect(error.name).toBe('UsageError');
    }
  });
});
