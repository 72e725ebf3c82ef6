import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { openCheckpoint } from '../../src/checkpoint/checkpointFile.ts';
import { Flags, type RawFlags } from '../../src/cli/settings/flags.ts';
import { dataFrom, netFrom, trainerOptionsFrom } from '../../src/cli/settings/settings.ts';
import { type DatasetDescription, describeDataset } from '../../src/data/identity.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { firstTrain } from '../../src/data/subset.ts';
import { normsOf } from '../../src/nn/convert/normLeaf.ts';
import { folderOf, maskFiles, npyBytes } from '../support/dataFiles.ts';
import { type ResolvedConfig, resolve } from '../support/resolve.ts';

const data = synthetic({ train: 256, test: 4, shape: [8, 8, 1] });

describe('without flags', () => {
  it('a run has the defaults that the help names', async () => {
    const config = await resolve({}, data);
    expect(config).toMatchObject({
      replicas: 8,
      globalBatch: 128,
      seed: 1,
      mode: 'fast',
      dropLast: false,
      clipNorm: null,
      augmentation: null,
      optimizer: { kind: 'sgd', lr: 0.1, momentum: 0.9, weightDecay: 0, nesterov: false },
      schedule: { kind: 'constant', warmupSteps: 0 },
      loss: { kind: 'crossEntropy', labelSmoothing: 0 },
    });
    expect(normsOf(config.model)).toEqual(['batchNorm (sync)']);
  });
});

