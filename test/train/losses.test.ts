// Twenty steps with each loss against PyTorch's numbers (test/support/golden/losses.json), mixtures
// of samples against plain loops, and the bits of both for any split.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { bindMixDraw } from '../../src/data/loading/drawMix.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { tanh } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { customLoss } from '../../src/nn/specs/customLoss.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { binaryCrossEntropy, crossEntropy, huber, parseLoss } from '../../src/nn/specs/losses.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { type GoldenLossRun, loadGoldenLossRuns } from '../support/golden/load.ts';
import { withOpenRun } from '../support/runs/openRun.ts';
import { resultsOf } from '../support/splits.ts';

const golden = loadGoldenLossRuns();
const [SAMPLES, FEATURES] = golden.inputs.shape as [number, number];
const [HIDDEN, OUTPUTS] = golden.output.shape as [number, number];
const TOLERANCE = 1e-5;
const folder = mkdtempSync(join(tmpdir(), 'syncbn-losses-'));
afterAll(() => rmSync(folder, { recursive: true }));

function dataOf({ targets, hasWeights }: GoldenLossRun): Dataset {
  const given = golden[targets];
  const isClass = !('data' in given);
  const isMask = targets === 'masks' || targets === 'ignoredMasks';
  const [, height, width] = golden.pixels.shape as [number, number, number];
  const none = isClass ? new Int32Array(0) : new Float32Array(0);
  return {
    name: 'golden',
    inputShape: isMask ? [height, width, FEATURES] : [FEATURES],
    inputType: 'f32',
    task: isMask
      ? { kind: 'segmentation', classes: OUTPUTS, targetShape: [height, width] }
      : isClass
        ? { kind: 'classification', classes: OUTPUTS }
        : { kind: 'regression', targetShape: [OUTPUTS] },
    mean: new Array<number>(FEATURES).fill(0),
    std: new Array<number>(FEATURES).fill(1),
    train: {
      count: SAMPLES,
      inputs: (isMask ? golden.pixels : golden.inputs).data,
      targets: isClass ? Int32Array.from(given) : given.data,
      ...(hasWeights && { weights: golden.sampleWeights.data }),
    },
    test: { count: 0, inputs: new Float32Array(0), targets: none },
  };
}

function expectNear(found: ArrayLike<number>, exact: Float32Array, what: string): void {
  const scale = Math.max(...exact.map(Math.abs));
  expect(found.length).toBe(exact.length);
  for (const [i, value] of exact.entries()) {
    expect(Math.abs(found[i]! - value), `${what}[${i}]`).toBeLessThanOrEqual(TOLERANCE * scale);
  }
}

describe("PyTorch's twenty steps", () => {
  it.each(golden.runs.map((run) => [run.name, run] as const))('%s', async (_name, run) => {
    const data = dataOf(run);
    // By pixel, a 1x1 convolution is the linear layer.
    const layer = (inputs: number, outputs: number) =>
      data.task.kind === 'segmentation'
        ? conv2d(inputs, outputs, { kernel: 1, bias: false })
        : linear(inputs, outputs, { bias: false });
    const options: TrainerOptions = {
      model: sequential([layer(FEATURES, HIDDEN), tanh(), layer(HIDDEN, OUTPUTS)]),
      data,
      loss: parseLoss(run.spec),
      optimizer: sgd({ lr: golden.lr, momentum: golden.momentum }),
      globalBatch: golden.batch,
      shuffle: false,
      replicas: 4,
      workers: 1,
    };
    const { steps, batch } = golden;
    const perEpoch = Math.ceil(SAMPLES / batch);
    await withOpenRun(options, async ({ trainer, tensors }) => {
      const [hidden, output] = tensors
        .filter(({ name }) => name.endsWith('.weight') && name.startsWith('parameter'))
        .map(({ values }) => values) as [Float32Array, Float32Array];
      hidden.set(golden.hidden.data);
      output.set(golden.output.data);
      const epochs = Math.ceil(steps / perEpoch);
      for await (const progress of trainer.fit({ epochs, maxSteps: steps })) {
        const { step, epoch, loss, samples } = progress;
        const ofEpoch = run.losses.slice((epoch - 1) * perEpoch, step);
        const sizes = ofEpoch.map((_, i) => Math.min(batch, SAMPLES - i * batch));
        const mean = ofEpoch.reduce((sum, one, i) => sum + one * sizes[i]!, 0) / samples;
        expect(Math.abs(loss - mean)).toBeLessThanOrEqual(TOLERANCE * mean);
      }
      expectNear(hidden, run.hidden.data, 'hidden');
      expectNear(output, run.output.data, 'output');
    });
  });
});

