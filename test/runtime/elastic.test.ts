// Runs that go on when a worker dies: with the bits of a run in which none did, whatever it died
// of, whatever was asked of it, and however many die.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Trainer } from '../../src/runtime/trainer.ts';
import { DEATHS, doomedData, MOMENTS, meet, startDoomed } from '../support/runs/doomed.ts';
import { startElastic, trainKilled, WORKERS, withThreads } from '../support/runs/killed.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-elastic-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Everything that a trainer can be asked for, and the results. */
async function everything(trainer: Trainer): Promise<readonly unknown[]> {
  for (const moment of MOMENTS) await meet(trainer, moment);
  const { loss, accuracy } = await trainer.evaluate();
  const outputs = await trainer.predict(doomedData.test.inputs);
  return [trainer.step, trainer.weightsHash(), loss, accuracy, [...outputs], trainer.diagnostics()];
}

async function undisturbed(): Promise<readonly unknown[]> {
  const once = join(folder, 'struck');
  writeFileSync(once, '');
  const trainer = await startDoomed({ way: 'throw', moment: 'fit', workers: 3, victim: 1, once });
  const results = await everything(trainer);
  await trainer.close();
  return results;
}

describe('an elastic run', () => {
  for (const [i, moment] of MOMENTS.entries()) {
    const way = DEATHS.filter((death) => death !== 'terminate')[i % 4]!;
    it(`whose worker dies by ${way} in ${moment} ends with the same bits`, async () => {
      const notices: string[] = [];
      const once = join(folder, moment);
      const trainer = await startDoomed({
        ...{ way, moment, workers: 3, victim: 1, once, elastic: true },
        onNotice: (notice) => notices.push(notice),
      });
      const results = await everything(trainer);
      expect(results).toEqual(await undisturbed());
      expect(trainer.workers).toBe(2);
      expect(notices).toEqual([
        expect.stringMatching(/^rank 1.*continues with 2 workers, after step/),
      ]);
      await trainer.close();
    });
  }

  it('survives one death after another at any time, until no worker is left', async () => {
    const { hash } = await trainKilled(0, 0);
    for (const seed of [1, 2]) {
      const killed = await trainKilled(3, seed);
      expect(killed.hash).toBe(hash);
      expect(killed.workers).toBeLessThan(WORKERS);
    }
    await expect(trainKilled(Infinity, 3)).rejects.toThrow('worker exited');
  });

  it('ends with an error that is thrown again in the same step', async () => {
    const trainer = await startDoomed({
      ...{ way: 'throw', moment: 'fit', workers: 3, victim: 0, elastic: true },
      onNotice: () => {},
    });
    await expect(meet(trainer, 'fit')).rejects.toThrow('RangeError: no more');
    expect(trainer.workers).toBe(2);
    await trainer.close();
  });

  it('stops when asked to while it loses a worker', async () => {
    await withThreads(async (alive) => {
      const trainer = await startElastic();
      let isAsked = false;
      let last = '';
      for await (const { kind, step } of trainer.fit({ epochs: 1000, progressEveryMs: 5 })) {
        last = `${kind} ${step}`;
        if (isAsked) continue;
        isAsked = true;
        void alive[1]!.terminate();
        trainer.stop();
      }
      expect(last).toBe(`stopped ${trainer.step}`);
      await trainer.close();
      expect(alive).toEqual([]);
    });
  });
});
