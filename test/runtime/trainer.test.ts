import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { RunError, UsageError } from '../../src/base/errors.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { custom } from '../../src/nn/specs/custom.ts';
import { dropout } from '../../src/nn/specs/dropout.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { globalAvgPool } from '../../src/nn/specs/pools.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { adamw, sgd } from '../../src/optim/optimizer.ts';
import { cosine } from '../../src/optim/schedule.ts';
import { parseTrainerOptions } from '../../src/runtime/door.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { AT_ONCE_MS } from '../support/atOnce.ts';

const data = synthetic({ train: 300, test: 77, shape: [12, 12, 3], classes: 5, seed: 3 });
const purpose = { inputShape: data.inputShape, classes: 5 };
const folder = mkdtempSync(join(tmpdir(), 'syncbn-trainer-'));
afterAll(() => rmSync(folder, { recursive: true }));

const model: LayerSpec = sequential([
  ...namedModel('mnist-cnn', purpose).layers.slice(0, -1),
  dropout(0.25),
  linear(64, 5),
]);

const ghostNet = sequential([
  batchNorm(3, { virtualBatch: 2 }),
  ...namedModel('refnet', purpose).layers,
]);

const base = {
  model: convertNorm(model, { to: 'sync' }),
  data,
  optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
  replicas: 8,
  globalBatch: 50,
  seed: 5,
  augmentation: { shift: 2, flip: true },
} as const satisfies TrainerOptions;

/** Runs `use` on a trainer and closes it whatever happens. */
async function withTrainer<T>(
  options: TrainerOptions,
  use: (trainer: Trainer) => Promise<T>,
): Promise<T> {
  const trainer = await Trainer.start(options);
  try {
    return await use(trainer);
  } finally {
    await trainer.close();
  }
}

async function fit(trainer: Trainer, epochs: number, maxSteps = Number.MAX_SAFE_INTEGER) {
  for await (const _ of trainer.fit({ epochs, maxSteps }));
}

