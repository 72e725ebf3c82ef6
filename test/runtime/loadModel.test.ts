// A model from its checkpoint alone computes what the trainer that saved it does.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { readCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import type { Layout } from '../../src/memory/layout.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { normsOf } from '../../src/nn/convert/normLeaf.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { graph } from '../../src/nn/models/graphBuilder.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { dropout } from '../../src/nn/specs/dropout.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { crossEntropy } from '../../src/nn/specs/losses.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { globalAvgPool } from '../../src/nn/specs/pools.ts';
import { gru } from '../../src/nn/specs/recurrent.ts';
import { reshape } from '../../src/nn/specs/reshape.ts';
import { ema } from '../../src/optim/averaging.ts';
import { adam, sgd } from '../../src/optim/optimizer.ts';
import { type LoadedModel, type LoadOptions, loadModel } from '../../src/runtime/loadModel.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-load-'));
afterAll(() => rmSync(folder, { recursive: true }));

const data = synthetic({ train: 64, test: 21, shape: [8, 8, 1], classes: 4, seed: 3 });
const purpose = { inputShape: data.inputShape, classes: 4 };
const cnn = convertNorm(namedModel('mnist-cnn', purpose), { to: 'sync' });
const optimizer = sgd({ lr: 0.05, momentum: 0.9 });
const base = { data, optimizer, replicas: 3, workers: 1, globalBatch: 16 } as const;
const small = (trackRunningStats: boolean) =>
  sequential([
    flatten(),
    linear(64, 6),
    batchNorm(6, { trackRunningStats, sync: trackRunningStats ? 2 : 'all' }),
    linear(6, 4),
  ]);
const values = ({ test }: Dataset) => test.inputs;
const weighted: Dataset = {
  ...data,
  test: { ...data.test, weights: Float32Array.from({ length: 21 }, (_, i) => i % 3) },
};
/** Bytes with a class for each pixel. */
function masks(): Dataset {
  const inputs = (count: number) =>
    Uint8Array.from({ length: count * 256 }, (_, i) => (i * 37) % 256);
  const split = (count: number) => {
    const pixels = inputs(count);
    return { count, inputs: pixels, targets: Int32Array.from(pixels, (byte) => byte % 3) };
  };
  return {
    name: 'masks',
    ...{ inputShape: [16, 16, 1], inputType: 'u8', mean: [0.5], std: [0.3] },
    task: { kind: 'segmentation', classes: 3, targetShape: [16, 16] },
    ...{ train: split(12), test: split(5) },
  };
}

/** A targets' unit that others do not share. */
function regression(scale: number): Dataset {
  const task = { kind: 'regression', targetShape: [1], mean: [2], std: [scale] } as const;
  const targets = (count: number) => Float32Array.from({ length: count }, (_, i) => i / scale);
  const { train, test } = data;
  return {
    ...data,
    task,
    train: { ...train, targets: targets(64) },
    test: { ...test, targets: targets(21) },
  };
}

interface Compared {
  readonly trainer: Trainer;
  readonly model: LoadedModel;
}

let saved = 0;
async function compared(
  options: TrainerOptions,
  load: LoadOptions,
  use: (compared: Compared) => Promise<void>,
): Promise<void> {
  const trainer = await Trainer.start(options);
  try {
    for await (const _ of trainer.fit({ epochs: 1 }));
    const path = join(folder, `${saved++}.ckpt`);
    await trainer.save(path);
    await using model = await loadModel(path, load);
    await use({ trainer, model });
  } finally {
    await trainer.close();
  }
}

const twoHeads = graph((x) => {
  const body = x.apply(conv2d(1, 4, { kernel: 3 })).apply(globalAvgPool());
  return { main: body.apply(linear(4, 4)), aux: body.apply(linear(4, 4)) };
});

const recurrent = sequential([
  reshape([8, 8]),
  gru(8, 5, { norm: 'batch' }),
  dropout(),
  flatten(),
  linear(5, 4),
]);

