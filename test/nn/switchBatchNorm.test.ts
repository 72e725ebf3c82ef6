import { describe, expect, it } from 'vitest';
import { parseBatchNormSwitches, switchBatchNorms } from '../../src/nn/convert/switchBatchNorm.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { leavesOf } from '../../src/nn/specs/spec.ts';

const model = sequential([
  batchNorm(4),
  batchNorm(4, { affine: false }),
  batchNorm(4, { frozen: true }),
]);

describe('switches of batch norms', () => {
  it('change the layers that they match, and later ones override earlier ones', () => {
    const switched = switchBatchNorms(model, [
      { statistics: 'running', updateStatistics: false },
      { match: '1.*', updateStatistics: true },
    ]);
    expect(leavesOf(switched.model)).toEqual([
      batchNorm(4, { statistics: 'running', updateStatistics: false }),
      batchNorm(4, { affine: false, statistics: 'running', updateStatistics: true }),
      batchNorm(4, { frozen: true }),
    ]);
    expect(switched.freeze).toEqual([]);
  });

  it('say which weights and biases train', () => {
    expect(switchBatchNorms(model, [{ trainAffine: false }]).freeze).toEqual(['0.batchNorm.*']);
    expect(switchBatchNorms(model, [{ trainAffine: true }]).freeze).toEqual(['!0.batchNorm.*']);
  });

  it('are refused if they are invalid, or contradict the layer', () => {
    expect(() => parseBatchNormSwitches({ statistics: 'running' })).toThrow(/batchNorm.*a list/);
    expect(() => parseBatchNormSwitches([{ statistic: 'running' }])).toThrow(/statistics/);
    expect(() => switchBatchNorms(model, [{ match: '2.*' }])).toThrow(/not frozen/);
    const ghost = batchNorm(4, { virtualBatch: 2 });
    expect(() => switchBatchNorms(ghost, [{ statistics: 'running' }])).toThrow(/virtualBatch/);
  });
});

describe('zeroInitResidual', () => {
  const purpose = { inputShape: [8, 8, 3], classes: 5 };

  it('starts the last norm of each residual of resnet20 at 0', () => {
    const leaves = leavesOf(namedModel('resnet20', { ...purpose, zeroInitResidual: true }));
    const zeros = leaves.filter((leaf) => leaf.kind === 'batchNorm' && leaf.weightInit === 0);
    expect(zeros).toHaveLength(9);
  });

  it('is refused if there is no residual', () => {
    expect(() => namedModel('refnet', { ...purpose, zeroInitResidual: true })).toThrow(/resnet20/);
  });
});
