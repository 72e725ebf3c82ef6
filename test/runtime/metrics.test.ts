// Metrics of an evaluation: those of the predictions, the same for any workers, with the loss and
// accuracy of an evaluation without them.

import { expect, it } from 'vitest';
import { sizeOf } from '../../src/base/shape.ts';
import type { TrainingData } from '../../src/data/chunked/chunkedDataset.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { viewSplit } from '../../src/data/stored/storedSamples.ts';
import { storeSamples } from '../../src/data/stored/storeSamples.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { countMetrics } from '../../src/observe/metrics.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { inChunks } from '../support/data/chunked.ts';
import { testValues } from '../support/kernelFixture.ts';

const all = synthetic({ train: 16, test: 21, shape: [4, 4, 1], classes: 2, seed: 3 });
/** Samples without weight count in no metric. */
const weights = Float32Array.from({ length: 21 }, (_, n) => (n % 5 === 3 ? 0 : 1 + n));
const images: Dataset = { ...all, test: { ...all.test, weights } };
const targets = (count: number, seed: number) => testValues(count * 2, 1, seed);
const numbers: Dataset = {
  name: 'numbers',
  inputShape: [3],
  inputType: 'f32',
  task: { kind: 'regression', targetShape: [2], mean: [5, -1], std: [10, 0.5] },
  mean: [0, 0, 0],
  std: [1, 1, 1],
  train: { count: 16, inputs: testValues(48, 1, 1), targets: targets(16, 2) },
  test: { count: 21, inputs: testValues(63, 1, 3), targets: targets(21, 4) },
};

/** 21 samples are evaluated in batches of 8, 8 and 5. */
const start = (data: TrainingData, workers: number, inputs: number): Promise<Trainer> =>
  Trainer.start({
    model: sequential([flatten(), linear(inputs, 2)]),
    data,
    optimizer: sgd({ lr: 0.1 }),
    ...{ replicas: 1, globalBatch: 8, grains: 8, workers },
  });

it.each([1, 3])('classes are counted as they are predicted, %d workers', async (workers) => {
  const trainer = await start(images, workers, 16);
  try {
    const names = ['confusion', 'f1', 'auc', 'top1'] as const;
    const { metrics, ...found } = await trainer.evaluate('test', { metrics: names });
    const outputs = await trainer.predict(images.test.inputs as Uint8Array);
    const { test } = storeSamples(images, trainer.config).evaluated;
    const counter = countMetrics('this test', names, images.task, viewSplit(test));
    counter.add(outputs, images.test.count, (n) => weights[n] !== 0);
    expect(metrics).toEqual(counter.values());
    expect(metrics.f1.support[0]! + metrics.f1.support[1]!).toBe(17);
    expect(metrics.top1).toBe(found.accuracy);
    const plain = await trainer.evaluate();
    expect({ ...plain, seconds: 0 }).toEqual({ ...found, metrics: {}, seconds: 0 });
    await expect(trainer.evaluate('test', { metrics: ['r2'] })).rejects.toThrow(
      /metric 'r2' of evaluate\('test'\): expected .*, got "classes, which have no distance"/,
    );
    const wrong = { metrics: 'f1' as never };
    await expect(trainer.evaluate('test', wrong)).rejects.toThrow('a list of names of metrics');
  } finally {
    await trainer.close();
  }
});

it('regression errors are in the units of the data', async () => {
  const trainer = await start(numbers, 2, 3);
  try {
    const { metrics } = await trainer.evaluate('test', { metrics: ['mae', 'r2'] });
    const outputs = await trainer.predict(numbers.test.inputs as Float32Array);
    const [mean, std] = [
      [5, -1],
      [10, 0.5],
    ] as const;
    const exact = Float64Array.from(numbers.test.targets, (v, i) => v * std[i % 2]! + mean[i % 2]!);
    const mae = exact.reduce((sum, v, i) => sum + Math.abs(v - outputs[i]!), 0) / exact.length;
    expect(metrics.mae).toBeCloseTo(mae, 5);
    expect(metrics.r2).toBeLessThan(1);
  } finally {
    await trainer.close();
  }
});

it.each([
  ['auc', images],
  ['r2', numbers],
] as const)('%s of data in chunks is that of the same data in memory', async (name, data) => {
  const metrics = [name];
  const measured = async (given: TrainingData) => {
    const trainer = await start(given, 2, sizeOf(data.inputShape));
    try {
      return await trainer.evaluate('test', { metrics });
    } finally {
      await trainer.close();
    }
  };
  const chunks = { chunkSamples: 5, testToo: true };
  const { seconds: _, ...expected } = await measured(data);
  expect(await measured(inChunks(data, chunks))).toMatchObject(expected);
  const { test } = data;
  const alike = { ...data, test: { ...test, targets: test.targets.map(() => 1) } };
  await expect(measured(inChunks(alike, chunks))).rejects.toThrow(
    /'test'.*: expected .*, got "(no sample of class 0|value 0 of the targets is the same)/,
  );
});
