import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { publishEpoch, readEpoch } from '../../src/reduce/epochSums.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { progressWords } from '../../src/sync/words.ts';
import { withOpenRun } from '../support/runs/openRun.ts';

const TRAIN = 70;
const BATCH = 8;
const STEPS_PER_EPOCH = 9;

/** Samples of the epoch that are summed up after so many steps. */
function samplesAfter(steps: number): number {
  if (steps === 0) return 0;
  return Math.min(TRAIN, (((steps - 1) % STEPS_PER_EPOCH) + 1) * BATCH);
}

const options = {
  model: sequential([flatten(), linear(12, 3)]),
  data: synthetic({ train: TRAIN, test: 0, shape: [2, 2, 3], classes: 3 }),
  optimizer: sgd({ lr: 0.01 }),
  replicas: 2,
  workers: 2,
  globalBatch: BATCH,
  diagnosticsEvery: 0,
} as const;

describe('the sums read during an epoch', () => {
  it('belong to the stated steps, however fast steps follow each other', async () => {
    await withOpenRun(options, async ({ trainer, published, words }) => {
      const progress = progressWords(words);
      let isRunning = true;
      const run = (async () => {
        for await (const _ of trainer.fit({ epochs: 300 }));
        isRunning = false;
      })();
      let changes = 0;
      let last = -1;
      while (isRunning) {
        for (let i = 0; i < 20_000; i++) {
          const { steps, count, correct } = readEpoch(published, progress);
          if (count !== samplesAfter(steps) || correct > count) {
            expect({ steps, count }).toEqual({ steps, count: samplesAfter(steps) });
          }
          if (steps !== last) changes++;
          last = steps;
        }
        await new Promise(setImmediate);
      }
      await run;
      expect(changes).toBeGreaterThan(100);
    });
  });

  it('are those of the last step even if an epoch has just ended', async () => {
    const trainer = await Trainer.start(options);
    try {
      for await (const progress of trainer.fit({ epochs: 40, progressEveryMs: 0 })) {
        const { step, epoch, samples, accuracy } = progress;
        expect(samples).toBe(samplesAfter(step));
        expect(epoch).toBe(step === 0 ? 1 : Math.ceil(step / STEPS_PER_EPOCH));
        if (samples > 0) expect(accuracy * samples).toBeCloseTo(Math.round(accuracy * samples), 9);
      }
    } finally {
      await trainer.close();
    }
  });

  it('never come from a half-written slot', () => {
    const published = new Float64Array(10);
    const words = new Int32Array(new SharedArrayBuffer(128));
    publishEpoch(published, words, Float64Array.of(3, 2, 4, 1), 5);
    // The next step's slot is written, its number not yet stored.
    published.set([9, 9, 9, 9, 6], 0);
    const read = { steps: 5, loss: 3, correct: 2, count: 4, leftOut: 1, furtherLosses: [] };
    expect(readEpoch(published, words)).toEqual(read);
  });
});
