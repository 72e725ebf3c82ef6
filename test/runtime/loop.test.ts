// The loop of fit: validation, early stopping, the best epoch, plateaus; the same curve and the
// same decisions however a run is split, and resumed.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { activations } from '../../src/nn/specs/activations.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { adam } from '../../src/optim/optimizer.ts';
import { plateau } from '../../src/optim/plateau.ts';
import { memoryNetworks } from '../../src/runtime/network.ts';
import type { FitOptions } from '../../src/runtime/progress.ts';
import { startOn } from '../../src/runtime/start.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const data = synthetic({ train: 90, test: 30, shape: [4, 4, 1], classes: 3, seed: 3 });
const folder = mkdtempSync(join(tmpdir(), 'syncbn-loop-'));
afterAll(() => rmSync(folder, { recursive: true }));

const BASE = {
  model: sequential([
    flatten(),
    linear(16, 12),
    batchNorm(12, { sync: 'all' }),
    activations.relu(),
    linear(12, 3),
  ]),
  data,
  optimizer: adam({ lr: 0.05 }),
  // Nothing is better by as much: each second epoch lowers the rate.
  schedule: plateau({ threshold: 10, patience: 1, factor: 0.5, minLr: 0.02 }),
  validationSplit: 0.25,
  replicas: 4,
  globalBatch: 16,
  workers: 1,
  seed: 5,
} as const satisfies TrainerOptions;

/** The loss is best in some epoch in the middle; what follows is no better. */
const OPTIONS = {
  epochs: 12,
  validate: 'validation',
  earlyStopping: { patience: 2, minDelta: 0.02 },
  keepBest: true,
} as const satisfies FitOptions;

/** What the reader of a loop sees of its epochs. */
async function curveOf(trainer: Trainer, options: FitOptions): Promise<readonly object[]> {
  const curve: object[] = [];
  for await (const { kind, epoch, loss, learningRate, ...rest } of trainer.fit(options)) {
    const { loss: validationLoss, accuracy, count } = rest.validation ?? {};
    const validation = { validationLoss, accuracy, count };
    const { best, stopsEarly } = rest;
    if (kind === 'epoch')
      curve.push({ epoch, loss, learningRate, ...validation, best, stopsEarly });
  }
  return curve;
}

async function outcomeOf(starting: Promise<Trainer>, options: FitOptions = OPTIONS) {
  await using trainer = await starting;
  const curve = await curveOf(trainer, options);
  const hash = trainer.weightsHash();
  const { epoch, split, value } = trainer.restoreBest();
  expect((await trainer.evaluate(split)).loss).toBe(value);
  return { curve, hash, epoch, best: trainer.weightsHash() };
}

const whole = outcomeOf(Trainer.start(BASE));

describe('the loop', () => {
  it('validates on held-out samples, keeps the best epoch and stops early', async () => {
    const { curve, hash, best, epoch } = await whole;
    const last = curve.at(-1)! as { epoch: number; count: number; stopsEarly: boolean };
    expect(last).toMatchObject({ count: 23, stopsEarly: true, epoch: epoch + 2 });
    expect(epoch).toBeGreaterThan(1);
    expect(last.epoch).toBeLessThan(OPTIONS.epochs);
    expect(best).not.toBe(hash);
    const rates = curve.map((at) => (at as { learningRate: number }).learningRate);
    expect(rates.slice(0, 6)).toEqual(
      [0.05, 0.05, 0.05, 0.025, 0.025, 0.02].slice(0, rates.length),
    );
  });

  it.each([
    ['3 workers', { workers: 3 }],
    ['8 replicas', { replicas: 8, workers: 2 }],
    ['an elastic run', { elastic: true, workers: 2 }],
  ])('has the same curve, decisions and weights with %s', async (_, change) => {
    expect(await outcomeOf(Trainer.start({ ...BASE, ...change }))).toEqual(await whole);
  });

  it('has the same in each of two processes', async () => {
    const apart = memoryNetworks(2).map((network) => outcomeOf(startOn(network, BASE)));
    for (const outcome of await Promise.all(apart)) expect(outcome).toEqual(await whole);
  });

  it.each([7, 10])('has the same when resumed after step %d', async (maxSteps) => {
    const path = join(folder, `${maxSteps}.ckpt`);
    const started = await Trainer.start(BASE);
    const before = await curveOf(started, { ...OPTIONS, maxSteps });
    await started.save(path);
    await started.close();
    const resumed = await outcomeOf(Trainer.resume(path, { data, workers: 2 }));
    const { curve, ...rest } = await whole;
    expect({ curve: [...before, ...resumed.curve], ...rest }).toEqual({ curve, ...rest });
    expect(resumed).toMatchObject(rest);
  });

  it('stays stopped, and has the weights of its best epoch if requested', async () => {
    const path = join(folder, 'stopped.ckpt');
    await using trainer = await Trainer.start(BASE);
    let atBest = '';
    for await (const { epoch, best } of trainer.fit({ ...OPTIONS, restoreBest: true })) {
      if (best?.epoch === epoch) atBest = trainer.weightsHash();
      await trainer.save(path);
    }
    expect(trainer.weightsHash()).toBe(atBest);
    expect(atBest).toBe((await whole).best);
    const { step } = trainer;
    await using resumed = await Trainer.resume(path, { data, workers: 1 });
    expect(await curveOf(resumed, { ...OPTIONS, restoreBest: true })).toEqual([]);
    expect(resumed.step).toBe(step);
    expect(resumed.weightsHash()).toBe(atBest);
    const more = { ...OPTIONS, earlyStopping: { ...OPTIONS.earlyStopping, patience: 3 } };
    expect(await curveOf(resumed, more)).not.toEqual([]);
  });
});

