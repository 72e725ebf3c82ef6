import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { fillArena } from '../../src/checkpoint/state.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { storeSamples } from '../../src/data/stored/storeSamples.ts';
import { compileKernels } from '../../src/kernels/load.ts';
import { createArena } from '../../src/memory/arena.ts';
import { normsOf } from '../../src/nn/convert/normLeaf.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { filterResponseNorm } from '../../src/nn/specs/filterResponseNorm.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../src/nn/specs/norms.ts';
import { globalAvgPool } from '../../src/nn/specs/pools.ts';
import { gru, rnn } from '../../src/nn/specs/recurrent.ts';
import { reshape } from '../../src/nn/specs/reshape.ts';
import { rmsNorm } from '../../src/nn/specs/rmsNorm.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { checkInference, checkTraining } from '../../src/plan/feasible.ts';
import { planRun } from '../../src/plan/plan.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { resolveOptions, type TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { bindWorker } from '../../src/train/worker.ts';

const optimizer = sgd({ lr: 1e-4 });

/** What a check refuses; undefined when it lets pass. */
function refusalOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message;
  }
}

/** A worker of its own on this thread, without any check. */
function bindAlone(options: TrainerOptions) {
  const plan = planRun(resolveOptions({ ...options, workers: 1 }));
  const memory = createArena(plan.layout);
  fillArena(plan, memory);
  const samples = storeSamples(options.data, plan.config);
  const worker = bindWorker({ plan, memory, samples, module: compileKernels('strict'), rank: 0 });
  return { plan, worker };
}

/** The last layers see [4], one position, or [2, 2, 4]. */
const NORMS: readonly (readonly [string, LayerSpec])[] = [
  ['batchNorm, local', batchNorm(4)],
  ['batchNorm, sync', batchNorm(4, { sync: 'all' })],
  ['batchNorm, sync 2', batchNorm(4, { sync: 2 })],
  ['batchNorm, sync 3, no running statistics', batchNorm(4, { sync: 3, trackRunningStats: false })],
  ['batchNorm, virtual batches', batchNorm(4, { virtualBatch: 2 })],
  [
    'batchNorm, virtual batches, no running statistics',
    batchNorm(4, { virtualBatch: 3, trackRunningStats: false }),
  ],
  ['batchRenorm, sync 2', batchRenorm(4, { sync: 2 })],
];

const recurrent = sequential([reshape([2, 2]), gru(2, 4, { norm: 'batch', sync: 2 })]);

function modelsOf(norm: LayerSpec): readonly LayerSpec[] {
  return [
    sequential([flatten(), linear(16, 4), norm, linear(4, 2)]),
    sequential([conv2d(4, 4, { kernel: 1 }), norm, globalAvgPool(), linear(4, 2)]),
  ];
}

const MODELS: readonly (readonly [string, LayerSpec])[] = [
  ...NORMS.flatMap(([name, norm]) =>
    modelsOf(norm).map((model, i) => [`${name}, ${i === 0 ? '1 position' : '4'}`, model] as const),
  ),
  [
    'a recurrent layer, sync 2',
    sequential([flatten(), linear(16, 4), recurrent, linear(4, 2)]) as LayerSpec,
  ],
];

describe('batches of all sizes', () => {
  it.each(MODELS)('are refused exactly if a step or an evaluation fails: %s', (name, model) => {
    let refused = 0;
    let passed = 0;
    for (const replicas of [1, 3, 4]) {
      for (const batch of [1, 2, 3, 8]) {
        for (const train of [3, 9, 16, 17]) {
          for (const dropLast of [false, true]) {
            if (dropLast && batch > train) continue;
            const data = synthetic({ train, test: 4, shape: [2, 2, 4], classes: 2 });
            const run = { replicas, globalBatch: batch, dropLast, diagnosticsEvery: 0 } as const;
            const options = { model, data, optimizer, ...run, mode: 'strict' } as const;
            const { plan, worker } = bindAlone(options);
            const said = `${replicas} replicas, batch ${batch}, ${train} samples, ${dropLast}`;
            const what = refusalOf(() => checkTraining(plan));
            const steps = plan.stepsPerEpoch;
            const failed = refusalOf(() => worker.train(0, steps, steps));
            expect(what !== undefined, `${said}: ${what} / ${failed}`).toBe(failed !== undefined);
            if (what === undefined) passed++;
            else refused++;
            for (const count of [1, 2, 3, batch]) {
              const no = refusalOf(() => checkInference('predict', plan, Math.min(count, batch)));
              const fails = refusalOf(() => worker.predict(Math.min(count, batch)));
              expect(no !== undefined, `${said}, ${count}: ${no}`).toBe(fails !== undefined);
            }
          }
        }
      }
    }
    expect(passed).toBeGreaterThan(0);
    if (!name.endsWith('4')) expect(refused).toBeGreaterThan(0);
  });
});

const images = (train: number) => synthetic({ train, test: 16, shape: [2, 2, 4], classes: 2 });
const dense = (norm: LayerSpec): LayerSpec =>
  sequential([flatten(), linear(16, 4), norm, linear(4, 2)]);