describe('a loaded model', () => {
  it.each<readonly [string, TrainerOptions, LoadOptions]>([
    ['of one thread', { ...base, model: cnn }, {}],
    ['of two threads', { ...base, model: cnn }, { threads: 2 }],
    ['of weighted samples', { ...base, model: cnn, data: weighted }, {}],
    [
      'with optimizer state and an average',
      { ...base, model: cnn, optimizer: adam(), averaging: ema() },
      {},
    ],
    ['whose outputs depend on their batch', { ...base, model: small(false) }, { threads: 2 }],
    ['normalized over groups of replicas', { ...base, model: small(true) }, {}],
    ['in the strict mode', { ...base, model: cnn, mode: 'strict' }, {}],
    ['with frozen layers', { ...base, model: cnn, freeze: ['0.*'] }, {}],
    [
      'that was validated',
      {
        ...base,
        model: cnn,
        validationSplit: 0.25,
        loss: crossEntropy({ classWeights: [1, 2, 1, 3] }),
      },
      {},
    ],
    ['with heads', { ...base, model: twoHeads, heads: { aux: { weight: 0.5 } } }, {}],
    ['of a recurrence', { ...base, model: recurrent, augmentation: { shift: 1 } }, {}],
    [
      'of a regression',
      { ...base, model: sequential([flatten(), linear(64, 1)]), data: regression(3) },
      {},
    ],
    [
      'of masks',
      {
        ...base,
        model: conv2d(1, 3, { kernel: 3, padding: 1 }),
        data: masks(),
      },
      {},
    ],
  ])('%s has the bits of its trainer', async (_, options, load) => {
    await compared(options, load, async ({ trainer, model }) => {
      const inputs = values(options.data);
      const [expected, ofTrainer] = [await trainer.predict(inputs), await trainer.evaluate()];
      expect(await model.predict(inputs)).toEqual(expected);
      expect(await model.predictAll(inputs)).toEqual(await trainer.predictAll(inputs));
      const { seconds: _1, ...found } = await model.evaluate(options.data);
      const { seconds: _2, ...wanted } = ofTrainer;
      expect(found).toEqual(wanted);
      expect(model.weightsHash()).toBe(trainer.weightsHash());
    });
  });

  it('accepts one sample or many, and batches simultaneous calls', async () => {
    await compared({ ...base, model: cnn }, {}, async ({ trainer, model }) => {
      const whole = await trainer.predict(values(data));
      const one = (i: number) => values(data).subarray(i * 64, (i + 1) * 64);
      const runs = vi.spyOn(Reflect.get(model, 'inference').team, 'callAll');
      const all = await Promise.all(Array.from({ length: 21 }, (_, i) => model.predict(one(i))));
      expect(runs).toHaveBeenCalledTimes(1);
      for (const [i, outputs] of all.entries()) {
        expect(outputs).toEqual(whole.subarray(i * 4, i * 4 + 4));
      }
      expect(await model.predict(new Float32Array(0))).toHaveLength(0);
      await expect(model.predict(one(0).subarray(1))).rejects.toThrow(/n times 64 values/);
    });
  });

  it('lets the event loop run between the batches of a large call', async () => {
    await compared({ ...base, model: cnn }, {}, async ({ model }) => {
      let turns = 0;
      let isDone = false;
      const turn = (): void => {
        turns++;
        if (!isDone) setImmediate(turn);
      };
      setImmediate(turn);
      await model.predict(new Float32Array(640 * 64));
      isDone = true;
      expect(turns).toBeGreaterThanOrEqual(5);
    });
  });

  it('computes with its normalizations folded', async () => {
    await compared({ ...base, model: cnn }, { fold: true }, async ({ trainer, model }) => {
      expect(normsOf(model.model)).toEqual([]);
      const [a, b] = [await trainer.predict(values(data)), await model.predict(values(data))];
      const largest = Math.max(...a.map(Math.abs));
      const difference = Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
      expect(difference).toBeGreaterThan(0);
      expect(difference).toBeLessThan(1e-5 * largest);
    });
  });

  it('has no memory for training', async () => {
    await compared({ ...base, model: cnn, optimizer: adam() }, {}, async ({ model }) => {
      const { layout }: { readonly layout: Layout } = Reflect.get(model, 'inference').team.plan;
      const bytesOf = (part: string): number =>
        layout.regions
          .filter(({ name }) => name.includes(part))
          .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      expect(['gradients', 'partials', 'optimizer'].map(bytesOf)).toEqual([0, 0, 0]);
    });
  });

  it('starts no thread unless asked, holds no data, and ends after its calls', async () => {
    const path = join(folder, 'closing.ckpt');
    const trainer = await Trainer.start({ ...base, model: cnn });
    await trainer.save(path);
    await trainer.close();
    let started = 0;
    const count = () => {
      started++;
    };
    process.on('worker', count);
    const model = await loadModel(path);
    const pending = model.predict(values(data));
    const closing = model.close();
    expect(await pending).toHaveLength(21 * 4);
    await closing;
    await expect(model.predict(values(data))).rejects.toThrow(/after close/);
    await expect(model.evaluate(data)).rejects.toThrow(UsageError);
    process.off('worker', count);
    expect(started).toBe(0);
  });
});

