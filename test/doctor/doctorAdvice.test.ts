import { describe, expect, it } from 'vitest';
import {
  adviseNorm,
  type DoctorNorm,
  diagnoseLayer,
  type MeasuredVariant,
} from '../../src/doctor/doctorAdvice.ts';

const REPLICAS = 8;

function layerOf(meanShift: number, samples = 16, positions = 1, name = '3.batchNorm') {
  const group = { groupNorm: 'groupNorm (4 groups of 16 channels)', groupValues: 16 };
  const measured = { layer: name, samples, positions, meanShift, varianceFactor: 1.2, ...group };
  return diagnoseLayer(measured, REPLICAS);
}

/** The shift of shards of so many independent values. */
function shiftOf(values: number): number {
  return Math.sqrt((1 - 1 / REPLICAS) / values);
}

function variant(norm: DoctorNorm, changes: Partial<MeasuredVariant> = {}): MeasuredVariant {
  const time = { stepMs: 10, stepMsLeast: 9, stepMsMost: 11 };
  const test = { testLoss: 0.5, testAccuracy: 0.9, testCount: 1000 };
  return { norm, ...time, ...test, trainLoss: 0.4, ...changes };
}

const alike = [variant('local'), variant('sync'), variant('group')];

describe('diagnoseLayer', () => {
  it('expects 7 eighths of 1 / n for independent values and 8 replicas', () => {
    const layer = layerOf(0.1, 16, 49);
    expect(layer.values).toBe(784);
    expect(layer.expectedShift).toBeCloseTo(Math.sqrt(0.875 / 784), 12);
    expect(layer.sampleShift).toBeCloseTo(Math.sqrt(0.875 / 16), 12);
    expect(layer.effectiveValues).toBeCloseTo(87.5, 10);
  });

  it.each([
    [40, 'steady'],
    [20, 'noisy'],
    [16, 'noisy'],
    [7, 'uneven'],
    [1, 'uneven'],
  ])('calls 16 samples that shift like %d independent values %s', (values, verdict) => {
    expect(layerOf(shiftOf(values)).verdict).toBe(verdict);
  });

  it('finds identical shards steady', () => {
    const layer = layerOf(0);
    expect(layer.effectiveValues).toBe(Number.POSITIVE_INFINITY);
    expect(layer.verdict).toBe('steady');
  });
});

describe('adviseNorm', () => {
  it('keeps local norm if every shard has enough, and states the weakest layer', () => {
    const layers = [layerOf(shiftOf(100), 64), layerOf(shiftOf(50), 64, 1, '7.batchNorm')];
    const advice = adviseNorm(layers, alike, REPLICAS);
    expect(advice).toMatchObject({ norm: 'local', groupSize: null, gaining: [] });
    expect(advice.reasons[0]).toContain('7.batchNorm has the least certain shard statistics');
    expect(advice.reasons[0]).toContain('50 independent values; 32 are enough');
  });

  it.each([
    [17, 2],
    [12, 4],
    [5, null],
  ])('takes as few replicas as have 32 values together: shards of %d, groups of %j', (n, size) => {
    const advice = adviseNorm([layerOf(shiftOf(n), n)], alike, REPLICAS);
    expect(advice).toMatchObject({ norm: 'sync', groupSize: size, gaining: ['3.batchNorm'] });
  });

  it('recommends group norm if even all replicas have too few', () => {
    const advice = adviseNorm([layerOf(shiftOf(2), 2)], alike, REPLICAS);
    expect(advice).toMatchObject({ norm: 'group', groupSize: null });
    expect(advice.reasons[1]).toContain('even all 8 replicas have 16 together');
  });

  it('synchronizes all replicas if shards are uneven', () => {
    const advice = adviseNorm([layerOf(shiftOf(2), 16)], alike, REPLICAS);
    expect(advice).toMatchObject({ norm: 'sync', groupSize: null });
    expect(advice.reasons[0]).toContain('2.83 times what independent samples explain (0.234)');
  });

  it('follows training if another norm is clearly ahead, and says by how much', () => {
    const layers = [layerOf(shiftOf(100), 64)];
    const ahead = [variant('local'), variant('sync'), variant('group', { testAccuracy: 0.97 })];
    const advice = adviseNorm(layers, ahead, REPLICAS);
    expect(advice.norm).toBe('group');
    expect(advice.reasons[0]).toContain('test accuracy 97.0 % with norm group against 90.0 %');
    const slightly = [variant('local'), variant('sync'), variant('group', { testAccuracy: 0.92 })];
    expect(adviseNorm(layers, slightly, REPLICAS).norm).toBe('local');
  });

  it('drops a norm if its training diverged', () => {
    const layers = [layerOf(shiftOf(100), 64)];
    const broken = [
      variant('local', { trainLoss: Number.NaN, testAccuracy: Number.NaN }),
      variant('sync', { trainLoss: 0.3 }),
      variant('group'),
    ];
    const advice = adviseNorm(layers, broken, REPLICAS);
    expect(advice.norm).toBe('sync');
    expect(advice.reasons[0]).toContain('training with norm local diverged');
  });

  it('states a cost only if the windows of both do not overlap', () => {
    const slow = variant('sync', { stepMs: 12, stepMsLeast: 11.5, stepMsMost: 13 });
    const { reasons } = adviseNorm([layerOf(0.01)], [variant('local'), slow, variant('group')], 8);
    expect(reasons).toContain(
      'a step takes 20.0 % more with norm sync than with local: ' +
        '12 ms (windows 11.5 to 13) against 10 ms (windows 9 to 11)',
    );
    expect(reasons[2]).toContain('a step costs the same with norm group as with local');
  });
});
