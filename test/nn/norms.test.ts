import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import {
  batchNorm,
  batchNormKind,
  groupNorm,
  groupNormKind,
  instanceNorm,
  layerNorm,
  layerNormKind,
} from '../../src/nn/norms.ts';
import { runLayer } from './harness.ts';
import {
  describeDifferences,
  describeGoldenLayer,
  describeReference,
  type ProofCase,
  ROUNDED_ONCE,
  sampleRun,
} from './proofs.ts';

const IMAGE = [3, 4, 5];
const BATCH_NORMS: readonly ProofCase[] = [
  { name: 'local', spec: batchNorm(5), inputShape: IMAGE },
  { name: 'sync', spec: batchNorm(5, { sync: 'sync' }), inputShape: IMAGE },
  { name: 'groups of 2', spec: batchNorm(5, { sync: 2 }), inputShape: IMAGE },
  { name: 'groups of 3', spec: batchNorm(5, { sync: 3 }), inputShape: IMAGE },
  { name: 'no affine', spec: batchNorm(5, { affine: false, sync: 2 }), inputShape: IMAGE },
  { name: '1 channel', spec: batchNorm(1, { sync: 'sync' }), inputShape: [2, 3, 1] },
  { name: 'vectors', spec: batchNorm(13, { sync: 'sync' }), inputShape: [13] },
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
];

describe('batchNorm', () => {
  describeReference(BATCH_NORMS, ROUNDED_ONCE);
  describeGoldenLayer('batchNorm', ROUNDED_ONCE);
  describeDifferences(BATCH_NORMS);

  it('without running statistics normalizes each shard by its own in evaluation, too', () => {
    const spec = batchNorm(5, { sync: 'sync', trackRunningStats: false });
    const run = { ...sampleRun({ name: '', spec, inputShape: IMAGE }, [3, 2]), training: false };
    const { dy: _dy, ...forward } = run;
    const local = { ...forward, spec: batchNorm(5), training: true };
    expect(runLayer(forward).y).toEqual(runLayer(local).y);
  });

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

  it('cannot take the variance of one value, and says what can', () => {
    const item = { name: '', spec: batchNorm(3), inputShape: [3] };
    const x = new Float32Array(9);
    const start = () => runLayer({ ...item, shards: [2, 1], x });
    expect(start).toThrow(UsageError);
    expect(start).toThrow(/sync group of 1\.batchNorm: got 1.*groupNorm/);
    const sync = { ...item, spec: batchNorm(3, { sync: 'sync' }) };
    expect(runLayer({ ...sync, shards: [2, 1], x }).y).toEqual(x);
  });

  it.each([
    [{ momentum: 1.5 }, 'batchNorm momentum: got 1.5'],
    [{ eps: 0 }, 'batchNorm eps: got 0'],
    [{ sync: 0 }, 'batchNorm sync (replicas): got 0'],
    [{ sync: 'all' as never }, 'batchNorm sync: got "all"'],
  ])('refuses %o', (options, message) => {
    expect(() => batchNorm(4, options)).toThrow(message);
  });

  it('names the layer and both shapes when the input does not fit', () => {
    expect(() => batchNormKind.outputShape(batchNorm(16), [8, 8, 12], '1.batchNorm')).toThrow(
      'input of 1.batchNorm: got "8x8x12", allowed is a shape with 16 channels last',
    );
  });
});

describe('groupNorm', () => {
  describeReference(GROUP_NORMS, ROUNDED_ONCE);
  describeGoldenLayer('groupNorm', ROUNDED_ONCE);
  describeDifferences(GROUP_NORMS);

  it('refuses numbers of groups that do not divide the channels', () => {
    expect(() => groupNorm(3, 8)).toThrow('groupNorm numGroups for 8 channels: got 3');
    expect(() => groupNormKind.outputShape(groupNorm(2, 8), [4], '1.groupNorm')).toThrow(
      'input of 1.groupNorm: got "4", allowed is a shape with 8 channels last',
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
      'input of 2.layerNorm: got "3x3x5", allowed is a shape that ends in 3x6',
    );
    expect(() => outputShape(layerNorm([3, 6]), [6], '2.layerNorm')).toThrow(UsageError);
  });
});

describe('instanceNorm', () => {
  describeReference(INSTANCE_NORMS, ROUNDED_ONCE);
  describeGoldenLayer('instanceNorm', ROUNDED_ONCE);
  describeDifferences(INSTANCE_NORMS);
});