const images = synthetic({ train: 37, test: 12, shape: [6, 5, 2], classes: 4, seed: 3 });
const weights = Float32Array.from({ length: 37 }, (_, i) => (i % 4) / 3);
const unlabeled = Int32Array.from(images.train.targets, (label, i) => (i % 6 === 0 ? -100 : label));
const weighted: Dataset = { ...images, train: { ...images.train, weights } };
/** Several labels, or none, for each image. */
const multiLabel: Dataset = {
  ...weighted,
  task: { kind: 'regression', targetShape: [4] },
  train: {
    ...weighted.train,
    targets: Float32Array.from({ length: 4 * 37 }, (_, i) => ((i * 5) % 7 > 3 ? 1 : 0)),
  },
  test: { ...images.test, targets: new Float32Array(4 * 12) },
};
const net = convertNorm(namedModel('refnet', { inputShape: images.inputShape, classes: 4 }), {
  to: 'sync',
});
const base = {
  model: net,
  optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
  globalBatch: 10,
  seed: 5,
} as const;
const LAYER = new URL('../support/layers/channelScale.mjs', import.meta.url);
const OWN = new URL('../support/layers/squaredLoss.mjs', import.meta.url);

const CASES: readonly (readonly [
  name: string,
  options: Omit<TrainerOptions, keyof typeof base>,
])[] = [
  [
    'weights of samples and classes, labels to ignore',
    {
      data: { ...weighted, train: { ...weighted.train, targets: unlabeled } },
      loss: crossEntropy({ classWeights: [1, 2, 0, 0.5], ignoreIndex: -100 }),
    },
  ],
  [
    'mixup and cutmix of classes',
    {
      data: weighted,
      loss: crossEntropy({ classWeights: [1, 2, 0, 0.5] }),
      augmentation: { mixup: 0.4, cutmix: 1, flip: true },
    },
  ],
  [
    'cutmix of several labels',
    { data: multiLabel, loss: binaryCrossEntropy(), augmentation: { cutmix: 0.5 } },
  ],
  ['a loss of the user', { data: multiLabel, loss: customLoss(OWN, { factor: 2 }) }],
];

describe.each(CASES)('%s', (name, given) => {
  const options = { ...base, ...given };
  it('has the same bits for any workers and replicas, and after a resume', async () => {
    const splits = [
      [1, 1],
      [4, 3],
    ] as const;
    const [alone, split] = await resultsOf(options, splits);
    expect(alone!.trainLoss).toBeGreaterThan(0);
    expect(split).toEqual(alone);
    const path = join(folder, `${name}.ckpt`);
    const begun = await Trainer.start({ ...options, replicas: 2, workers: 2 });
    for await (const _ of begun.fit({ epochs: 1, maxSteps: 2 }));
    await begun.save(path);
    await begun.close();
    const resumed = await Trainer.resume(path, { data: options.data, workers: 1 });
    for await (const _ of resumed.fit({ epochs: 1 }));
    expect(resumed.weightsHash()).toBe(alone!.hash);
    await resumed.close();
  });
});

/** Weights that do not move. */
const still = {
  model: sequential([flatten(), linear(60, 4)]),
  optimizer: sgd({ lr: 1e-30 }),
  globalBatch: 10,
  shuffle: false,
  replicas: 2,
  workers: 1,
  onNotice() {},
} as const;

