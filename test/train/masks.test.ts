// A class for each pixel: the mean over the pixels of the global batch, and the scores of an
// evaluation, against plain loops; the bits of both for any split. PyTorch's numbers are in
// losses.test.ts.

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { planAugmentation } from '../../src/data/loading/augment.ts';
import { createMaskMover } from '../../src/data/loading/masks.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { crossEntropy, meanSquaredError } from '../../src/nn/specs/losses.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { folderOf } from '../support/dataFiles.ts';
import { resultsOf } from '../support/splits.ts';

const [HEIGHT, WIDTH, CLASSES, TRAIN, TEST] = [6, 5, 4, 19, 7];
const PIXELS = HEIGHT * WIDTH;
const images = synthetic({ train: TRAIN, test: TEST, shape: [HEIGHT, WIDTH, 2], seed: 3 });
/** Class 2 occurs in training alone. */
const maskOf = (count: number, step: number): Int32Array =>
  Int32Array.from({ length: count * PIXELS }, (_, i) => (((i * step) % 13) % CLASSES) & step);
const data: Dataset = {
  ...images,
  task: { kind: 'segmentation', classes: CLASSES, targetShape: [HEIGHT, WIDTH] },
  train: {
    ...images.train,
    targets: maskOf(TRAIN, 7).map((label, i) => (i % 9 === 4 || i < PIXELS ? -100 : label)),
    weights: Float32Array.from({ length: TRAIN }, (_, i) => (i % 4) / 2),
  },
  test: {
    ...images.test,
    targets: maskOf(TEST, 5).map((label, i) => (i % 6 === 1 ? -100 : label)),
  },
};
const CLASS_WEIGHTS = [0.5, 2, 0, 1];
const loss = crossEntropy({
  classWeights: CLASS_WEIGHTS,
  ignoreIndex: -100,
  labelSmoothing: 0.1,
});
const moves = { shift: 2, flip: true } as const;
const base: TrainerOptions = {
  data,
  loss,
  model: sequential([
    conv2d(2, 8, { kernel: 3, padding: 1, bias: false }),
    batchNorm(8, { sync: 'all' }),
    relu(),
    conv2d(8, CLASSES, { kernel: 1 }),
  ]),
  optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
  globalBatch: 8,
  seed: 5,
  onNotice() {},
};
/** Weights that do not move, and outputs that do not depend on the batch. */
const still: TrainerOptions = {
  ...base,
  model: sequential([conv2d(2, CLASSES, { kernel: 1 })]),
  optimizer: sgd({ lr: 1e-30 }),
  shuffle: false,
  replicas: 2,
  workers: 1,
};

