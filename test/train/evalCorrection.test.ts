import { describe, expect, it } from 'vitest';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { batchNorm, groupNorm } from '../../src/nn/specs/norms.ts';
import type { LeafSpec } from '../../src/nn/specs/spec.ts';
import { type EvalCorrection, evalWeightOf } from '../../src/plan/evalCorrection.ts';

const weightOf = (spec: LeafSpec, evalCorrection: EvalCorrection | null) =>
  evalWeightOf(spec, { evalCorrection, replicas: 8, globalBatch: 32 });

describe('the weight of a sample', () => {
  it.each<[string, LeafSpec, number]>([
    ['its replica', batchNorm(3), 1 / 4],
    ['all replicas', batchNorm(3, { sync: 'all' }), 1 / 32],
    ['its sync group', batchNorm(3, { sync: 2 }), 1 / 8],
    ['a group larger than the run', batchNorm(3, { sync: 50 }), 1 / 32],
    ['its virtual batch', batchNorm(3, { virtualBatch: 2 }), 1 / 2],
    ['a virtual batch larger than its replica', batchNorm(3, { virtualBatch: 9 }), 1 / 4],
  ])('is that in %s', (_, spec, weight) => {
    expect(weightOf(spec, 'auto')).toBe(weight);
    expect(weightOf(spec, 0.3)).toBe(0.3);
    expect(weightOf(spec, null)).toBe(0);
  });

  it('is 0 if training does not normalize by the batch', () => {
    for (const spec of [
      batchNorm(3, { frozen: true }),
      batchNorm(3, { trackRunningStats: false }),
      batchRenorm(3),
      groupNorm(1, 3),
    ]) {
      expect(weightOf(spec, 0.3)).toBe(0);
    }
  });
});