async function epochOf(trainer: Trainer) {
  for await (const progress of trainer.fit({ epochs: 1 })) return progress;
  throw new Error('no epoch');
}

function logSoftmax(logits: Float32Array): number[] {
  const total = Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0));
  return Array.from(logits, (value) => value - total);
}

describe('the mixed batch', () => {
  it.each([{ mixup: 0.4 }, { cutmix: 1 }, { mixup: 1, cutmix: 1 }])(
    'has inputs, targets and weights of the drawn samples: %o',
    async (augmentation) => {
      const data = { ...weighted, mean: [0, 0], std: [1, 1] };
      const draw = bindMixDraw({ maxShift: 0, flip: false, ...augmentation }, 7, data.inputShape);
      const mix = {
        partner: 0,
        share: Float64Array.of(1),
        isCut: false,
        top: 0,
        bottom: 0,
        left: 0,
        right: 0,
      };
      const { targets, count } = data.train;
      const inputs = Float32Array.from(data.train.inputs);
      const mixed = inputs.slice();
      const mixes = Array.from({ length: count }, (_, sample) => {
        const first = sample - (sample % 10);
        draw(mix, first / 10, sample - first, Math.min(10, count - first));
        const other = first + mix.partner;
        for (let i = 0; i < 60; i++) {
          const [row, column] = [Math.floor(i / 10), Math.floor((i % 10) / 2)];
          const isInBox =
            row >= mix.top && row < mix.bottom && column >= mix.left && column < mix.right;
          const share = mix.isCut ? (isInBox ? 0 : 1) : mix.share[0]!;
          const from = inputs[other * 60 + i]!;
          mixed[sample * 60 + i] = share * inputs[sample * 60 + i]! + (1 - share) * from;
        }
        return { share: mix.share[0]!, other, first };
      });
      const trainer = await Trainer.start({ ...still, data, augmentation, seed: 7 });
      const outputs = await trainer.predict(mixed);
      const { loss, accuracy } = await epochOf(trainer);
      await trainer.close();
      const batches = new Map<number, { loss: number; weight: number; size: number }>();
      let [right, counted] = [0, 0];
      for (const [sample, { share, other, first }] of mixes.entries()) {
        const logs = logSoftmax(outputs.subarray(sample * 4, sample * 4 + 4));
        const shares = [0, 0, 0, 0];
        shares[targets[sample]!]! += share;
        shares[targets[other]!]! += 1 - share;
        const weight = share * weights[sample]! + (1 - share) * weights[other]!;
        const own = -logs.reduce((sum, log, c) => sum + shares[c]! * log, 0);
        const batch = batches.get(first) ?? { loss: 0, weight: 0, size: 0 };
        batches.set(first, {
          loss: batch.loss + weight * own,
          weight: batch.weight + weight,
          size: batch.size + 1,
        });
        if (weight > 0) counted++;
        const isRight = logs.indexOf(Math.max(...logs)) === shares.indexOf(Math.max(...shares));
        if (weight > 0 && isRight) right++;
      }
      const means = [...batches.values()].map((one) => (one.loss / one.weight) * one.size);
      expect(loss).toBeCloseTo(means.reduce((sum, one) => sum + one, 0) / count, 6);
      expect(accuracy).toBe(right / counted);
    },
  );
});