describe('flags', () => {
  it('set the number of classes and test samples of masks in PNG files', async () => {
    const dir = await folderOf(maskFiles(8));
    const flags = new Flags({ data: dir, classes: '9', testSplit: '0.25', limit: '5' });
    const { task, train, test } = await dataFrom(flags);
    expect([task, train.count, test.count]).toMatchObject([{ classes: 9 }, 5, 2]);
  });

  it('set the axis of the channels of arrays', async () => {
    const x = npyBytes('|u1', [1, 3, 4, 5], new Uint8Array(60));
    const y = npyBytes('|u1', [1], Uint8Array.of(1));
    const dir = await folderOf({ 'x_train.npy': x, 'y_train.npy': y });
    const flags = new Flags({ data: dir, layout: 'channelsFirst' });
    expect((await dataFrom(flags)).inputShape).toEqual([4, 5, 3]);
  });

  it('select the target column of a table, its kind, and ignored columns', async () => {
    const dir = await folderOf({ 'a.csv': Buffer.from('id,x,age\nu1,3,40\nu2,5,60\n') });
    const flags = { data: dir, target: 'age', ignoreColumns: 'id', regression: true };
    expect(await dataFrom(new Flags(flags))).toMatchObject({
      inputShape: [1],
      task: { kind: 'regression', mean: [50] },
    });
    await expect(dataFrom(new Flags({ data: 'synthetic', target: 'age' }))).rejects.toThrow(
      /^target of data: expected data of other formats: CSV.*, got "synthetic"/,
    );
  });

  it.each<[RawFlags, object]>([
    [
      { replicas: '6', replicaBatch: '5' },
      { replicas: 6, globalBatch: 30 },
    ],
    [
      { replicas: '3', batch: '100' },
      { replicas: 3, globalBatch: 100 },
    ],
    [{ workers: '8' }, { workers: 8, replicas: 8 }],
    [{ workers: '2' }, { workers: 2, replicas: 8 }],
    [{ seed: '9007199254740991' }, { seed: Number.MAX_SAFE_INTEGER }],
    [{ seed: '0' }, { seed: 0 }],
    [{ strict: true }, { mode: 'strict' }],
    [{ dropLast: true }, { dropLast: true }],
    [{ clipNorm: '.5' }, { clipNorm: 0.5 }],
    [{ shift: '2' }, { augmentation: { maxShift: 2, flip: false } }],
    [{ flip: true }, { augmentation: { maxShift: 0, flip: true } }],
    [{ labelSmoothing: '0.1' }, { loss: { labelSmoothing: 0.1 } }],
    [
      { loss: 'cross-entropy', classWeights: '1,1,1,1,1,0.5,1,1,1,2', ignoreIndex: '-100' },
      { loss: { classWeights: [1, 1, 1, 1, 1, 0.5, 1, 1, 1, 2], ignoreIndex: -100 } },
    ],
    [
      { mixup: '0.2', cutmix: '1' },
      { augmentation: { maxShift: 0, flip: false, mixup: 0.2, cutmix: 1 } },
    ],
    [{ lr: '1e-2', nesterov: true }, { optimizer: { lr: 0.01, nesterov: true } }],
    [{ momentum: '0', weightDecay: '5e-4' }, { optimizer: { momentum: 0, weightDecay: 5e-4 } }],
    [{ noNormDecay: true }, { optimizer: { decayNormAndBias: false } }],
    [{ optimizer: 'adam' }, { optimizer: { kind: 'adam', lr: 0.001, weightDecay: 0 } }],
    [{ optimizer: 'adamw' }, { optimizer: { kind: 'adamw', lr: 0.001, weightDecay: 0.01 } }],
    [{ schedule: 'cosine', warmupSteps: '5' }, { schedule: { kind: 'cosine', warmupSteps: 5 } }],
    [
      { schedule: 'step', stepSize: '7', gamma: '0.5' },
      { schedule: { kind: 'step', stepSize: 7, gamma: 0.5 } },
    ],
    [{ clipValue: '0.5' }, { clipValue: 0.5 }],
    [
      { optimizer: 'lamb', betas: '0.9,0.95', adaptAll: true },
      { optimizer: { kind: 'lamb', betas: [0.9, 0.95], adaptNormAndBias: true } },
    ],
    [
      { optimizer: 'lars', lr: '2', decayAll: true },
      { optimizer: { kind: 'lars', lr: 2, momentum: 0.9, decayNormAndBias: true } },
    ],
    [
      { lr: '0.1', lrScaling: 'linear', batch: '512' },
      { optimizer: { lr: 0.2 }, lrScaling: { rule: 'linear', baseBatch: 256 } },
    ],
    [{ lr: '0.1', lrScaling: 'sqrt', lrBaseBatch: '32' }, { optimizer: { lr: 0.2 } }],
    [
      { schedule: 'one-cycle', pctStart: '0.2', annealStrategy: 'linear' },
      { schedule: { kind: 'oneCycle', pctStart: 0.2, annealStrategy: 'linear' } },
    ],
    [
      { schedule: 'warm-restarts', period: '5', scheduleUnit: 'epochs', periodFactor: '2' },
      { schedule: { kind: 'warmRestarts', period: 5, multiplier: 2, unit: 'epochs' } },
    ],
    [
      { schedule: 'points', points: '0:0.1,5:1', scheduleUnit: 'epochs' },
      {
        schedule: {
          kind: 'points',
          points: [
            [0, 0.1],
            [5, 1],
          ],
          unit: 'epochs',
        },
      },
    ],
    [
      { schedule: 'exponential', gamma: '0.9', warmupEpochs: '0.5' },
      { schedule: { kind: 'exponential', gamma: 0.9, warmupEpochs: 0.5 } },
    ],
    [{ timeoutMs: '250' }, { timeoutMs: 250 }],
    [{ diagnostics: '0' }, { diagnosticsEvery: 0 }],
    [{}, { diagnosticsEvery: 50 }],
  ])('%j set %j', async (raw, expected: Partial<ResolvedConfig>) => {
    expect(await resolve(raw, data)).toMatchObject(expected);
  });

  it.each<[RawFlags, readonly string[]]>([
    [{ norm: 'sync', groupSize: '2' }, ['batchNorm (sync over 2 replicas)']],
    [{ norm: 'local' }, ['batchNorm (local)']],
    [
      { norm: 'group', numGroups: '1', model: 'refnet' },
      ['groupNorm (1 group of 16 channels)', 'groupNorm (1 group of 32 channels)'],
    ],
    [{ norm: 'layer' }, ['layerNorm']],
    [{ norm: 'instance', model: 'refnet' }, ['instanceNorm']],
    [{ norm: 'none' }, []],
    [{ norm: 'auto' }, ['batchNorm (sync)']],
    [{ norm: 'auto', groupSize: '2' }, ['batchNorm (sync over 2 replicas)']],
    [{ norm: 'auto', replicas: '1' }, ['batchNorm (local)', 'groupNorm (4 groups of 16 channels)']],
    [
      { norm: 'auto', replicas: '2', replicaBatch: '1' },
      ['batchNorm (sync)', 'groupNorm (4 groups of 16 channels)'],
    ],
    [
      { norm: 'group' },
      [
        'groupNorm (4 groups of 4 channels)',
        'groupNorm (4 groups of 8 channels)',
        'groupNorm (4 groups of 16 channels)',
      ],
    ],
  ])('%j make the norms %j', async (raw, expected) => {
    expect(normsOf((await netFrom(new Flags(raw), data)).model)).toEqual(expected);
  });

  it.each<[RawFlags, RegExp]>([
    [{ replicas: '0' }, /^--replicas: expected .*, got 0/],
    [{ loss: 'l2' }, /^--loss: expected .*huber.*, got "l2"/],
    [{ loss: 'l1' }, /^loss for classification: expected .*, got "l1"/],
    [
      { loss: 'huber', ignoreIndex: '0' },
      /^--ignore-index requires --loss cross-entropy, not huber/,
    ],
    [{ loss: 'missing.json' }, /^--loss missing\.json does not exist \(ENOENT\)/],
    [{ classWeights: '1,x' }, /^crossEntropy classWeights: expected .*, got \[1, NaN\]/],
    [{ mixup: '-1' }, /^--mixup: expected .*, got "-1"/],
    [{ replicas: '1.5' }, /^--replicas: expected .*, got "1\.5"/],
    [
      { batch: '4', workers: '5' },
      /^workers: expected .*4 grains of a global batch of 4 samples.*, got 5/,
    ],
    [{ workers: '0' }, /^--workers: expected .*, got 0/],
    [{ workers: '64' }, /^workers: expected .*32 grains.*, got 64.*or more grains/],
    [{ batch: '0' }, /^--batch: expected .*, got 0/],
    [{ replicaBatch: '-2' }, /^--replica-batch: expected .*, got -2/],
    [{ batch: '8', replicaBatch: '8' }, /^batch size: .*not both/],
    [{ seed: '-1' }, /^--seed: expected .*, got -1/],
    [{ seed: '9007199254740993' }, /^--seed: expected .*, got /],
    [{ lr: '0' }, /lr: expected .*, got 0/],
    [{ lr: 'NaN' }, /^--lr: expected .*, got "NaN"/],
    [{ lr: '1e999' }, /^--lr: expected .*, got "1e999"/],
    [{ momentum: '1' }, /momentum: expected .*, got 1/],
    [{ momentum: '0', nesterov: true }, /nesterov/],
    [
      { optimizer: 'adagrad' },
      /^--optimizer: expected adam, adamw, lamb, lars, lion, rms.*, got "adagrad"/,
    ],
    [
      { optimizer: 'adam', momentum: '0.9' },
      /^--momentum requires --optimizer lars or rmsprop or sgd/,
    ],
    [{ optimizer: 'adam', nesterov: true }, /^--nesterov requires --optimizer sgd/],
    [{ schedule: 'linear' }, /^--schedule: expected .*, got "linear"/],
    [{ schedule: 'step' }, /^--schedule step requires --step-size/],
    [{ stepSize: '5' }, /^--step-size requires --schedule step/],
    [{ gamma: '0.5', schedule: 'cosine' }, /^--gamma requires --schedule exponential or step/],
    [{ schedule: 'exponential' }, /^--schedule exponential requires --gamma/],
    [{ schedule: 'points', points: '0:1,5' }, /^--points: expected positions.*, got "5"/],
    [{ schedule: 'cosine', scheduleUnit: 'epochs' }, /^--schedule-unit requires /],
    [{ optimizer: 'lars' }, /^--optimizer lars requires --lr/],
    [{ betas: '0.9' }, /^--betas requires --optimizer adam or adamw or lamb or lion/],
    [{ optimizer: 'lion', betas: '0.9,x' }, /^--betas: expected .*, got "x"/],
    [{ lrBaseBatch: '64' }, /^--lr-base-batch requires --lr-scaling/],
    [{ lrScaling: 'cubic' }, /^--lr-scaling: expected .*, got "cubic"/],
    [{ noNormDecay: true, decayAll: true }, /^--decay-all cannot be combined with --no-norm-decay/],
    [{ clipValue: '0' }, /clipValue: expected .*, got 0/],
    [{ clipNorm: '0' }, /clipNorm: expected .*, got 0/],
    [{ labelSmoothing: '2' }, /labelSmoothing: expected .*, got 2/],
    [{ shift: '-1' }, /^--shift: expected .*, got -1/],
    [{ timeoutMs: '0' }, /^--timeout-ms: expected .*, got 0/],
    [{ norm: 'local', groupSize: '2' }, /^--group-size requires --norm sync or auto/],
    [{ numGroups: '2' }, /^--num-groups requires --norm group or auto/],
    [{ norm: 'frozen' }, /^--norm frozen requires --resume or --weights/],
    [
      { norm: 'group', numGroups: '5' },
      /^numGroups of 1\.batchNorm with 16 channels: expected .*, got 5/,
    ],
    [{ model: 'vgg' }, /^name of a model: expected .*, got "vgg"/],
    [
      { model: 'net.json', zeroInitResidual: true },
      /^--zero-init-residual requires --model resnet20 or resnet18 or resnet34 or resnet50/,
    ],
    [{ model: 'net.json', stem: 'cifar' }, /^--stem requires --model .* or densenet121 or/],
    [{ model: '/nowhere/net.json' }, /^--model \/nowhere\/net\.json does not exist \(ENOENT\)/],
  ])('%j are refused with a message that says what was expected', async (raw, message) => {
    const refusal = await resolve(raw, data).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect((refusal as UsageError).message).toMatch(message);
  });

  it('limit a resumed run to the samples that its checkpoint had', async () => {
    const flags = new Flags({ data: 'synthetic', limit: '64' });
    const drawn = await dataFrom(flags);
    const whole = await dataFrom(new Flags({ data: 'synthetic' }));
    expect(drawn.train.inputs).not.toEqual(firstTrain(whole, 64).train.inputs);
    expect(await dataFrom(flags, describeDataset(drawn))).toEqual(drawn);
    const path = fileURLToPath(new URL('../support/checkpoints/version1.bin', import.meta.url));
    const { head } = await openCheckpoint(path);
    expect(await dataFrom(flags, head.data)).toEqual(firstTrain(whole, 64));
    // Saved again, it is known by its content.
    const again = await dataFrom(flags, describeDataset(firstTrain(whole, 64)));
    expect(again).toEqual(firstTrain(whole, 64));
  });

  it('keep the float targets of a checkpoint that kept them', async () => {
    const dir = await folderOf({
      'x_train.npy': npyBytes('<f4', [2, 1], Float32Array.of(1, 2)),
      'y_train.npy': npyBytes('<f4', [2], Float32Array.of(10, 20)),
      'x_test.npy': npyBytes('<f4', [1, 1], Float32Array.of(1)),
      'y_test.npy': npyBytes('<f4', [1], Float32Array.of(10)),
    });
    const flags = new Flags({ data: dir });
    const standard = await dataFrom(flags);
    expect(standard.train.targets).toEqual(Float32Array.of(-1, 1));
    expect(await dataFrom(flags, describeDataset(standard))).toEqual(standard);
    const kept = { ...describeDataset(standard), task: { kind: 'regression', targetShape: [1] } };
    const { train } = await dataFrom(flags, kept as DatasetDescription);
    expect(train.targets).toEqual(Float32Array.of(10, 20));
  });

  it('limit the training samples and leave the test samples alone', async () => {
    const limited = await dataFrom(new Flags({ data: 'synthetic', limit: '100' }));
    expect([limited.train.count, limited.test.count]).toEqual([100, 500]);
  });
});

describe('a named model', () => {
  it('is refused for data without classes, with a suggestion', async () => {
    const { task: _task, ...rest } = data;
    const regression = { ...rest, task: { kind: 'regression', targetShape: [1] } } as typeof data;
    const model = netFrom(new Flags({ model: 'refnet' }), regression);
    await expect(model).rejects.toThrow(/refnet.*got "regression".*--model FILE\.json/);
  });

  it('has as many outputs as the data has classes', async () => {
    const { model } = await netFrom(new Flags({ model: 'refnet' }), data);
    expect(() => trainerOptionsFrom(new Flags({}), data, model)).not.toThrow();
    expect(model).toMatchObject({ kind: 'sequential' });
    expect((model as { layers: readonly object[] }).layers.at(-1)).toMatchObject({
      outFeatures: 10,
    });
  });
});
