// Models with heads: the gradients of all losses together, the same bits for any split, losses
// against plain loops over what is predicted, checkpoints.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { type GraphValue, graph } from '../../src/nn/models/graphBuilder.ts';
import { parseModel } from '../../src/nn/models/parse.ts';
import { relu, tanh } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { crossEntropy, huber } from '../../src/nn/specs/losses.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { globalAvgPool } from '../../src/nn/specs/pools.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { bindProbe } from '../../src/runtime/probe.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const CLASSES = 4;
const images = synthetic({ train: 22, test: 9, shape: [5, 4, 2], classes: CLASSES, seed: 3 });
const optimizer = sgd({ lr: 0.1, momentum: 0.9 });
const bare = (from: number, to: number, kernel: number | readonly [number, number]) =>
  conv2d(from, to, { kernel, bias: false });
const folder = mkdtempSync(join(tmpdir(), 'syncbn-heads-'));
afterAll(() => rmSync(folder, { recursive: true }));

const HEADS = { aux: { weight: 0.4 }, deep: { weight: 1.5 } } as const;

/** A trunk with a classifier, and after its first layer and its last one a head each; of these only
 * the asked outputs, the first one as `main`. */
function net(outputs: readonly ('main' | 'aux' | 'deep')[]): LayerSpec {
  return graph((x) => {
    const low = x.apply('low', bare(2, 6, 3)).apply(tanh());
    const high = outputs.some((name) => name !== 'aux') && low.apply('high', bare(6, 5, [3, 2]));
    const made = outputs.map((name): [string, GraphValue] => {
      const from = name === 'aux' ? low : (high as GraphValue).apply(tanh());
      const channels = name === 'aux' ? 6 : 5;
      const last = linear(channels, CLASSES, { bias: false });
      return [name, from.apply(globalAvgPool()).apply(name, last)];
    });
    return { main: made[0]![1], ...Object.fromEntries(made.slice(1)) };
  });
}

const normed = graph((x) => {
  const low = x.apply(conv2d(2, 6, { kernel: 3 }), batchNorm(6, { sync: 'all' }), relu());
  const aux = low.apply(conv2d(6, 4, { kernel: 1 }), batchNorm(4, { sync: 'all' }));
  const high = low.apply(conv2d(6, 5, { kernel: [3, 2] }), batchNorm(5, { sync: 'all' }), relu());
  return {
    main: high.apply(globalAvgPool(), linear(5, CLASSES)),
    aux: aux.apply(relu(), globalAvgPool(), linear(4, CLASSES)),
  };
});
const base = {
  model: normed,
  data: images,
  optimizer,
  heads: { aux: { weight: 0.4 } },
  globalBatch: 8,
  replicas: 4,
} as const satisfies TrainerOptions;

function withTrainer<T>(options: TrainerOptions, use: (trainer: Trainer) => Promise<T>) {
  return Trainer.start(options).then((trainer) => use(trainer).finally(() => trainer.close()));
}

describe('the gradients of a model with heads', () => {
  const run = { data: images, optimizer, replicas: 2, seed: 7 };
  const whole = bindProbe({ ...run, model: net(['main', 'aux', 'deep']), heads: HEADS });

  it('match finite differences of the weighted sum of its losses', () => {
    const { parameters, gradients } = whole;
    whole.run();
    const exact = gradients.slice();
    const largest = Math.max(...exact.map(Math.abs));
    const step = 2 ** -6;
    for (let i = 0; i < exact.length; i += 5) {
      const value = parameters[i]!;
      parameters[i] = value + step;
      const above = whole.run();
      parameters[i] = value - step;
      const below = whole.run();
      parameters[i] = value;
      expect(Math.abs((above - below) / (2 * step) - exact[i]!)).toBeLessThan(2e-3 * largest);
    }
  });

  it('are the weighted sums of the separate gradients of each output', () => {
    const total = whole.run();
    let expectedLoss = 0;
    const expected = new Map<string, number>();
    for (const [output, weight] of [
      ['main', 1],
      ['aux', 0.4],
      ['deep', 1.5],
    ] as const) {
      const alone = bindProbe({ ...run, model: net([output]) });
      for (const path of pathsOf(alone)) valuesOf(alone, path).set(valuesOf(whole, path));
      expectedLoss += weight * alone.run();
      for (const path of pathsOf(alone)) {
        for (const [i, value] of valuesOf(alone, path, 'gradients').entries()) {
          const at = `${path} ${i}`;
          expected.set(at, (expected.get(at) ?? 0) + weight * value);
        }
      }
    }
    expect(total).toBeCloseTo(expectedLoss, 6);
    const found = pathsOf(whole).flatMap((path) =>
      [...valuesOf(whole, path, 'gradients')].map((value, i) => [`${path} ${i}`, value] as const),
    );
    expect(found).toHaveLength(expected.size);
    for (const [at, value] of found) expect(value, at).toBeCloseTo(expected.get(at)!, 6);
  });
});

