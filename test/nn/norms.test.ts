import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import {
  batchNormKind,
  groupNormKind,
  instanceNormKind,
  layerNormKind,
} from '../../src/nn/norms/normKinds.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../src/nn/specs/norms.ts';
import { testValues } from '../support/kernelFixture.ts';
import { runLayer } from '../support/layers/harness.ts';
import {
  describeDifferences,
  describeGoldenLayer,
  describeReference,
  expectReference,
  type ProofCase,
  ROUNDED_ONCE,
  sampleRun,
} from '../support/layers/proofs.ts';

const IMAGE = [3, 4, 5];
const BATCH_NORMS: readonly ProofCase[] = [
  { name: 'local', spec: batchNorm(5), inputShape: IMAGE },
  { name: 'sync', spec: batchNorm(5, { sync: 'all' }), inputShape: IMAGE },
  { name: 'groups of 2', spec: batchNorm(5, { sync: 2 }), inputShape: IMAGE },
  { name: 'groups of 3', spec: batchNorm(5, { sync: 3 }), inputShape: IMAGE },
  { name: 'no affine', spec: batchNorm(5, { affine: false, sync: 2 }), inputShape: IMAGE },
  { name: '1 channel', spec: batchNorm(1, { sync: 'all' }), inputShape: [2, 3, 1] },
  { name: 'vectors', spec: batchNorm(13, { sync: 'all' }), inputShape: [13] },
  { name: 'sequences', spec: batchNorm(5, { sync: 2 }), inputShape: [7, 5] },
  { name: 'volumes', spec: batchNorm(3, { sync: 'all' }), inputShape: [2, 3, 2, 3] },
];
const GHOSTS: readonly ProofCase[] = [
  { name: 'virtual batches of 1', spec: batchNorm(5, { virtualBatch: 1 }), inputShape: IMAGE },
  { name: 'virtual batches of 2', spec: batchNorm(5, { virtualBatch: 2 }), inputShape: IMAGE },
  { name: 'virtual batches of 9', spec: batchNorm(5, { virtualBatch: 9 }), inputShape: IMAGE },
  {
    name: 'without affine',
    spec: batchNorm(1, { virtualBatch: 2, affine: false }),
    inputShape: [2, 2, 1],
  },
];
const FROZEN_BUFFERS = {
  'batchNorm.runningMean': Float64Array.from(testValues(5, 1, 20)),
  'batchNorm.runningVar': Float64Array.from(testValues(5, 1, 21), (value) => value + 1.5),
  'batchNorm.weight': Float64Array.from(testValues(5, 1, 22), (v) => Math.fround(v + 1.5)),
  'batchNorm.bias': Float64Array.from(testValues(5, 1, 23)),
};
const FROZEN: readonly ProofCase[] = [
  {
    name: 'images',
    spec: batchNorm(5, { frozen: true }),
    inputShape: IMAGE,
    buffers: FROZEN_BUFFERS,
  },
  {
    name: 'vectors without affine',
    spec: batchNorm(5, { frozen: true, affine: false, sync: 'all' }),
    inputShape: [5],
    buffers: {
      'batchNorm.runningMean': FROZEN_BUFFERS['batchNorm.runningMean'],
      'batchNorm.runningVar': FROZEN_BUFFERS['batchNorm.runningVar'],
    },
  },
];
const GROUP_NORMS: readonly ProofCase[] = [1, 2, 4, 8].map((groups) => ({
  name: `${groups} groups of 8`,
  spec: groupNorm(groups, 8, { affine: groups !== 4 }),
  inputShape: [3, 3, 8],
}));
const LAYER_NORMS: readonly ProofCase[] = [
  { name: '[13]', spec: layerNorm(13), inputShape: [13] },
  { name: '[3, 4, 5]', spec: layerNorm(IMAGE), inputShape: IMAGE },
  { name: 'no affine', spec: layerNorm(IMAGE, { affine: false }), inputShape: IMAGE },
  { name: '[5] of images', spec: layerNorm(5), inputShape: IMAGE },
];
const INSTANCE_NORMS: readonly ProofCase[] = [
  { name: 'affine', spec: instanceNorm(5, { affine: true }), inputShape: IMAGE },
  { name: 'no affine', spec: instanceNorm(4), inputShape: [4, 3, 4] },
  {
    name: 'with running statistics',
    spec: instanceNorm(5, { affine: true, trackRunningStats: true }),
    inputShape: IMAGE,
  },
];