describe('the weights', () => {
  const variants: readonly [string, Partial<TrainerOptions>][] = [
    ['SyncBN over all replicas', {}],
    ['SyncBN over groups of 3', { model: convertNorm(model, { to: 'sync', groupSize: 3 }) }],
    ['local BN', { model: convertNorm(model, { to: 'local' }) }],
    ['group norm', { model: convertNorm(model, { to: 'group' }) }],
    ['AdamW, cosine and clipping', { optimizer: adamw(), schedule: cosine(), clipNorm: 0.5 }],
    ['shards that are empty at times', { globalBatch: 53, replicas: 50 }],
  ];

  it.each(variants)('are the same bits on 1, 3 and 8 workers with %s', async (_, change) => {
    const results = [];
    for (const workers of [1, 3, 8]) {
      const result = await withTrainer({ ...base, ...change, workers }, async (trainer) => {
        await fit(trainer, 2);
        const { loss, accuracy } = await trainer.evaluate();
        return { hash: trainer.weightsHash(), loss, accuracy };
      });
      results.push(result);
    }
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it('depend on the seed', async () => {
    const hashes = await Promise.all(
      [1, 2].map((seed) =>
        withTrainer({ ...base, seed, workers: 1 }, async (trainer) => trainer.weightsHash()),
      ),
    );
    expect(hashes[0]).not.toBe(hashes[1]);
  });
});

describe('a checkpoint', () => {
  it.each([
    { stopAt: 6, resumeWorkers: 3, what: 'at the end of an epoch' },
    { stopAt: 9, resumeWorkers: 1, what: 'in the middle of an epoch' },
  ])('resumes $what with the bits of an uninterrupted run', async ({ stopAt, resumeWorkers }) => {
    const path = join(folder, `${stopAt}.ckpt`);
    const options = { ...base, optimizer: adamw(), schedule: cosine(), workers: 2 };
    const whole = await withTrainer(options, async (trainer) => {
      await fit(trainer, 3);
      return trainer.weightsHash();
    });
    await withTrainer(options, async (trainer) => {
      await fit(trainer, 3, stopAt);
      expect(trainer.step).toBe(stopAt);
      await trainer.save(path);
    });
    const resumed = await Trainer.resume(path, { data, workers: resumeWorkers });
    try {
      expect(resumed.step).toBe(stopAt);
      await fit(resumed, 3);
      expect(resumed.weightsHash()).toBe(whole);
    } finally {
      await resumed.close();
    }
  });

  it('is refused with other data', async () => {
    const path = join(folder, 'other-data.ckpt');
    await withTrainer({ ...base, workers: 1 }, (trainer) => trainer.save(path));
    const other = synthetic({ train: 300, test: 77, shape: [12, 12, 3], classes: 5, seed: 4 });
    await expect(Trainer.resume(path, { data: other })).rejects.toThrow(/data to resume/);
    const targets = data.train.targets.slice();
    targets[1] = (targets[1]! + 1) % 5;
    const relabeled = { ...data, train: { ...data.train, targets } };
    const refused = Trainer.resume(path, { data: relabeled });
    await expect(refused).rejects.toThrow(/the content of synthetic, which was changed/);
    const renamed = await Trainer.resume(path, { data: { ...data, name: './d1' }, workers: 1 });
    await renamed.close();
  });

  it('is not written to an invalid path, and leaves no files', async () => {
    await withTrainer({ ...base, workers: 1 }, async (trainer) => {
      const path = join(folder, 'missing', 'x.ckpt');
      await expect(trainer.save(path)).rejects.toThrow(UsageError);
      expect(existsSync(path)).toBe(false);
    });
  });
});

describe('a trainer', () => {
  it('learns an easy task', async () => {
    const options: TrainerOptions = {
      model: convertNorm(namedModel('refnet', purpose), { to: 'sync' }),
      data: synthetic({ train: 1000, test: 200, shape: [12, 12, 3], classes: 5, separation: 0.9 }),
      optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
      replicas: 4,
      replicaBatch: 8,
    };
    await withTrainer(options, async (trainer) => {
      await fit(trainer, 2);
      const { accuracy, count } = await trainer.evaluate();
      expect(count).toBe(200);
      expect(accuracy).toBeGreaterThan(0.95);
    });
  });

  it('predicts the samples it is evaluated on, for any number of inputs', async () => {
    await withTrainer({ ...base, workers: 2 }, async (trainer) => {
      await fit(trainer, 1);
      const { accuracy } = await trainer.evaluate();
      const outputs = await trainer.predict(data.test.inputs);
      let correct = 0;
      for (let i = 0; i < data.test.count; i++) {
        const logits = [...outputs.subarray(i * 5, i * 5 + 5)];
        if (logits.indexOf(Math.max(...logits)) === data.test.targets[i]) correct++;
      }
      expect(correct / data.test.count).toBe(accuracy);
    });
  });

  it('reports each epoch, its loss over every sample once, and ends at the last one', async () => {
    // Weights that do not move and a test split that is the train split: an evaluation has the
    // same samples, each once, so a sample left out or counted twice would show.
    const still: TrainerOptions = {
      model: sequential([flatten(), linear(12 * 12 * 3, 5)]),
      data: { ...data, test: data.train },
      optimizer: sgd({ lr: 1e-30 }),
      replicas: 8,
      workers: 2,
      globalBatch: 64,
    };
    await withTrainer(still, async (trainer) => {
      const { loss, accuracy, count } = await trainer.evaluate();
      const epochs = [];
      for await (const progress of trainer.fit({ epochs: 2 })) epochs.push(progress);
      expect(epochs).toMatchObject([
        { kind: 'epoch', epoch: 1, step: 5, samples: count, accuracy },
        { kind: 'epoch', epoch: 2, step: 10, samples: count, accuracy },
      ]);
      for (const epoch of epochs) expect(epoch.loss).toBeCloseTo(loss, 12);
    });
  });

  it('stops after a step when asked to, and continues from there', async () => {
    await withTrainer({ ...base, workers: 2, globalBatch: 8 }, async (trainer) => {
      const kinds = [];
      for await (const { kind } of trainer.fit({ epochs: 50, progressEveryMs: 5 })) {
        kinds.push(kind);
        trainer.stop();
      }
      expect(kinds.at(-1)).toBe('stopped');
      const { step } = trainer;
      expect(step).toBeLessThan(50 * trainer.stepsPerEpoch);
      await fit(trainer, 50, step + 2);
      expect(trainer.step).toBe(step + 2);
    });
  });

  it('stops when its loop exits, and can then be used', async () => {
    await withTrainer({ ...base, workers: 2, globalBatch: 8 }, async (trainer) => {
      for await (const _ of trainer.fit({ epochs: 50, progressEveryMs: 5 })) break;
      expect((await trainer.evaluate()).count).toBe(77);
    });
  });

  it('refuses a second call while it trains', async () => {
    await withTrainer({ ...base, workers: 2, globalBatch: 8 }, async (trainer) => {
      for await (const _ of trainer.fit({ epochs: 50, progressEveryMs: 5 })) {
        await expect(trainer.evaluate()).rejects.toThrow(/while fit\(\) runs/);
        break;
      }
    });
  });

  it('names rank, step and layer when a worker throws, immediately and from then on', async () => {
    const failing = sequential([
      custom(new URL('../support/jobs/throwingLayer.mjs', import.meta.url), {
        replica: 7,
        step: 20,
      }),
      conv2d(3, 4, { kernel: 3 }),
      globalAvgPool(),
      linear(4, 5),
    ]);
    await withTrainer({ ...base, model: failing, globalBatch: 8, workers: 2 }, async (trainer) => {
      const startMs = performance.now();
      const error = await fit(trainer, 5).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(RunError);
      const { failure, message } = error as RunError;
      expect(failure).toMatchObject({ rank: 1, step: 20, layer: '0.custom' });
      expect(message).toContain('as it was told to');
      expect(performance.now() - startMs).toBeLessThan(AT_ONCE_MS);
      await expect(trainer.evaluate()).rejects.toThrow('as it was told to');
    });
  });
});

describe('options', () => {
  it('have batch as an alias of globalBatch', () => {
    const { globalBatch, ...rest } = base;
    expect(parseTrainerOptions({ ...rest, batch: globalBatch })).toEqual(parseTrainerOptions(base));
  });
});

describe('options that do not fit together', () => {
  it.each<[string, Partial<TrainerOptions>, RegExp]>([
    [
      'fewer grains than workers',
      { globalBatch: 2, workers: 3 },
      /^workers: expected .*2 grains.*, got 3/,
    ],
    [
      'fewer replicas than workers where each has to be whole',
      { model: ghostNet, replicas: 2, workers: 3 },
      /^workers: expected .*2 replicas.*, got 3/,
    ],
    ['a batch of 0', { globalBatch: 0 }, /globalBatch: expected .*, got 0/],
    ['globalBatch and replicaBatch', { replicaBatch: 4 }, /not both/],
    [
      'a model with too few outputs',
      { model: sequential([globalAvgPool()]) },
      /output of the model/,
    ],
    [
      'a model for other inputs',
      { model: namedModel('refnet', { ...purpose, inputShape: [9, 9, 1] }) },
      /0\.conv2d/,
    ],
    ['a loss for other data', { loss: { kind: 'meanSquaredError' } }, /loss for classification/],
    ['a seed below 0', { seed: -1 }, /seed: expected .*, got -1/],
    ['a bound of 0', { clipNorm: 0 }, /clipNorm: expected .*, got 0/],
  ])('%s is refused before any thread is started', async (_, change, message) => {
    const started = Trainer.start({ ...base, ...change });
    await expect(started).rejects.toThrow(UsageError);
    await expect(started).rejects.toThrow(message);
  });
});