describe('a class for each pixel', () => {
  it.each([{ augmentation: moves }, {}])(
    'has the same bits for any workers and replicas: %o',
    async (given) => {
      const [alone, split] = await resultsOf({ ...base, ...given }, [
        [1, 1],
        [4, 3],
      ]);
      expect(alone!.trainLoss).toBeGreaterThan(0);
      expect(split).toEqual(alone);
    },
  );

  it.each([
    { classWeights: CLASS_WEIGHTS, ignoreIndex: -100, labelSmoothing: 0.1, isWeighted: true },
    { ignoreIndex: 3, isWeighted: false },
    { isWeighted: false },
  ])('has the mean over the augmented pixels of each global batch: %o', async (given) => {
    const { isWeighted, ...options } = given;
    const {
      classWeights,
      ignoreIndex,
      labelSmoothing = 0,
    } = { classWeights: undefined, ...options };
    const targets = data.train.targets.map((label) =>
      label === -100 && ignoreIndex !== -100 ? 1 : label,
    ) as Int32Array;
    const { weights: own, ...bare } = data.train;
    const train = { ...bare, targets, ...(isWeighted && { weights: own! }) };
    const test = { ...data.test, count: 0, inputs: new Float32Array(), targets: new Int32Array() };
    const trainer = await Trainer.start({
      ...still,
      data: { ...data, train, test, mean: [0, 0], std: [1, 1] },
      loss: crossEntropy(options),
      augmentation: moves,
    });
    const augmentation = planAugmentation(moves, data.inputShape)!;
    const mask = { maskShape: [HEIGHT, WIDTH], augmentation, seed: 5 } as const;
    const mover = createMaskMover({ ...mask, outside: ignoreIndex ?? 0 });
    const places = Int32Array.from({ length: TRAIN * PIXELS }, (_, i) => i);
    const finder = createMaskMover({ ...mask, outside: -1 });
    const batches = [0, 8, 16].map((first) => ({ first, size: Math.min(8, TRAIN - first) }));
    const moved = new Float32Array(train.inputs.length);
    const labels = new Int32Array(targets.length);
    for (const [step, { first, size }] of batches.entries()) {
      for (let position = 0; position < size; position++) {
        const sample = first + position;
        mover.move(targets, sample, labels, sample * PIXELS, step, position);
        const from = new Int32Array(PIXELS);
        finder.move(places, sample, from, 0, step, position);
        for (const [pixel, at] of from.entries()) {
          if (at < 0) continue;
          moved.set(train.inputs.subarray(at * 2, at * 2 + 2), (sample * PIXELS + pixel) * 2);
        }
      }
    }
    const outputs = await trainer.predict(moved);
    let progress: { loss: number; accuracy: number } | undefined;
    for await (const one of trainer.fit({ epochs: 1 })) progress = one;
    await trainer.close();
    let [total, right, counted] = [0, 0, 0];
    for (const { first, size } of batches) {
      let [sum, mass] = [0, 0];
      for (let at = first * PIXELS; at < (first + size) * PIXELS; at++) {
        const label = labels[at]!;
        const weight = isWeighted ? own![Math.floor(at / PIXELS)]! : 1;
        if (label === ignoreIndex || weight === 0) continue;
        const row = outputs.subarray(at * CLASSES, (at + 1) * CLASSES);
        const logSum = Math.log(row.reduce((sumOf, x) => sumOf + Math.exp(x), 0));
        for (const [c, x] of row.entries()) {
          const share = (c === label ? 1 - labelSmoothing : 0) + labelSmoothing / CLASSES;
          sum += weight * share * (classWeights?.[c] ?? 1) * (logSum - x);
        }
        mass += weight * (classWeights?.[label] ?? 1);
        counted++;
        if (row.indexOf(Math.max(...row)) === label) right++;
      }
      total += (sum / mass) * size;
    }
    expect(progress!.loss).toBeCloseTo(total / TRAIN, 6);
    expect(progress!.accuracy).toBe(right / counted);
  });

  it('is scored over the pixels of a whole split, without classes that never occur', async () => {
    const found = [];
    for (const weights of [undefined, Float32Array.of(1, 1, 0, 2, 1, 1, 1)]) {
      const test = { ...data.test, ...(weights && { weights }) };
      const trainer = await Trainer.start({ ...still, data: { ...data, test } });
      const outputs = await trainer.predict(test.inputs as Float32Array);
      // No output of class 3 is ever the largest.
      const scores = await trainer.evaluate('test', { metrics: ['iou', 'top1'] });
      await trainer.close();
      const matrix = Array.from({ length: CLASSES }, () => new Array<number>(CLASSES).fill(0));
      for (const [at, label] of test.targets.entries()) {
        if (label === -100 || weights?.[Math.floor(at / PIXELS)] === 0) continue;
        const row = outputs.subarray(at * CLASSES, (at + 1) * CLASSES);
        matrix[label]![row.indexOf(Math.max(...row))]!++;
      }
      const all = matrix.flat().reduce((a, b) => a + b, 0);
      const hits = matrix.map((row, c) => row[c]!);
      const ofClass = hits.map((hit, c) => {
        const labeled = matrix[c]!.reduce((a, b) => a + b, 0);
        return hit / (labeled + matrix.reduce((a, row) => a + row[c]!, 0) - hit);
      });
      const occurring = ofClass.filter((share) => !Number.isNaN(share));
      const accuracy = hits.reduce((a, b) => a + b, 0) / all;
      expect(scores.accuracy).toBe(accuracy);
      expect(scores.metrics).toMatchObject({ top1: accuracy, iou: { byClass: ofClass } });
      expect(scores.meanIou).toBeCloseTo(
        occurring.reduce((a, b) => a + b, 0) / occurring.length,
        14,
      );
      expect(scores.metrics.iou.mean).toBe(scores.meanIou);
      expect(Object.keys(scores.metrics).sort()).toEqual(['iou', 'top1']);
      found.push(scores);
    }
    expect(found[0]!.accuracy).not.toBe(found[1]!.accuracy);
  });

  it('may select the best epoch by meanIou, even in a resumed run', async () => {
    const options = { ...base, optimizer: sgd({ lr: 0.3 }), replicas: 2, workers: 1 };
    const fit = { validate: 'test', keepBest: 'meanIou' } as const;
    const ious: number[] = [];
    const bests = [];
    const path = join(await folderOf({}), 'masks.ckpt');
    let trainer = await Trainer.start({ ...options, epochs: 6 });
    for (const epochs of [3, 6]) {
      for await (const { best, validation } of trainer.fit({ ...fit, epochs })) {
        ious.push(validation!.meanIou);
        bests.push(best);
      }
      await trainer.save(path);
      await trainer.close();
      if (epochs === 3) trainer = await Trainer.resume(path, { data, onNotice() {} });
    }
    const before = ious.map((_, i) => ious.slice(0, i + 1));
    expect(bests.map((best) => best?.value)).toEqual(before.map((all) => Math.max(...all)));
    expect(bests.at(-1)).toMatchObject({ monitor: 'meanIou', split: 'test' });
    expect(new Set(ious).size).toBeGreaterThan(1);
  });

  it.each<[string, Partial<TrainerOptions>, RegExp]>([
    [
      'another shape of outputs',
      { model: sequential([conv2d(2, 3, { kernel: 1 })]) },
      /^output of the model: expected 6x5x4.*, got "6x5x3.*4 outChannels/,
    ],
    ['a loss of numbers', { loss: meanSquaredError() }, /^loss for segmentation.* crossEntropy/],
    [
      'weights of other classes',
      { loss: crossEntropy({ classWeights: [1, 2], ignoreIndex: -100 }) },
      /^weights of the loss crossEntropy: expected .*4, one for each class.*, got "2 weights"/,
    ],
    [
      'pixels of no class without a loss that ignores them',
      { loss: crossEntropy() },
      /^label of pixel 0 of sample 0 of train of synthetic: expected .*, got "-100/,
    ],
    [
      'mixup',
      { augmentation: { mixup: 1 } },
      /^mixup and cutmix: expected .*, got "targets that are masks"/,
    ],
    [
      'a label beyond the classes',
      {
        data: { ...data, test: { ...data.test, targets: data.test.targets.with(37, 4) } },
      } as Partial<TrainerOptions>,
      /^label of pixel 7 of sample 1 in test of synthetic: expected .*, got 4/,
    ],
    [
      'masks of another size that are to move',
      {
        data: {
          ...images,
          task: { kind: 'segmentation', classes: CLASSES, targetShape: [3, 3] },
          train: { ...images.train, targets: new Int32Array(9 * TRAIN) },
          test: { ...images.test, targets: new Int32Array(9 * TEST) },
        },
        model: sequential([conv2d(2, CLASSES, { kernel: 1, stride: 2 })]),
        augmentation: moves,
      },
      /^augmentation of images with masks: expected .*, got "images 6x5x2, masks 3x3"/,
    ],
  ])('refuses %s before anything runs', async (_name, change, message) => {
    await expect(Trainer.start({ ...still, ...change })).rejects.toThrow(message);
  });
});