describe('between epochs', () => {
  it('a trainer accepts all other calls, and continues as if there had been none', async () => {
    const path = join(folder, 'between.ckpt');
    await using trainer = await Trainer.start(BASE);
    const inputs = data.test.inputs.slice(0, 16) as Float32Array;
    const losses: number[] = [];
    const options = { ...OPTIONS, keepBest: false };
    for await (const { validation, kind } of trainer.fit(options)) {
      const { loss } = await trainer.evaluate('validation');
      expect(kind === 'epoch' && loss).toBe(validation!.loss);
      expect(await trainer.predict(inputs)).toHaveLength(3);
      expect(trainer.weights().get('1.linear.weight')!.shape).toEqual([16, 12]);
      await expect(trainer.fit(options).next()).rejects.toThrow(/while fit\(\) runs/);
      await trainer.save(path);
      // Not waited for here: the next epoch waits for it.
      void trainer.evaluate('train').then((evaluation) => losses.push(evaluation.loss));
    }
    await vi.waitFor(() => expect(losses).toHaveLength(trainer.step / trainer.stepsPerEpoch));
    expect(trainer.weightsHash()).toBe((await whole).hash);
  });
});

describe('an abort', () => {
  it('stops before the first step, after the current one, and between epochs', async () => {
    await using trainer = await Trainer.start({ ...BASE, schedule: { kind: 'constant' } as never });
    const kinds = async (signal: AbortSignal, act: () => void, progressEveryMs?: number) => {
      const seen: string[] = [];
      const every = progressEveryMs === undefined ? {} : { progressEveryMs };
      for await (const { kind } of trainer.fit({ epochs: 10_000, signal, ...every })) {
        seen.push(kind);
        act();
      }
      return seen;
    };
    expect(await kinds(AbortSignal.abort(), () => {})).toEqual(['stopped']);
    expect(trainer.step).toBe(0);
    const between = new AbortController();
    expect(await kinds(between.signal, () => between.abort())).toEqual(['epoch', 'stopped']);
    expect(trainer.step).toBe(trainer.stepsPerEpoch);
    const within = new AbortController();
    setTimeout(() => within.abort(), 20);
    expect((await kinds(within.signal, () => {})).at(-1)).toBe('stopped');
    expect(trainer.step).toBeGreaterThan(trainer.stepsPerEpoch);
  });

  it('of one process stops all after the same step', async () => {
    const aborted = [new AbortController(), new AbortController()];
    const steps = await Promise.all(
      memoryNetworks(2).map(async (network, process) => {
        await using trainer = await startOn(network, { ...BASE, validationSplit: 20 });
        const { signal } = aborted[process]!;
        const options = { epochs: 9, validate: 'test', signal } as const;
        for await (const { epoch } of trainer.fit(options)) if (epoch === 2) aborted[1]!.abort();
        return trainer.step;
      }),
    );
    expect(steps).toEqual([10, 10]);
  });
});
