// The averages of the weights against their formulas in float64, through uneven last batches,
// other workers, processes and checkpoints.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { globalAvgPool } from '../../src/nn/specs/pools.ts';
import { type AveragingSpec, ema, swa } from '../../src/optim/averaging.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-averaging-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Three steps an epoch, the last of 4 samples. */
const STEPS_PER_EPOCH = 3;
const data = synthetic({ train: 20, test: 9, shape: [4, 4, 2], classes: 3, seed: 2 });
const layers = [conv2d(2, 4, { kernel: 3 }), batchNorm(4, { sync: 'all' }), relu()];
const base = {
  model: sequential([...layers, globalAvgPool(), linear(4, 3)]),
  data,
  optimizer: sgd({ lr: 0.1, momentum: 0.9 }),
  replicas: 4,
  globalBatch: 8,
  workers: 2,
} as const satisfies TrainerOptions;

const start = (averaging: AveragingSpec, change: Partial<TrainerOptions> = {}) =>
  Trainer.start({ ...base, averaging, ...change });

/** Trains to a step of a run of four epochs. */
async function trainTo(trainer: Trainer, maxSteps: number): Promise<void> {
  for await (const _ of trainer.fit({ epochs: 4, maxSteps }));
}

type Values = ReadonlyMap<string, readonly number[]>;

const parametersOf = (trainer: Trainer): Values =>
  new Map(
    [...trainer.weights()].flatMap(([name, { group, values }]) =>
      group === 'parameter' ? [[name, [...values]] as const] : [],
    ),
  );

/** The parameters after each of so many steps. */
async function historyOf(steps: number): Promise<readonly Values[]> {
  await using trainer = await Trainer.start(base);
  const history: Values[] = [];
  for (let step = 1; step <= steps; step++) {
    await trainTo(trainer, step);
    history.push(parametersOf(trainer));
  }
  return history;
}

async function averageAfter(averaging: AveragingSpec, steps: number): Promise<Values> {
  await using trainer = await start(averaging);
  await trainTo(trainer, steps);
  await trainer.useAverage();
  return parametersOf(trainer);
}

function expectClose(found: Values, expected: (name: string, i: number) => number): void {
  for (const [name, values] of found) {
    for (const [i, value] of values.entries()) {
      expect(Math.abs(value - expected(name, i))).toBeLessThan(1e-6);
    }
  }
}

describe('an average of the weights', () => {
  it('moves exponentially, starting with the weights after the first step', async () => {
    const history = await historyOf(7);
    const found = await averageAfter(ema({ decay: 0.8 }), 7);
    expectClose(found, (name, i) => {
      const [first, ...rest] = history.map((step) => step.get(name)![i]!);
      return rest.reduce((average, value) => 0.8 * average + 0.2 * value, first!);
    });
  });

  it('is the mean over the ends of epochs', async () => {
    const history = await historyOf(4 * STEPS_PER_EPOCH);
    const found = await averageAfter(swa({ fromEpoch: 2 }), 4 * STEPS_PER_EPOCH);
    expectClose(found, (name, i) => {
      const ends = [2, 3, 4].map((epoch) => history[epoch * STEPS_PER_EPOCH - 1]!.get(name)![i]!);
      return ends.reduce((sum, value) => sum + value, 0) / ends.length;
    });
  });

  it('does not change training, and has the same bits on any workers and on resume', async () => {
    const averaging = ema({ decay: 0.7 });
    const hashes = new Set<string>();
    for (const workers of [1, 4]) {
      await using trainer = await start(averaging, { workers });
      await trainTo(trainer, 5);
      const path = join(folder, `${workers}.ckpt`);
      await trainer.save(path);
      await using resumed = await Trainer.resume(path, { data, workers: 3 });
      await trainTo(resumed, 8);
      const raw = resumed.weightsHash();
      await using plain = await Trainer.start(base);
      await trainTo(plain, 8);
      expect(raw).toBe(plain.weightsHash());
      await resumed.useAverage();
      hashes.add(resumed.weightsHash());
      await trainTo(trainer, 8);
      await trainer.useAverage();
      hashes.add(trainer.weightsHash());
    }
    expect(hashes.size).toBe(1);
  });
});

describe('an evaluation of the average', () => {
  it('uses its own statistics, and changes nothing', async () => {
    await using trainer = await start(ema({ decay: 0.9 }));
    await trainTo(trainer, 6);
    const before = trainer.weightsHash();
    const raw = await trainer.evaluate('test');
    const averaged = await trainer.evaluate('test', { weights: 'average', batches: 4 });
    expect(averaged.loss).not.toBe(raw.loss);
    expect(trainer.weightsHash()).toBe(before);
    expect((await trainer.evaluate('test')).loss).toBe(raw.loss);
    await trainer.useAverage({ batches: 4 });
    expect((await trainer.evaluate('test')).loss).toBe(averaged.loss);
    const used = trainer.weightsHash();
    await trainer.preciseBatchNorm({ batches: 4 });
    expect(trainer.weightsHash()).toBe(used);
  });

  it('is refused if there is no average, or none yet', async () => {
    await using plain = await Trainer.start(base);
    await expect(plain.useAverage()).rejects.toThrow(/has no average of the weights/);
    await using late = await start(swa({ fromEpoch: 2 }));
    await trainTo(late, 5);
    await expect(late.evaluate('test', { weights: 'average' })).rejects.toThrow(
      /step 6 or later.*got "step 5"/,
    );
    await expect(late.evaluate('test', { batches: 3 })).rejects.toThrow(/weights: 'average'/);
  });
});