describe('a sample with weight 0', () => {
  it('does not count in loss and accuracy, in training and evaluation', async () => {
    const kept = [...unlabeled.keys()].filter((i) => unlabeled[i] !== -100);
    const pick = (source: Float32Array | Uint8Array, size: number) =>
      Float32Array.from(kept.flatMap((i) => [...source.subarray(i * size, (i + 1) * size)]));
    const inputs = Float32Array.from(images.train.inputs);
    const units = { inputType: 'f32', mean: [0, 0], std: [1, 1] } as const;
    const fewer = {
      count: kept.length,
      inputs: pick(inputs, 60),
      targets: Int32Array.from(kept, (i) => unlabeled[i]!),
    };
    const whole = { count: 37, inputs, targets: unlabeled };
    const found = [];
    for (const [train, ignoreIndex] of [
      [whole, -100],
      [fewer, undefined],
    ] as const) {
      const trainer = await Trainer.start({
        ...still,
        globalBatch: 37,
        data: { ...images, ...units, train, test: train },
        loss: crossEntropy(ignoreIndex === undefined ? {} : { ignoreIndex }),
      });
      const { loss, accuracy } = await epochOf(trainer);
      const tested = await trainer.evaluate();
      expect(tested.accuracy).toBe(accuracy);
      expect(tested.loss).toBeCloseTo(loss, 12);
      found.push({ loss, accuracy });
      await trainer.close();
    }
    expect(found[0]!.accuracy).toBe(found[1]!.accuracy);
    expect(found[0]!.loss).toBeCloseTo(found[1]!.loss, 12);
  });

  it('is held out for validation like any other', async () => {
    const trainer = await Trainer.start({
      ...still,
      data: { ...weighted, train: { ...weighted.train, targets: unlabeled } },
      loss: crossEntropy({ ignoreIndex: -100 }),
      validationSplit: 0.4,
    });
    const { loss, accuracy, count } = await trainer.evaluate('validation');
    expect(count).toBe(15);
    expect(loss).toBeGreaterThan(0);
    expect(accuracy).toBeGreaterThanOrEqual(0);
    await trainer.close();
  });

  it('may be the only kind in a batch: the loss is then 0, and nothing changes', async () => {
    const onlyLast = Float32Array.from({ length: 37 }, (_, i) => (i === 36 ? 1 : 0));
    const data = { ...images, train: { ...images.train, weights: onlyLast } };
    const trainer = await Trainer.start({ ...still, data, optimizer: sgd({ lr: 0.1 }) });
    const before = trainer.weightsHash();
    for await (const { loss } of trainer.fit({ epochs: 1, maxSteps: 3 })) expect(loss).toBe(0);
    expect(trainer.weightsHash()).toBe(before);
    for await (const { loss } of trainer.fit({ epochs: 1 })) expect(loss).toBeGreaterThan(0);
    expect(trainer.weightsHash()).not.toBe(before);
    await trainer.close();
  });
});

describe('targets that do not fit the loss', () => {
  it.each<[string, Partial<TrainerOptions>, RegExp]>([
    [
      'no class without a loss that ignores it',
      { data: { ...images, train: { ...images.train, targets: unlabeled } } },
      /^label of sample 0 .*: expected .*, got "-100, no class".*ignoreIndex: -100/,
    ],
    [
      'shares with another sum',
      { data: multiLabel, loss: crossEntropy() },
      /^target of sample \d+ .*: expected .*, got "shares with a sum of.*binaryCrossEntropy/,
    ],
    [
      'numbers beyond 1',
      {
        data: {
          ...multiLabel,
          train: { ...multiLabel.train, targets: multiLabel.train.targets.with(9, 2) },
        },
        loss: binaryCrossEntropy(),
      },
      /^target of sample 2 of train of synthetic: expected .*from 0 to 1.*, got 2/,
    ],
    [
      'weights below 0',
      { data: { ...images, train: { ...images.train, weights: weights.with(3, -1) } } },
      /^weights .*: expected .*, got "-1 at sample 3"/,
    ],
    [
      'weights that are all 0',
      { data: { ...images, train: { ...images.train, weights: new Float32Array(37) } } },
      /^weights .*: expected .*, got "only zeros"/,
    ],
    [
      'a custom loss without run',
      { loss: customLoss(LAYER, { start: 1 }) },
      /^the loss that file:.* makes lacks run/,
    ],
    ['a loss of numbers', { loss: huber() }, /^loss for classification: expected .*, got "huber"/],
  ])('are refused before anything runs: %s', async (_name, change, message) => {
    const started = Trainer.start({ ...still, data: images, ...change } as TrainerOptions);
    await expect(started).rejects.toThrow(message);
  });
});