describe('batchNorm', () => {
  describeReference(BATCH_NORMS, ROUNDED_ONCE);
  describeGoldenLayer('batchNorm', ROUNDED_ONCE);
  describeDifferences(BATCH_NORMS);

  it.each(['all', 'local'] as const)(
    'without running statistics evaluates as it trains, %s',
    (sync) => {
      const spec = batchNorm(5, { sync, trackRunningStats: false });
      const run = { ...sampleRun({ name: '', spec, inputShape: IMAGE }, [3, 2]), training: false };
      const { dy: _dy, ...forward } = run;
      const trained = { ...forward, spec: batchNorm(5, { sync }), training: true };
      expect(runLayer(forward).y).toEqual(runLayer(trained).y);
    },
  );

  it('averages the running statistics of its sync groups, weighted by their counts', () => {
    const item = { name: '', spec: batchNorm(2, { momentum: 1 }), inputShape: [2] };
    const shards = [2, 4, 0];
    const x = Float32Array.of(1, 10, 3, 10, 0, 20, 0, 40, 6, 20, 6, 40);
    const { buffers } = runLayer({ ...sampleRun(item, shards), x });
    // Channel 0: means 2 and 3, unbiased variances 2 and 12; channel 1: 10 and 30, 0 and 400 / 3.
    const [mean, variance] = [buffers['batchNorm.runningMean'], buffers['batchNorm.runningVar']];
    expect(mean![0]).toBeCloseTo((2 * 2 + 4 * 3) / 6, 12);
    expect(mean![1]).toBeCloseTo((2 * 10 + 4 * 30) / 6, 12);
    expect(variance![0]).toBeCloseTo((2 * 2 + 4 * 12) / 6, 12);
    expect(variance![1]).toBeCloseTo((4 * (400 / 3)) / 6, 12);
    expect(buffers['batchNorm.numBatchesTracked']).toEqual(Float64Array.of(1));
  });

  it('cannot compute the variance of one value, and suggests an alternative', () => {
    const item = { name: '', spec: batchNorm(3), inputShape: [3] };
    const x = new Float32Array(9);
    const start = () => runLayer({ ...item, shards: [2, 1], x });
    expect(start).toThrow(UsageError);
    expect(start).toThrow(/sync group of 1\.batchNorm: expected .*, got 1.*groupNorm/);
    const sync = { ...item, spec: batchNorm(3, { sync: 'all' }) };
    expect(runLayer({ ...sync, shards: [2, 1], x }).y).toEqual(x);
  });

  it.each([
    [{ momentum: 1.5 }, /batchNorm momentum: expected .*, got 1\.5/],
    [{ momentum: -0.1 }, /batchNorm momentum: expected .*, got -0\.1/],
    [{ eps: 0 }, /batchNorm eps: expected .*, got 0/],
    [{ eps: -1e-5 }, /batchNorm eps: expected a finite number above 0.*, got -0\.00001/],
    [{ eps: Number.NaN }, /batchNorm eps: expected .*, got NaN/],
    [{ virtualBatch: 0 }, /batchNorm virtualBatch: expected .*, got 0/],
    [
      { virtualBatch: 2, sync: 'all' as const },
      /batchNorm sync with virtualBatch 2: expected .*, got "all"/,
    ],
    [{ virtualBatch: 2, sync: 1 }, /batchNorm sync with virtualBatch 2: expected .*, got 1/],
    [{ virtualBatch: 2, frozen: true }, /batchNorm virtualBatch with frozen: expected .*, got 2/],
    [{ frozen: true, trackRunningStats: false }, 'frozen without running statistics'],
    [{ sync: 0 }, /batchNorm sync: expected .*, got 0/],
    [{ sync: 'every' as never }, /batchNorm sync: expected .*, got "every"/],
  ])('refuses %o', (options, message) => {
    expect(() => batchNorm(4, options)).toThrow(message);
  });

  it('names the layer and both shapes when the input does not fit', () => {
    expect(() => batchNormKind.outputShape(batchNorm(16), [8, 8, 12], '1.batchNorm')).toThrow(
      /input of 1\.batchNorm: expected a shape with 16 channels last.*, got "8x8x12"/,
    );
    expect(() => batchNormKind.outputShape(batchNorm(16), [], '1.batchNorm')).toThrow(
      /input of 1\.batchNorm: expected a shape with 16 channels last.*, got "scalar"/,
    );
    expect(() => batchNorm(0)).toThrow(
      /batchNorm channels: expected a whole number from 1.*, got 0/,
    );
  });

  it('accepts samples of any rank', () => {
    for (const shape of [[4], [9, 4], [9, 8, 4], [3, 9, 8, 4]]) {
      expect(batchNormKind.outputShape(batchNorm(4), shape, '0.batchNorm')).toEqual(shape);
    }
  });
});

