// Predictions that are asked for at once, and calls that are refused: neither disturbs others.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { createArena, viewOf } from '../../src/memory/arena.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { planRun } from '../../src/plan/plan.ts';
import { Predictions } from '../../src/runtime/predict.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';

const data = synthetic({ train: 64, test: 40, shape: [2, 2, 1], classes: 3 });
const { inputs } = data.test;
const VALUES = 4;
const OUTPUTS = 3;

const modelOf = (trackRunningStats: boolean): LayerSpec =>
  sequential([flatten(), linear(4, 5), batchNorm(5, { trackRunningStats }), linear(5, OUTPUTS)]);
const optionsOf = (model: LayerSpec) => ({
  ...{ model, data, optimizer: sgd({ lr: 0.1 }) },
  ...{ replicas: 4, replicaBatch: 4, workers: 2, seed: 1 },
});

const rows = (from: number, to: number) => inputs.subarray(from * VALUES, to * VALUES);

describe('simultaneous predictions', () => {
  let trainer: Trainer;
  beforeAll(async () => {
    trainer = await Trainer.start(optionsOf(modelOf(true)));
    for await (const _ of trainer.fit({ epochs: 1 }));
  });
  afterAll(() => trainer.close());

  it('return the bits of its own inputs to each caller', async () => {
    const whole = await trainer.predict(inputs);
    const evaluated = trainer.evaluate();
    const starts = Array.from({ length: 20 }, (_, i) => i);
    const all = await Promise.all(
      starts.map(async (from) => {
        const to = from === 7 ? 40 : from + (from % 4);
        return { from, to, outputs: await trainer.predict(rows(from, to)) };
      }),
    );
    for (const { from, to, outputs } of all) {
      expect(outputs).toEqual(whole.subarray(from * OUTPUTS, to * OUTPUTS));
    }
    expect((await evaluated).count).toBe(40);
  });

  it('refuse only wrong inputs', async () => {
    const results = await Promise.allSettled([
      trainer.predict(rows(0, 3)),
      trainer.predict(inputs.subarray(1, 4)),
      trainer.predict(null as unknown as Float32Array),
      trainer.predict([1, 2, 3, 4] as unknown as Float32Array),
      trainer.predict(rows(3, 4)),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(UsageError);
    }
  });

  it('are refused while a fit runs, which continues', async () => {
    const fit = trainer.fit({ epochs: 3 });
    const first = fit.next();
    // By then the fit has begun, and no message of a worker can have come: the epoch is not over.
    for (let turn = 0; turn < 50; turn++) await null;
    await expect(trainer.predict(inputs)).rejects.toThrow('a call while fit() runs');
    expect((await first).value!.step).toBe(8);
    for await (const { step } of fit) expect(step).toBe(12);
  });
});

describe('the queue', () => {
  it.each([
    ['shares a global batch', true, [8, 16, 3]],
    ['keeps samples apart whose batch counts', false, [1, 2, 3, 2, 16, 3]],
  ] as const)('%s', async (_, trackRunningStats, sizes) => {
    const plan = planRun(resolveOptions(optionsOf(modelOf(trackRunningStats))));
    const memory = createArena(plan.layout);
    const from = viewOf(memory, plan.regions.inference.inputs);
    const to = viewOf(memory, plan.regions.inference.outputs);
    const ran: number[] = [];
    let isBusy = false;
    const queue = new Predictions({
      plan,
      memory,
      run: async (size) => {
        ran.push(size);
        for (let i = 0; i < size; i++) to.fill(from[i * VALUES]!, i * OUTPUTS, (i + 1) * OUTPUTS);
      },
      tryEnter: () => {
        if (isBusy) return false;
        isBusy = true;
        return true;
      },
      leave: () => {
        isBusy = false;
      },
    });
    const counts = [1, 2, 3, 2, 8 + 11];
    const outputs = await Promise.all(counts.map((count) => queue.add(rows(0, count), count)));
    for (const [i, count] of counts.entries()) {
      const firsts = Array.from({ length: count }, (_, row) => inputs[row * VALUES]!);
      expect([...outputs[i]![0]!]).toEqual(firsts.flatMap((value) => Array(OUTPUTS).fill(value)));
    }
    expect(ran).toEqual(sizes);
    expect(isBusy).toBe(false);
  });
});

describe('a call that can be refused', () => {
  it('is refused before any worker is disturbed', async () => {
    const trainer = await Trainer.start(optionsOf(modelOf(false)));
    try {
      await expect(trainer.predict(rows(0, 1))).rejects.toThrow(/predict.*batchNorm.*has 1 sample/);
      await expect(trainer.predict(rows(0, 19))).rejects.toThrow('has 3 samples, of which');
      const refused = await Promise.allSettled([
        trainer.evaluate('valid' as 'test'),
        trainer.preciseBatchNorm({ batches: 0 }),
        trainer.preciseBatchNorm({ batches: 1, definition: 'mean' as 'pooled' }),
        trainer.exportInference({ inputs: rows(0, 1) }),
        trainer.exportInference({ tolerance: -1 }),
      ]);
      for (const call of refused) {
        expect((call as PromiseRejectedResult).reason).toBeInstanceOf(UsageError);
      }
      expect(await trainer.predict(rows(0, 8))).toHaveLength(8 * OUTPUTS);
      expect((await trainer.evaluate('test')).count).toBe(40);
    } finally {
      await trainer.close();
    }
  });
});
