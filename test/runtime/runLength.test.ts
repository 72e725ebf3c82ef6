import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { cosine, type ScheduleSpec, step } from '../../src/optim/schedule.ts';
import { Trainer } from '../../src/runtime/trainer.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-length-'));
afterAll(() => rmSync(folder, { recursive: true }));

const base = {
  model: linear(6, 3),
  data: synthetic({ train: 32, test: 0, shape: [6], classes: 3 }),
  optimizer: sgd({ lr: 0.1 }),
  replicas: 2,
  workers: 1,
  replicaBatch: 4,
} as const;

interface Run {
  readonly rates: readonly number[];
  readonly hash: string;
  readonly notices: readonly string[];
}

/** The rate after each epoch of a run that asks for these epochs, one call after the other. */
async function ratesOf(
  schedule: ScheduleSpec,
  calls: readonly number[],
  more: { readonly epochs?: number } = {},
): Promise<Run> {
  const notices: string[] = [];
  const onNotice = (notice: string): number => notices.push(notice);
  const trainer = await Trainer.start({ ...base, ...more, schedule, onNotice });
  try {
    const rates: number[] = [];
    for (const epochs of calls) {
      for await (const { learningRate } of trainer.fit({ epochs })) rates.push(learningRate);
    }
    return { rates, hash: trainer.weightsHash(), notices };
  } finally {
    await trainer.close();
  }
}

describe('a cosine schedule', () => {
  it('spans the epochs of the run, however many calls train them', async () => {
    const whole = await ratesOf(cosine(), [5]);
    const told = await ratesOf(cosine(), [1, 2, 3, 4, 5], { epochs: 5 });
    expect(told).toEqual(whole);
    expect(told.notices).toEqual([]);
    expect(told.rates[0]).toBeGreaterThan(0.09);
  });

  it('refuses epochs after its end, when the rate would be 0, and says what to do', async () => {
    const grown = ratesOf(cosine(), [5, 10]);
    await expect(grown).rejects.toThrow(UsageError);
    await expect(grown).rejects.toThrow(/at most 5, over which the cosine schedule/);
    await expect(grown).rejects.toThrow(/Trainer\.start\(\{ epochs: 10 \}\)/);
    await expect(ratesOf(cosine(), [1, 2])).rejects.toThrow(/at most 1/);
  });

  it('keeps its length over a resume, and says so if fewer epochs are requested', async () => {
    const path = join(folder, 'five.ckpt');
    const first = await Trainer.start({ ...base, schedule: cosine() });
    for await (const _ of first.fit({ epochs: 5, maxSteps: 4 }));
    await first.save(path);
    await first.close();
    const notices: string[] = [];
    const onNotice = (notice: string): number => notices.push(notice);
    const second = await Trainer.resume(path, { data: base.data, onNotice });
    try {
      expect(second.epochs).toBe(5);
      for await (const _ of second.fit({ epochs: 3 }));
      expect(notices).toEqual([expect.stringMatching(/stays spread over 5 epochs: .* after 3/)]);
      await expect(second.fit({ epochs: 6 }).next()).rejects.toThrow(/at most 5/);
      for await (const _ of second.fit({ epochs: 5 }));
      expect(second.weightsHash()).toBe((await ratesOf(cosine(), [5])).hash);
    } finally {
      await second.close();
    }
  });
});

describe('a schedule that does not depend on the length', () => {
  it('lets a run grow', async () => {
    const schedule = step({ stepSize: 3 });
    const grown = await ratesOf(schedule, [1, 2, 4]);
    expect(grown).toEqual(await ratesOf(schedule, [4]));
    expect(grown.notices).toEqual([]);
  });
});

describe('epochs of a trainer', () => {
  it.each([0, -1, 1.5, Number.NaN, '5'])('are refused when they are %s', async (epochs) => {
    const options = { ...base, epochs: epochs as number };
    await expect(Trainer.start(options)).rejects.toThrow(/epochs: /);
  });
});
