import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { RunError, UsageError } from '../../src/base/errors.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { cosine } from '../../src/optim/schedule.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { withOpenRun } from '../support/runs/openRun.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-divergence-'));
afterAll(() => rmSync(folder, { recursive: true }));

const data = synthetic({ train: 256, test: 16, shape: [16, 16, 1], classes: 10 });
const purpose = { inputShape: data.inputShape, classes: 10 };
const refnet = namedModel('refnet', purpose);
const base = { model: refnet, data, replicas: 5, globalBatch: 30, diagnosticsEvery: 0 } as const;
const wild = { ...base, optimizer: sgd({ lr: 1e30 }), schedule: cosine() } as const;

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

async function fit(trainer: Trainer, maxSteps = Number.MAX_SAFE_INTEGER): Promise<void> {
  for await (const _ of trainer.fit({ epochs: 2, maxSteps }));
}

/** What a fit ends with. */
async function failureOf(trainer: Trainer): Promise<RunError> {
  const error = await fit(trainer).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(RunError);
  return error as RunError;
}

describe('a run whose outputs have become infinite or NaN', () => {
  const outcomes = [1, 2, 3, 5].map((workers) => [workers, {}] as const);

  it.each([...outcomes, [2, { clipNorm: 1e30 }] as const])(
    'ends on %d workers with %o in the reported step, with the weights before it',
    async (workers, more) => {
      const options = { ...wild, workers, ...more };
      const failed = await withTrainer(options, async (trainer) => {
        const { failure, message } = await failureOf(trainer);
        const { reason, step, layer, learningRate, gradientNorm } = failure;
        expect(message).toMatch(/^step 1, layer 3\.conv2d: its output is not finite\./);
        expect(message).toMatch(/learning rate 9\.\d+e\+29, gradient norm NaN/);
        return {
          failure: { reason, step, layer, learningRate, gradientNorm },
          done: trainer.step,
          hash: trainer.weightsHash(),
        };
      });
      expect(failed).toMatchObject({
        failure: { step: 1, layer: '3.conv2d', gradientNorm: Number.NaN },
        done: 1,
      });
      const before = await withTrainer({ ...options, workers: 1 }, async (trainer) => {
        await fit(trainer, 1);
        return trainer.weightsHash();
      });
      expect(failed.hash).toBe(before);
    },
  );

  it('is not saved, and its trainer can still evaluate', async () => {
    const path = join(folder, 'wild.ckpt');
    await withTrainer({ ...wild, workers: 2 }, async (trainer) => {
      await failureOf(trainer);
      await expect(trainer.save(path)).rejects.toThrow(UsageError);
      await expect(trainer.save(path)).rejects.toThrow(
        /refused because the run diverged in step 1/,
      );
      expect(existsSync(path)).toBe(false);
      expect((await trainer.evaluate()).count).toBe(16);
      expect((await failureOf(trainer)).failure.step).toBe(1);
    });
  });

  it('ends even if its loop exits at the same time', async () => {
    await withTrainer({ ...wild, workers: 2 }, async (trainer) => {
      const leave = async (): Promise<void> => {
        for await (const _ of trainer.fit({ epochs: 2, progressEveryMs: 0 })) break;
      };
      await leave().catch((error) => expect(error).toBeInstanceOf(RunError));
      expect((await failureOf(trainer)).failure.step).toBe(1);
    });
  });

  it("continues with onNonFinite 'continue', with the same bits while all is finite", async () => {
    await withTrainer({ ...wild, workers: 2, onNonFinite: 'continue' }, async (trainer) => {
      await fit(trainer);
      expect(trainer.step).toBe(18);
    });
    const tame = { ...base, optimizer: sgd({ lr: 0.05 }), workers: 2 };
    const hashes = [];
    for (const onNonFinite of ['stop', 'continue'] as const) {
      hashes.push(
        await withTrainer({ ...tame, onNonFinite }, async (trainer) => {
          await fit(trainer);
          return trainer.weightsHash();
        }),
      );
    }
    expect(hashes[0]).toBe(hashes[1]);
  });

  it('accepts no other value', async () => {
    const options = { ...wild, onNonFinite: 'ignore' as 'stop' };
    await expect(Trainer.start(options)).rejects.toThrow(/onNonFinite: .*'stop' or 'continue'/);
  });
});

