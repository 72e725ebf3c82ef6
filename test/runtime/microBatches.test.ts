// Micro-batches on several workers and processes, and across checkpoints: with the bits of a run
// that has none.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Trainer } from '../../src/runtime/trainer.ts';
import { BASE } from '../support/processes/cases.ts';
import { observedOf, trainAlone, trainApart } from '../support/processes/together.ts';
import { withThreads } from '../support/runs/killed.ts';
import { resultOf } from '../support/splits.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-micro-'));
afterAll(() => rmSync(folder, { recursive: true }));

const options = { ...BASE, augmentation: { shift: 1, flip: true } } as const;

describe('micro-batches', () => {
  it('have the same bits on any number of workers', async () => {
    const whole = await resultOf({ ...options, workers: 1 });
    for (const [workers, microBatches] of [
      [1, 'auto'],
      [2, 3],
      [3, 8],
      [4, 2],
    ] as const) {
      expect(await resultOf({ ...options, workers, microBatches })).toEqual(whole);
    }
  });

  it('have the same bits in several processes', async () => {
    const alone = await trainAlone({ ...options, workers: 1 });
    const apart = await trainApart({ ...options, microBatches: 3 }, [1, 2]);
    for (const one of apart) expect(observedOf(one)).toEqual(observedOf(alone));
  });

  it('may change after a checkpoint, and while a worker dies', async () => {
    const fit = async (trainer: Trainer, maxSteps?: number): Promise<string> => {
      for await (const _ of trainer.fit({ epochs: 2, ...(maxSteps && { maxSteps }) }));
      return trainer.weightsHash();
    };
    const quiet = { onNotice() {} };
    const whole = await Trainer.start({ ...options, ...quiet, workers: 2 });
    const hash = await fit(whole);
    await whole.close();
    const first = await Trainer.start({ ...options, ...quiet, workers: 1, microBatches: 4 });
    await fit(first, 2);
    const path = join(folder, 'half.ckpt');
    await first.save(path);
    await first.close();
    const { data } = options;
    const resumed = await Trainer.resume(path, { data, ...quiet, workers: 2, microBatches: 2 });
    expect(await fit(resumed)).toBe(hash);
    await resumed.close();
    await withThreads(async (alive) => {
      const parts = { workers: 2, microBatches: 3, elastic: true } as const;
      const elastic = await Trainer.start({ ...options, ...quiet, ...parts });
      await fit(elastic, 2);
      await alive[1]!.terminate();
      expect(await fit(elastic)).toBe(hash);
      expect(elastic.workers).toBe(1);
      await elastic.close();
    });
  });
});
