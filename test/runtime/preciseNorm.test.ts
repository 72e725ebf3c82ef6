import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm, groupNorm } from '../../src/nn/specs/norms.ts';
import { globalAvgPool } from '../../src/nn/specs/pools.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const SAMPLES = 23;
const BATCH = 9;
const CHANNELS = 3;
const POSITIONS = 4;
const EPS = 1e-5;
const classes = 4;
const made = synthetic({ train: SAMPLES, test: 5, shape: [2, 2, CHANNELS], classes, seed: 2 });
/** Float inputs that the loader leaves as they are. */
const data: Dataset = {
  ...made,
  inputType: 'f32',
  mean: [0, 0, 0],
  std: [1, 1, 1],
  train: { ...made.train, inputs: Float32Array.from(made.train.inputs) },
  test: { ...made.test, inputs: Float32Array.from(made.test.inputs) },
};
const tail = [globalAvgPool(), linear(CHANNELS, classes)];
const base = { data, optimizer: sgd({ lr: 0.05 }), shuffle: false, globalBatch: BATCH, workers: 2 };

async function withTrainer<T>(
  options: Partial<TrainerOptions> & { readonly model: LayerSpec },
  use: (trainer: Trainer) => Promise<T>,
): Promise<T> {
  const trainer = await Trainer.start({ ...base, replicas: 4, ...options });
  try {
    return await use(trainer);
  } finally {
    await trainer.close();
  }
}

/** Count, mean and sum of squared deviations of a channel over samples [from, to). */
function momentsOf(from: number, to: number, channel: number) {
  const values: number[] = [];
  const { inputs } = data.train;
  for (let i = from * POSITIONS; i < to * POSITIONS; i++) {
    values.push(inputs[i * CHANNELS + channel]!);
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { count: values.length, mean, m2: values.reduce((sum, v) => sum + (v - mean) ** 2, 0) };
}

const channels = [0, 1, 2];
const BATCHES = [
  [0, 9],
  [9, 18],
  [18, 23],
] as const;

function expectNear(found: ArrayLike<number>, expected: readonly number[], share = 1e-12): void {
  const scale = Math.max(...expected.map(Math.abs), 1);
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(found[i]! - value), `[${i}]`).toBeLessThanOrEqual(share * scale);
  }
}