describe('batchNorm in virtual batches', () => {
  describeReference(GHOSTS, ROUNDED_ONCE);
  describeDifferences(GHOSTS);

  it('is batch normalization if a shard fits in one', () => {
    const item = { name: '', spec: batchNorm(5, { virtualBatch: 4 }), inputShape: IMAGE };
    const run = sampleRun(item, [4, 3, 0, 2]);
    expect(runLayer(run)).toEqual(runLayer({ ...run, spec: batchNorm(5) }));
  });

  it('merges a remainder of one value per channel into the virtual batch before it', () => {
    const item = { name: '', spec: batchNorm(3, { virtualBatch: 2 }), inputShape: [3] };
    const run = sampleRun(item, [5, 2]);
    const whole = runLayer(run);
    expectReference(run, whole, ROUNDED_ONCE);
    // Samples 2 to 4 are one virtual batch: alone they come out as they do here.
    const rest = { ...run, shards: [3], x: run.x.slice(6, 15), dy: run.dy!.slice(6, 15) };
    const alone = runLayer({ ...rest, spec: batchNorm(3) });
    expect(whole.y.slice(6, 15)).toEqual(alone.y);
    expect(whole.dx.slice(6, 15)).toEqual(alone.dx);
  });

  it('averages the running statistics of its virtual batches by their counts', () => {
    const spec = batchNorm(1, { virtualBatch: 2, momentum: 1 });
    const item = { name: '', spec, inputShape: [1] };
    // Virtual batches (1, 3), (0, 0), (6, 0, 3): means 2, 0, 3; unbiased variances 2, 0, 9.
    const x = Float32Array.of(1, 3, 0, 0, 6, 0, 3);
    const { buffers } = runLayer({ ...sampleRun(item, [2, 5]), x });
    expect(buffers['batchNorm.runningMean']![0]).toBeCloseTo((2 * 2 + 2 * 0 + 3 * 3) / 7, 12);
    expect(buffers['batchNorm.runningVar']![0]).toBeCloseTo((2 * 2 + 2 * 0 + 3 * 9) / 7, 12);
    expect(buffers['batchNorm.numBatchesTracked']).toEqual(Float64Array.of(1));
  });

  it('names the layer whose virtual batches have one value per channel', () => {
    const spec = batchNorm(3, { virtualBatch: 1 });
    const { outputShape } = batchNormKind;
    expect(() => outputShape(spec, [3], '4.batchNorm')).toThrow(
      /virtualBatch of 4\.batchNorm: expected .*, got 1.*groupNorm/,
    );
    expect(outputShape(spec, [1, 2, 3], '4.batchNorm')).toEqual([1, 2, 3]);
    const run = {
      ...sampleRun({ name: '', spec: batchNorm(3, { virtualBatch: 2 }), inputShape: [3] }, [2]),
    };
    expect(() => runLayer({ ...run, shards: [1, 1] })).toThrow(
      /1\.batchNorm: expected .*, got 1.*groupNorm/,
    );
  });
});

describe('frozen batchNorm', () => {
  describeReference(FROZEN, ROUNDED_ONCE);
  describeDifferences(FROZEN);

  it('does not change its running statistics, weight and bias, and trains nothing', () => {
    const found = runLayer(sampleRun(FROZEN[0]!, [3, 0, 2]));
    expect(found.gradients).toEqual({});
    for (const [name, values] of Object.entries(FROZEN_BUFFERS)) {
      expect(found.buffers[name]).toEqual(values);
    }
    expect(found.buffers['batchNorm.numBatchesTracked']).toEqual(Float64Array.of(0));
  });

  it('exchanges nothing, and accepts one value per channel', () => {
    const spec = batchNorm(5, { frozen: true, sync: 'all' });
    expect(batchNormKind.reductions!(spec, [5])).toEqual([]);
    const run = sampleRun({ ...FROZEN[0]!, spec, inputShape: [5] }, [1, 0]);
    expectReference(run, runLayer(run), ROUNDED_ONCE);
  });

  it('works in training like batchNorm in evaluation', () => {
    const run = sampleRun(FROZEN[0]!, [3, 2]);
    const { dy: _dy, ...forward } = run;
    const parameters = {
      'batchNorm.weight': Float32Array.from(FROZEN_BUFFERS['batchNorm.weight']),
      'batchNorm.bias': Float32Array.from(FROZEN_BUFFERS['batchNorm.bias']),
    };
    const buffers = FROZEN_BUFFERS;
    const live = { ...forward, spec: batchNorm(5), parameters, buffers, training: false };
    expect(runLayer(run).y).toEqual(runLayer(live).y);
  });
});