type Probed = ReturnType<typeof bindProbe>;

/** Its layers, each with a weight. */
function pathsOf({ layers }: Probed): readonly string[] {
  return layers.map(({ path }) => path);
}

function valuesOf(
  probe: Probed,
  path: string,
  what: 'parameters' | 'gradients' = 'parameters',
): Float32Array {
  const { from, to } = probe.layers.find((layer) => layer.path === path)!;
  return probe[what].subarray(from, to);
}

/** What a run of two epochs comes to. */
async function outcomeOf(trainer: Trainer) {
  const reported: object[] = [];
  for await (const { loss, headLosses, totalLoss, accuracy } of trainer.fit({ epochs: 2 })) {
    reported.push({ loss, headLosses, totalLoss, accuracy });
  }
  const { seconds: _seconds, ...evaluation } = await trainer.evaluate('test');
  const outputs = await trainer.predictAll(images.test.inputs.slice() as Float32Array);
  return { hash: trainer.weightsHash(), reported, evaluation, outputs };
}

describe('a run of a model with heads', () => {
  it('has the same bits on any workers, even with norms in its heads', async () => {
    const alone = await withTrainer({ ...base, workers: 1 }, outcomeOf);
    for (const [workers, replicas] of [
      [2, 4],
      [3, 8],
    ] as const) {
      const split = await withTrainer({ ...base, workers, replicas }, outcomeOf);
      expect(split).toEqual(alone);
    }
    const { outputs } = alone;
    expect(Object.keys(outputs)).toEqual(['main', 'aux']);
    expect(outputs.aux).toHaveLength(9 * CLASSES);
  });

  it('trains its heads: with a tiny weight the loss of one falls less', async () => {
    const run = { ...base, workers: 1 } as const;
    const [strong, weak] = [
      await withTrainer(run, outcomeOf),
      await withTrainer({ ...run, heads: { aux: { weight: 1e-12 } } }, outcomeOf),
    ];
    const lossOf = ({ evaluation }: typeof strong) => evaluation.headLosses.aux!;
    expect(strong.hash).not.toBe(weak.hash);
    expect(lossOf(strong)).toBeLessThan(lossOf(weak));
  });

  it('reports the loss of each output with its own kind, and their weighted sum', async () => {
    const weights = Float32Array.from(images.test.targets, (_, i) => (i % 3) / 2);
    const classWeights = [1, 3, 0.5, 2];
    const options = {
      ...base,
      data: { ...images, test: { ...images.test, weights } },
      loss: crossEntropy({ ignoreIndex: 2 }),
      heads: { aux: { loss: crossEntropy({ classWeights }), weight: 0.25 } },
      workers: 2,
    } as const;
    await withTrainer(options, async (trainer) => {
      const { loss, headLosses, totalLoss } = await trainer.evaluate('test');
      const { main, aux } = await trainer.predictAll(images.test.inputs.slice() as Float32Array);
      const { targets } = images.test;
      const ofMain = weightedMean(main!, targets, (label, n) => (label === 2 ? 0 : weights[n]!));
      const ofAux = weightedMean(aux!, targets, (label, n) => weights[n]! * classWeights[label]!);
      expect(loss).toBeCloseTo(ofMain, 6);
      expect(headLosses).toEqual({ aux: expect.closeTo(ofAux, 6) });
      expect(totalLoss).toBeCloseTo(ofMain + 0.25 * ofAux, 6);
      expect(await trainer.predict(images.test.inputs.slice() as Float32Array)).toEqual(main);
    });
  });

  it('resumes in the middle of an epoch with the same bits and sums', async () => {
    const path = join(folder, 'run.ckpt');
    const options = {
      ...base,
      heads: { aux: { weight: 0.4, loss: crossEntropy({ labelSmoothing: 0.1 }) } },
    };
    const whole = await withTrainer({ ...options, workers: 1 }, outcomeOf);
    await withTrainer({ ...options, workers: 2 }, async (trainer) => {
      for await (const _ of trainer.fit({ epochs: 2, maxSteps: 2 }));
      await trainer.save(path);
    });
    const resumed = await Trainer.resume(path, { data: images, workers: 3 });
    expect(await outcomeOf(resumed).finally(() => resumed.close())).toEqual(whole);
    const saved = await readCheckpoint(path);
    const counters = { ...saved.counters, epochSums: saved.counters.epochSums.slice(0, 4) };
    await expect(Trainer.resume({ ...saved, counters }, { data: images })).rejects.toThrow(
      'checkpoint, epochSums: expected 5, as its heads say, got "4 numbers".',
    );
  });

  it('evaluates and predicts regression heads in the units of the data', async () => {
    const targets = Float32Array.from({ length: 22 * 2 }, (_, i) => Math.sin(i));
    const task = { kind: 'regression', targetShape: [2], mean: [1, 2], std: [3, 4] } as const;
    const model = graph((x) => {
      const y = x.apply(globalAvgPool(), linear(2, 4), tanh());
      return { main: y.apply(linear(4, 2)), rough: y.apply('rough', linear(4, 2)) };
    });
    const none = { count: 0, inputs: new Float32Array(0), targets: new Float32Array(0) };
    const data = { ...images, task, train: { ...images.train, targets }, test: none };
    const heads = { rough: { loss: huber() } };
    await withTrainer({ data, model, heads, optimizer, globalBatch: 22 }, async (trainer) => {
      const { headLosses } = await trainer.evaluate('train');
      const inputs = images.train.inputs.slice() as Float32Array;
      const { rough } = await trainer.predictAll(inputs);
      let sum = 0;
      for (const [i, target] of targets.entries()) {
        const error = Math.abs((rough![i]! - task.mean[i % 2]!) / task.std[i % 2]! - target);
        sum += error <= 1 ? error ** 2 / 2 : error - 0.5;
      }
      expect(headLosses.rough).toBeCloseTo(sum / targets.length, 6);
    });
  });

  it('folds for inference with all its outputs', async () => {
    const path = join(folder, 'folded.ckpt');
    await withTrainer({ ...base, workers: 1 }, async (trainer) => {
      for await (const _ of trainer.fit({ epochs: 1 }));
      const { folded, maxDifference } = await trainer.exportInference({ path });
      expect(folded).toHaveLength(3);
      expect(maxDifference).toBeLessThan(1e-5);
      const inputs = images.test.inputs.slice() as Float32Array;
      const expected = await trainer.predictAll(inputs);
      const resumed = await Trainer.resume(path, { data: images, workers: 1 });
      const found = await resumed.predictAll(inputs).finally(() => resumed.close());
      for (const [name, values] of Object.entries(expected)) {
        for (const [i, value] of values.entries()) expect(found[name]![i]).toBeCloseTo(value, 4);
      }
    });
  });

  it('stops if the loss of a head is not finite', async () => {
    const options = { ...base, workers: 2, heads: { aux: { weight: 1e308 } } };
    await withTrainer(
      {
        ...options,
        data: {
          ...images,
          train: { ...images.train, inputs: images.train.inputs.map((value) => value * 100) },
        },
      },
      async (trainer) => {
        const fit = async () => {
          for await (const _ of trainer.fit({ epochs: 1 }));
        };
        await expect(fit()).rejects.toThrow('not finite');
      },
    );
  });
});