/** Regression data as they are: statistics 0 and 1. */
function regression(inputs: readonly number[], targets: readonly number[]): Dataset {
  const split = (x: readonly number[], y: readonly number[]) => ({
    count: x.length,
    inputs: Float32Array.from(x),
    targets: Float32Array.from(y),
  });
  return {
    name: 'numbers',
    inputShape: [1],
    inputType: 'f32',
    task: { kind: 'regression', targetShape: [1] },
    mean: [0],
    std: [1],
    train: split(inputs, targets),
    test: split([], []),
  };
}

describe('a run with a finite loss', () => {
  it('ends if a gradient is not finite, naming the first layer in backward order', async () => {
    const options: TrainerOptions = {
      model: sequential([linear(1, 1), relu(), linear(1, 1)]),
      data: regression([1e20, 1e20], [0, 0]),
      optimizer: sgd({ lr: 1 }),
      replicas: 2,
      replicaBatch: 1,
      shuffle: false,
    };
    for (const workers of [1, 2]) {
      await withOpenRun({ ...options, workers }, async ({ trainer, tensors }) => {
        for (const { values } of tensors) values.fill(1);
        const before = trainer.weightsHash();
        const { failure } = await failureOf(trainer);
        expect(failure).toMatchObject({ step: 0, layer: '2.linear', learningRate: 1 });
        expect(failure.reason).toMatch(/^its gradient is not finite/);
        expect(trainer.weightsHash()).toBe(before);
      });
    }
  });

  it('ends if gradients of replicas overflow only when summed', async () => {
    // Each replica has x * 2 (0 - t) / 2 = 2.5e38, below the largest float32, 3.4e38.
    const options: TrainerOptions = {
      model: linear(1, 1, { bias: false }),
      data: regression([1e19, 1e19], [2.5e19, 2.5e19]),
      optimizer: sgd({ lr: 1 }),
      replicas: 2,
      replicaBatch: 1,
    };
    for (const workers of [1, 2]) {
      await withOpenRun({ ...options, workers }, async ({ trainer, tensors }) => {
        for (const { values } of tensors) values.fill(0);
        const { failure } = await failureOf(trainer);
        expect(failure).toMatchObject({ step: 0, layer: 'linear', gradientNorm: Infinity });
        // One worker has the total as its part, and sees it before the update; two do after it.
        expect(trainer.step).toBe(workers - 1);
        await expect(trainer.save(join(folder, 'y.ckpt'))).rejects.toThrow(/diverged/);
      });
    }
  });

  it('ends if running statistics are not finite, on any worker, and is not saved', async () => {
    const model = sequential([flatten(), batchNorm(256), linear(256, 4), batchNorm(4)]);
    const classes = synthetic({ train: 64, test: 0, shape: [16, 16, 1], classes: 4 });
    for (const workers of [1, 2, 3]) {
      const options = { model, data: classes, optimizer: sgd({ lr: 0.01 }), workers } as const;
      await withOpenRun(
        { ...options, replicas: 4, replicaBatch: 4 },
        async ({ trainer, tensors }) => {
          const poisoned = tensors.find(({ name }) => name.includes('3.batchNorm.runningVar'));
          poisoned!.values[2] = Number.POSITIVE_INFINITY;
          const { failure } = await failureOf(trainer);
          expect(failure).toMatchObject({ step: 0, layer: '3.batchNorm' });
          expect(failure.reason).toMatch(/^its running statistics are not finite/);
          expect(trainer.step).toBe(1);
          await expect(trainer.save(join(folder, 'x.ckpt'))).rejects.toThrow(/diverged/);
        },
      );
    }
  });

  it('names the training sample that normalization moves out of range', async () => {
    const far = regression([1, 2, 1e30, 3], [0, 0, 0, 0]);
    const options: TrainerOptions = {
      model: linear(1, 1),
      data: { ...far, std: [1e-10] },
      optimizer: sgd({ lr: 1e-12 }),
      replicas: 2,
      replicaBatch: 2,
    };
    await withTrainer({ ...options, workers: 2 }, async (trainer) => {
      expect((await failureOf(trainer)).message).toMatch(/^step 0: training sample 2, normalized,/);
    });
  });
});
