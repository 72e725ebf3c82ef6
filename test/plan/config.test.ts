// What checkRunConfig refuses of a config that no smaller part has checked, and what it lets pass.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { crossEntropy } from '../../src/nn/specs/losses.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { plateau } from '../../src/optim/plateau.ts';
import {
  checkRunConfig,
  dataPlanOf,
  MAX_GRAINS,
  MAX_REPLICAS,
  outputSizeOf,
  type RunConfig,
} from '../../src/plan/config.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';

const data = synthetic({ train: 40, test: 8, shape: [2, 2, 1], classes: 3 });
const modelOf = (outputs: number) => sequential([flatten(), linear(4, outputs)]);
const optimizer = sgd({ lr: 0.1 });
const config: RunConfig = resolveOptions({
  ...{ model: modelOf(3), data, optimizer, replicas: 4, workers: 2, globalBatch: 16 },
});
const regression: RunConfig['data'] = {
  ...config.data,
  task: { kind: 'regression', targetShape: [2, 2] },
};

const four = [0, 0, 0, 0];
const standardized: RunConfig['data'] = {
  ...regression,
  task: { kind: 'regression', targetShape: [2, 2], mean: four, std: four.map(() => 1) },
};

describe('checkRunConfig refuses', () => {
  it.each<[string, Partial<RunConfig>, RegExp]>([
    ['no replicas', { replicas: 0 }, /^replicas: expected .*, got 0/],
    [
      'too many replicas',
      { replicas: MAX_REPLICAS + 1 },
      /^replicas: expected .* 65536.*, got 65537/,
    ],
    ['no workers', { workers: 0 }, /^workers: expected .*, got 0/],
    ['half a worker', { workers: 1.5 }, /^workers: expected .*, got 1\.5/],
    ['an empty batch', { globalBatch: 0 }, /^global batch: expected .*, got 0/],
    ['no grains', { grains: 0 }, /^grains: expected .*, got 0/],
    ['too many grains', { grains: MAX_GRAINS + 1 }, /^grains: expected .* 65536.*, got 65537/],
    ['a seed that is not exact', { seed: 2 ** 53 }, /^seed: expected .*, got 9007199254740992/],
    ['a sampling below 0', { diagnosticsEvery: -1 }, /^diagnosticsEvery: expected .*, got -1/],
    ['a bound that is not a number', { clipNorm: Number.NaN }, /^clipNorm: expected .*, got NaN/],
    ['a bound below 0', { clipNorm: -1 }, /^clipNorm: expected .*, got -1/],
    [
      'more workers than grains, where more can be asked for',
      { workers: 9, grains: 8 },
      /^workers: expected .*8 grains of a .* of 16 samples.*, got 9.*8 workers, or more grains/,
    ],
    [
      'more workers than samples',
      { workers: 5, globalBatch: 4 },
      /^workers: expected .*4 grains of a .* of 4 samples.*, got 5.*4 workers, or a larger batch/,
    ],
    [
      'more workers than replicas that stay whole',
      { model: sequential([batchNorm(1, { virtualBatch: 2 }), modelOf(3)]), replicas: 1 },
      /^workers: expected .*1 replicas.*, got 2.*1 worker, or more replicas/,
    ],
    [
      'a model with too few outputs for the classes',
      { model: modelOf(2) },
      /^output of the model: expected .*3, one for each class.*, got "2 for inputs of 2x2x1"/,
    ],
    [
      'a model with too few outputs for the targets',
      { data: regression, loss: { kind: 'meanSquaredError' } },
      /^output of the model: expected .*2x2.*, got "3 for inputs of 2x2x1"/,
    ],
    [
      'an accuracy for regression',
      { data: regression, model: modelOf(4), schedule: plateau({ monitor: 'accuracy' }) },
      /^monitor: expected 'loss', got "'accuracy' for a regression/,
    ],
    [
      'a mean IoU for classes',
      { schedule: plateau({ monitor: 'meanIou' }) },
      /^monitor: expected 'loss' or 'accuracy', got "'meanIou' for a classification/,
    ],
    [
      'a loss of numbers for classes',
      { loss: { kind: 'l1' } },
      /^loss for classification: expected .*crossEntropy, customLoss.*, got "l1"/,
    ],
    [
      'shares of classes that are standardized',
      { data: standardized, model: modelOf(4) },
      /^targets of .*Entropy: expected .*, got "standardized ones".*standardizeTargets: false/,
    ],
    [
      'a number where shares of classes are needed',
      {
        data: { ...regression, task: { kind: 'regression', targetShape: [1] } },
        model: modelOf(1),
      },
      /^targets of .*Entropy: expected .*, got "one number for each sample".*binaryCrossEntropy/,
    ],
    [
      'weights of other classes',
      { loss: crossEntropy({ classWeights: [1, 2] }) },
      /^weights of the loss crossEntropy: expected .*3, one for each class.*, got "2 weights"/,
    ],
    [
      'a label to ignore that no sample can have',
      { loss: crossEntropy({ ignoreIndex: 3 }) },
      /^ignoreIndex of crossEntropy: expected .*-100.*a class from 0 to 2.*, got 3/,
    ],
    [
      'a label to ignore where samples are mixed',
      {
        loss: crossEntropy({ ignoreIndex: 0 }),
        augmentation: { maxShift: 0, flip: false, mixup: 1 },
      },
      /^ignoreIndex of crossEntropy does not work with mixup/,
    ],
    [
      'a custom loss where classes are mixed',
      {
        loss: { kind: 'customLoss', module: 'some-package', options: null },
        augmentation: { maxShift: 0, flip: false, cutmix: 1 },
      },
      /^mixup and cutmix with customLoss/,
    ],
  ])('%s', (_, change, message) => {
    const check = (): void => checkRunConfig({ ...config, ...change });
    expect(check).toThrow(UsageError);
    expect(check).toThrow(message);
  });
});

describe('checkRunConfig accepts', () => {
  it.each<[string, Partial<RunConfig>]>([
    ['what the options made', {}],
    ['a worker for each grain', { workers: 8, grains: 8 }],
    ['a worker for each sample', { workers: 4, globalBatch: 4 }],
    ['more replicas than samples', { replicas: MAX_REPLICAS }],
    ['no clipping, no samples, the last seed', { clipNorm: null, seed: Number.MAX_SAFE_INTEGER }],
    [
      'targets of any shape with as many elements as outputs',
      { data: regression, model: modelOf(4), loss: { kind: 'meanSquaredError' } },
    ],
  ])('%s', (_, change) => {
    expect(checkRunConfig({ ...config, ...change })).toBeUndefined();
  });
});

describe('the data of a plan', () => {
  it('describes a dataset, with counts in place of samples', () => {
    const { inputShape, inputType, task, mean, std } = data;
    const counts = { countTrain: 40, countTest: 8 };
    expect(dataPlanOf(data)).toEqual({ inputShape, inputType, task, mean, std, ...counts });
    expect(dataPlanOf({ ...data, shift: [0.5] }).shift).toEqual([0.5]);
  });

  it('has the number of outputs of a model', () => {
    expect([outputSizeOf(data.task), outputSizeOf(regression.task)]).toEqual([3, 4]);
  });
});