describe('a trainer refuses before the first step, and says what to do:', () => {
  it.each<[string, Partial<TrainerOptions>, readonly RegExp[]]>([
    [
      'a last batch of one sample',
      {
        model: dense(batchNorm(4, { sync: 'all' })),
        data: images(1000),
        globalBatch: 3,
        replicas: 2,
      },
      [
        /^2\.batchNorm would have one value per channel, which has no variance: /,
        /1000 training samples in batches of 3 leave 1 for the last step/,
        /Try: dropLast: true \(--drop-last\), or globalBatch: 4 \(--batch 4\), or /,
      ],
    ],
    [
      'a last batch that gives one replica a sample',
      { model: dense(batchNorm(4)), data: images(17), globalBatch: 8, replicas: 4 },
      [/17 training samples in batches of 8 leave 1 .* of which a replica gets one/, /--norm sync/],
    ],
    [
      'replicas of one sample with statistics of their own',
      { model: dense(batchNorm(4)), data: images(16), replicaBatch: 1, replicas: 4 },
      [/a step has 4 samples, of which a replica gets one/, /globalBatch: 8 \(--batch 8\)/],
    ],
    [
      'an evaluation without running statistics whose last batch has one sample',
      {
        model: dense(batchNorm(4, { sync: 'all', trackRunningStats: false })),
        data: synthetic({ train: 16, test: 9, shape: [2, 2, 4], classes: 2 }),
        globalBatch: 8,
        replicas: 2,
      },
      [/^Evaluation of the test samples: 2\.batchNorm keeps no running/, /trackRunningStats: true/],
    ],
    [
      'an evaluation correction that leaves a sample alone',
      { model: dense(batchNorm(4)), evalCorrection: 1 },
      [/2\.batchNorm normalizes one value .* evalCorrection 1/],
    ],
    ['as many groups as channels', { model: dense(groupNorm(4, 4)) }, [/2\.groupNorm/, /fewer/]],
    ['instance norm of vectors', { model: dense(instanceNorm(4)) }, [/2\.instanceNorm/, /--norm/]],
    [
      'layer norm of one value',
      { model: sequential([flatten(), linear(16, 1), layerNorm(1), linear(1, 2)]) },
      [/2\.layerNorm normalizes one value/],
    ],
    ['the sign that rmsNorm leaves of one value', { model: dense(rmsNorm(1)) }, [/input of/]],
    [
      'rms norm of one value',
      { model: sequential([flatten(), linear(16, 1), rmsNorm(1), linear(1, 2)]) },
      [/2\.rmsNorm normalizes one value/, /eps of at least 0\.001/],
    ],
    [
      'filter response norm of one position',
      { model: dense(filterResponseNorm(4)) },
      [/2\.filterResponseNorm normalizes one value per channel/],
    ],
    [
      'standardized weights of one input',
      {
        model: sequential([
          flatten(),
          linear(16, 1),
          linear(1, 4, { weightStandardization: true }),
          linear(4, 2),
        ]),
      },
      [/2\.linear normalizes one value per output channel's weights/],
    ],
    [
      'standardized depthwise weights of one tap',
      {
        model: sequential([
          conv2d(4, 4, { kernel: 1, groups: 4, weightStandardization: true }),
          flatten(),
          linear(16, 2),
        ]),
      },
      [/0\.conv2d normalizes one value/],
    ],
    [
      'a recurrent layer norm of one unit',
      {
        model: sequential([flatten(), reshape([4, 4]), rnn(4, 1, { norm: 'layer' }), linear(1, 2)]),
      },
      [/2\.rnn normalizes one value per time step/, /larger hiddenSize/],
    ],
    [
      "the default model's vectors with norm instance",
      {
        model: namedModel('mnist-cnn', { inputShape: [8, 8, 1], classes: 2 }),
        data: synthetic({ train: 16, test: 0, shape: [8, 8, 1], classes: 2 }),
        norm: { to: 'instance' },
      },
      [/instanceNorm normalizes one value per channel.*groupNorm or layerNorm/],
    ],
  ])('%s', async (_, change, messages) => {
    const options = { data: images(16), optimizer, replicas: 2, model: dense(layerNorm(4)) };
    const started = Trainer.start({ ...options, ...change });
    const error = await started.then(
      async (trainer) => {
        await trainer.close();
        return undefined;
      },
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(UsageError);
    for (const message of messages) expect((error as UsageError).message).toMatch(message);
  });

  it('but accepts a large eps, which keeps more of one value than its sign', () => {
    const model = dense(filterResponseNorm(4, { eps: 1 }));
    const plan = planRun(resolveOptions({ model, data: images(16), optimizer }));
    expect(() => checkTraining(plan)).not.toThrow();
  });
});

describe('a running trainer', () => {
  it('refuses an impossible prediction, and stays usable', async () => {
    const model = dense(batchNorm(4, { sync: 'all', trackRunningStats: false }));
    const data = images(16);
    const trainer = await Trainer.start({ model, data, optimizer, globalBatch: 8, replicas: 2 });
    try {
      const inputs = new Float32Array(16 * 8);
      await expect(trainer.predict(inputs.subarray(0, 16))).rejects.toThrow(/^predict: 2\.batch/);
      expect(await trainer.predict(inputs)).toHaveLength(16);
      for await (const _ of trainer.fit({ epochs: 1 }));
      expect((await trainer.evaluate('train')).count).toBe(16);
    } finally {
      await trainer.close();
    }
  });
});

describe("norm 'auto'", () => {
  it('is decided by the smallest batch', () => {
    const model = dense(batchNorm(4));
    const options = {
      model,
      optimizer,
      norm: { to: 'auto' },
      replicas: 8,
      replicaBatch: 16,
    } as const;
    const kept = (train: number, dropLast: boolean): readonly string[] =>
      normsOf(resolveOptions({ ...options, data: images(train), dropLast }).model);
    expect(kept(20, false)).toEqual(['groupNorm (1 group of 4 channels)']);
    expect(kept(128 + 20, false)).toEqual(['groupNorm (1 group of 4 channels)']);
    expect(kept(128 + 20, true)).toEqual(['batchNorm (sync)']);
    expect(kept(256, false)).toEqual(['batchNorm (sync)']);
  });
});