describe('preciseBatchNorm', () => {
  it.each(['all', 'local', 2] as const)(
    'with sync %s over an epoch gives the mean and unbiased variance of all of it',
    async (sync) => {
      const model = sequential([batchNorm(CHANNELS, { sync }), ...tail]);
      await withTrainer({ model }, async (trainer) => {
        for await (const _ of trainer.fit({ epochs: 1 }));
        const result = await trainer.preciseBatchNorm({ batches: 3 });
        expect(result).toEqual({
          batches: 3,
          samples: SAMPLES,
          replaced: ['0.batchNorm'],
          left: [],
        });
        const weights = trainer.weights();
        const all = channels.map((c) => momentsOf(0, SAMPLES, c));
        expectNear(
          weights.get('0.batchNorm.runningMean')!.values,
          all.map(({ mean }) => mean),
        );
        expectNear(
          weights.get('0.batchNorm.runningVar')!.values,
          all.map(({ m2, count }) => m2 / (count - 1)),
        );
        expect([...weights.get('0.batchNorm.numBatchesTracked')!.values]).toEqual([3]);
      });
    },
  );

  it('averaged gives the mean over batches of mean and unbiased variance', async () => {
    const model = sequential([batchNorm(CHANNELS, { sync: 'all' }), ...tail]);
    await withTrainer({ model }, async (trainer) => {
      await trainer.preciseBatchNorm({ batches: 3, definition: 'averaged' });
      const average = (of: (moments: ReturnType<typeof momentsOf>) => number) =>
        channels.map((c) =>
          BATCHES.reduce((sum, [from, to]) => {
            return sum + of(momentsOf(from, to, c)) * ((to - from) / SAMPLES);
          }, 0),
        );
      const weights = trainer.weights();
      expectNear(
        weights.get('0.batchNorm.runningMean')!.values,
        average(({ mean }) => mean),
      );
      expectNear(
        weights.get('0.batchNorm.runningVar')!.values,
        average(({ m2, count }) => m2 / (count - 1)),
      );
    });
  });

  it('runs each batch with its own statistics, as in training', async () => {
    const plain = batchNorm(CHANNELS, { sync: 'all', eps: EPS });
    const model = sequential([plain, plain, ...tail]);
    await withTrainer({ model }, async (trainer) => {
      await trainer.preciseBatchNorm({ batches: 3 });
      const weights = trainer.weights();
      // Behind the first layer every batch has mean 0 and variance v / (v + eps).
      const variances = channels.map((c) => {
        const sum = BATCHES.reduce((total, [from, to]) => {
          const { m2, count } = momentsOf(from, to, c);
          return total + count * (m2 / count / (m2 / count + EPS));
        }, 0);
        return sum / (SAMPLES * POSITIONS - 1);
      });
      expectNear(weights.get('1.batchNorm.runningMean')!.values, [0, 0, 0], 1e-6);
      expectNear(weights.get('1.batchNorm.runningVar')!.values, variances, 1e-6);
    });
  });

  it('changes only running statistics, and training continues as it would have', async () => {
    const model = sequential([
      conv2d(CHANNELS, CHANNELS, { kernel: 1 }),
      batchNorm(CHANNELS, { momentum: 1, sync: 'all' }),
      ...tail,
    ]);
    const trained = async (isMeasured: boolean) =>
      withTrainer({ model, shuffle: true }, async (trainer) => {
        for await (const _ of trainer.fit({ epochs: 2, maxSteps: 2 }));
        const before = trainer.weights();
        if (isMeasured) {
          await trainer.preciseBatchNorm({ batches: 5 });
          for (const [name, { values }] of trainer.weights()) {
            if (!name.includes('running')) continue;
            expect(values, name).not.toEqual(before.get(name)!.values);
          }
        }
        for await (const _ of trainer.fit({ epochs: 2 }));
        return [...trainer.weights()].filter(([name]) => !name.includes('numBatches'));
      });
    expect(await trained(true)).toEqual(await trained(false));
  });

  it.each([
    { replicas: 5, globalBatch: 9 },
    { replicas: 8, globalBatch: 5 },
  ])('has the same bits on any number of workers with %j', async (size) => {
    const model = sequential([
      batchNorm(CHANNELS, { sync: 'all' }),
      conv2d(CHANNELS, CHANNELS, { kernel: 1 }),
      batchNorm(CHANNELS, { sync: 'all' }),
      relu(),
      groupNorm(1, CHANNELS),
      batchNorm(CHANNELS, { virtualBatch: 2 }),
      ...tail,
    ]);
    const hashes: string[] = [];
    for (const workers of [1, 2, 3, 5]) {
      const options = { model, ...size, workers, shuffle: true };
      await withTrainer(options, async (trainer) => {
        const { replaced, left } = await trainer.preciseBatchNorm({ batches: 7 });
        expect(replaced).toEqual(['0.batchNorm', '2.batchNorm', '5.batchNorm']);
        expect(left.map(({ layer }) => layer)).toEqual(['4.groupNorm']);
        hashes.push(trainer.weightsHash());
      });
    }
    expect(new Set(hashes).size).toBe(1);
  });

  it('skips frozen layers and those without statistics, and refuses zero batches', async () => {
    const model = sequential([
      batchNorm(CHANNELS, { frozen: true }),
      batchNorm(CHANNELS, { trackRunningStats: false }),
      ...tail,
    ]);
    await withTrainer({ model }, async (trainer) => {
      const before = trainer.weightsHash();
      const { replaced, left } = await trainer.preciseBatchNorm({ batches: 1 });
      expect([replaced, left]).toEqual([
        [],
        [
          { layer: '0.batchNorm', why: 'it is frozen' },
          { layer: '1.batchNorm', why: 'it keeps no statistics' },
        ],
      ]);
      expect(trainer.weightsHash()).toBe(before);
      await expect(trainer.preciseBatchNorm({ batches: 0 })).rejects.toThrow(UsageError);
      const other = { batches: 1, definition: 'exact' as never };
      await expect(trainer.preciseBatchNorm(other)).rejects.toThrow(
        /definition: expected .*, got "exact"/,
      );
    });
  });
});