describe('groupNorm', () => {
  describeReference(GROUP_NORMS, ROUNDED_ONCE);
  describeGoldenLayer('groupNorm', ROUNDED_ONCE);
  describeDifferences(GROUP_NORMS);

  it('refuses numbers of groups that do not divide the channels', () => {
    expect(() => groupNorm(3, 8)).toThrow(
      'groupNorm numGroups for 8 channels: expected a divisor of 8, got 3. Try: numGroups 2.',
    );
    expect(() => groupNorm(0, 8)).toThrow('expected a divisor of 8, got 0. Try: numGroups 1.');
    expect(() => groupNorm(32, 12)).toThrow('Try: numGroups 12.');
    expect(() => groupNorm(2, 0)).toThrow(/groupNorm channels: expected .*, got 0/);
    expect(() => groupNorm(2, 8, { eps: -1 })).toThrow(/groupNorm eps: expected .*, got -1/);
    expect(() => groupNormKind.outputShape(groupNorm(2, 8), [4], '1.groupNorm')).toThrow(
      /input of 1\.groupNorm: expected a shape with 8 channels last.*, got "4"/,
    );
  });
});

describe('layerNorm', () => {
  describeReference(LAYER_NORMS, ROUNDED_ONCE);
  describeGoldenLayer('layerNorm', ROUNDED_ONCE);
  describeDifferences(LAYER_NORMS);

  it('names the layer and both shapes when the input does not fit', () => {
    const { outputShape } = layerNormKind;
    expect(outputShape(layerNorm([3, 6]), [2, 3, 6], '2.layerNorm')).toEqual([2, 3, 6]);
    expect(() => outputShape(layerNorm([3, 6]), [3, 3, 5], '2.layerNorm')).toThrow(
      /input of 2\.layerNorm: expected a shape that ends in 3x6.*, got "3x3x5"/,
    );
    expect(() => outputShape(layerNorm([3, 6]), [6], '2.layerNorm')).toThrow(UsageError);
    expect(() => layerNorm([])).toThrow(/layerNorm normalizedShape: expected .*, got \[\]/);
    expect(() => layerNorm([4, 0])).toThrow(/layerNorm normalizedShape: expected .*, got 0/);
  });
});

describe('instanceNorm', () => {
  describeReference(INSTANCE_NORMS, ROUNDED_ONCE);
  describeGoldenLayer('instanceNorm', ROUNDED_ONCE);
  describeDifferences(INSTANCE_NORMS);

  it('averages the statistics of all samples equally, for any shards', () => {
    const spec = instanceNorm(2, { trackRunningStats: true, momentum: 1 });
    const item = { name: '', spec, inputShape: [2, 2] };
    // Channel 0: means 2, 5, 0 and unbiased variances 2, 8, 0; channel 1: 1, 1, 4 and 2, 0, 8.
    const x = Float32Array.of(1, 0, 3, 2, 3, 1, 7, 1, 0, 2, 0, 6);
    for (const shards of [[3], [1, 2], [2, 0, 1, 0]]) {
      const { buffers } = runLayer({ ...sampleRun(item, shards), x });
      const [mean, variance] = ['Mean', 'Var'].map(
        (name) => buffers[`instanceNorm.running${name}`]!,
      );
      expect(mean![0]).toBeCloseTo(7 / 3, 12);
      expect(mean![1]).toBeCloseTo(2, 12);
      expect(variance![0]).toBeCloseTo(10 / 3, 12);
      expect(variance![1]).toBeCloseTo(10 / 3, 12);
      expect(buffers['instanceNorm.numBatchesTracked']).toEqual(Float64Array.of(1));
    }
  });

  it('cannot track the variance of one value, and names the layer', () => {
    const spec = instanceNorm(4, { trackRunningStats: true });
    expect(() => instanceNormKind.outputShape(spec, [1, 1, 4], '2.instanceNorm')).toThrow(
      /in 2\.instanceNorm, which tracks.*groupNorm/,
    );
    expect(instanceNormKind.outputShape(instanceNorm(4), [1, 1, 4], '2.instanceNorm')).toEqual([
      1, 1, 4,
    ]);
  });
});