describe('evaluation on other data', () => {
  it('measures in the units of the model', async () => {
    const trained = regression(3);
    const model = sequential([flatten(), linear(64, 1)]);
    await compared({ ...base, model, data: trained }, {}, async (both) => {
      const wanted = await both.trainer.evaluate();
      const other = { ...regression(6), mean: [9], std: [5] };
      expect((await both.model.evaluate(other)).loss).toBeCloseTo(wanted.loss, 5);
      const { task: _, ...rest } = other;
      const plain = { kind: 'regression', targetShape: [1] } as const;
      const inUnits = (count: number) => Float32Array.from({ length: count }, (_, i) => i + 2);
      const unscaled = {
        ...rest,
        task: plain,
        train: { ...other.train, targets: inUnits(64) },
        test: { ...other.test, targets: inUnits(21) },
      };
      expect((await both.model.evaluate(unscaled)).loss).toBeCloseTo(wanted.loss, 5);
    });
  });

  it('accepts inputs with their own shift', async () => {
    const shifted = (by: number): Dataset => ({
      ...data,
      shift: [by],
      train: { ...data.train, inputs: (data.train.inputs as Float32Array).map((x) => x - by) },
      test: { ...data.test, inputs: (data.test.inputs as Float32Array).map((x) => x - by) },
    });
    await compared({ ...base, model: cnn, data: shifted(2) }, {}, async ({ trainer, model }) => {
      const wanted = await trainer.evaluate();
      expect((await model.evaluate(shifted(3))).loss).toBeCloseTo(wanted.loss, 4);
    });
  });

  it('accepts either split, metrics, and fewer classes; refuses mismatched data', async () => {
    await compared({ ...base, model: cnn }, {}, async ({ trainer, model }) => {
      const found = await model.evaluate(data, { split: 'train', metrics: ['f1'] });
      const wanted = await trainer.evaluate('train', { metrics: ['f1'] });
      expect([found.loss, found.metrics]).toEqual([wanted.loss, wanted.metrics]);
      const two = synthetic({ train: 4, test: 9, shape: [8, 8, 1], classes: 2 });
      expect((await model.evaluate(two)).count).toBe(9);
      const wrong: readonly (readonly [Dataset, RegExp])[] = [
        [synthetic({ train: 4, test: 0, shape: [8, 8, 1], classes: 2 }), /no samples/],
        [synthetic({ train: 4, test: 4, shape: [8, 8, 1], classes: 5 }), /4 classes.*"5 classes"/],
        [synthetic({ train: 4, test: 4, shape: [8, 4, 1], classes: 4 }), /8x8x1.*8x4x1 of type/],
        [masks(), /as the model requires.*16x16x1 of type u8/],
        [regression(2), /4 classes.*"numbers 1"/],
      ];
      for (const [other, message] of wrong) {
        await expect(model.evaluate(other)).rejects.toThrow(message);
      }
    });
  });
});

describe('a checkpoint that is not of a model', () => {
  it('is refused', async () => {
    await expect(loadModel(join(folder, 'missing.ckpt'))).rejects.toThrow(/checkpoint .*missing/);
    await expect(loadModel('x', { threads: 0 })).rejects.toThrow(/threads: expected .*, got 0/);
    const trainer = await Trainer.start({ ...base, model: cnn, workers: 1 });
    const path = join(folder, 'whole.ckpt');
    await trainer.save(path);
    await trainer.close();
    const checkpoint = await readCheckpoint(path);
    const [first, ...rest] = checkpoint.tensors;
    const without = { ...checkpoint, tensors: rest };
    await expect(loadModel(without)).rejects.toThrow(/tensor 0.*as the model says/);
    await expect(loadModel(without, { fold: true })).rejects.toThrow(
      /weight: expected .*, got "missing"/,
    );
    expect(first!.name).toBe('parameter 0.conv2d.weight');
    const other = { ...checkpoint, model: { ...sequential([flatten(), linear(64, 3)]) } };
    await expect(loadModel(other)).rejects.toThrow(/output of the model/);
  });
});