/** The mean cross-entropy by weights. */
function weightedMean(
  outputs: Float32Array,
  targets: ArrayLike<number>,
  weightOf: (label: number, n: number) => number,
): number {
  let [sum, total] = [0, 0];
  for (let n = 0; n < targets.length; n++) {
    const row = outputs.subarray(n * CLASSES, (n + 1) * CLASSES);
    const label = targets[n]!;
    const weight = weightOf(label, n);
    const norm = row.reduce((exps, value) => exps + Math.exp(value), 0);
    sum += weight * (Math.log(norm) - row[label]!);
    total += weight;
  }
  return sum / total;
}

describe('heads', () => {
  const start = (options: object) => Trainer.start({ ...base, workers: 1, ...options } as never);

  it.each([
    [
      'none of its losses',
      { heads: {} },
      "the model's head aux has no loss. Try: heads: { 'aux': { weight: 0.4 } }",
    ],
    ['a loss of another one', { heads: { aux: {}, side: {} } }, 'heads: expected aux, got "side".'],
    [
      'a weight of 0',
      { heads: { aux: { weight: 0 } } },
      'heads.aux weight: expected a finite number above 0, got 0.',
    ],
    [
      'a loss that does not fit',
      { heads: { aux: { loss: huber() } } },
      'loss of head aux for classification: expected crossEntropy, customLoss, got "huber".',
    ],
    [
      'a model without any',
      { model: net(['main']) },
      'heads: expected none: the model has one output, got "aux".',
    ],
    [
      'an output of another size',
      {
        model: graph((x) => {
          const y = x.apply(globalAvgPool());
          return { main: y.apply(linear(2, CLASSES)), aux: y };
        }),
      },
      'head aux of the model: expected 4, one for each class, got "2 for inputs of 5x4x2".',
    ],
  ])('of %s are refused', async (_name, options, message) => {
    await expect(start(options)).rejects.toThrow(message);
  });

  it('have names that are neither numbers nor empty', () => {
    const named = (name: string) => graph((x) => ({ main: x, [name]: x.apply(tanh()) }));
    for (const name of ['1', 'a b', '']) expect(() => named(name)).toThrow('heads');
  });

  it('inside another layer are refused', () => {
    const inner = graph((x) => ({ main: x, aux: x.apply(tanh()) }));
    for (const build of [
      () => sequential([inner]),
      () => residual(inner),
      () => graph((x) => x.apply(inner)),
    ]) {
      expect(() => parseModel(build())).toThrow('heads of the graph that is the whole model');
    }
  });
});
