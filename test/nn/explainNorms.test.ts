import { describe, expect, it } from 'vitest';
import { explainNorms } from '../../src/nn/convert/explainNorms.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { filterResponseNorm } from '../../src/nn/specs/filterResponseNorm.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../src/nn/specs/norms.ts';
import { rmsNorm } from '../../src/nn/specs/rmsNorm.ts';

const run = { inputShape: [2, 3, 8], replicas: 5, replicaBatch: 4 };

describe('explainNorms', () => {
  it('counts the values that each mean is over', () => {
    const model = sequential([
      batchNorm(8),
      batchNorm(8, { sync: 'all' }),
      batchNorm(8, { sync: 2 }),
      batchNorm(8, { virtualBatch: 2 }),
      batchNorm(8, { frozen: true }),
      batchRenorm(8, { sync: 'all' }),
      groupNorm(2, 8),
      instanceNorm(8),
      filterResponseNorm(8),
      layerNorm([2, 3, 8]),
      rmsNorm(8),
    ]);
    const values = explainNorms(model, run).map((found) => found.values);
    // Of the sync groups of 2 replicas the last has only one.
    expect(values).toEqual([24, 120, 24, 12, 0, 120, 24, 6, 6, 48, 8]);
  });

  it('says what auto chooses and why', () => {
    const model = sequential([batchNorm(8, { sync: 'all' }), batchNorm(8, { sync: 1 })]);
    expect(explainNorms(model, run)).toEqual([
      {
        layer: '0.batchNorm',
        norm: 'batchNorm (sync)',
        values: 120,
        auto: 'sync',
        why: '120 values per channel (20 samples x 6 positions), at least 32; 5 replicas',
      },
      {
        layer: '1.batchNorm',
        norm: 'batchNorm (sync over 1 replica)',
        values: 24,
        auto: 'group',
        why:
          '24 values per channel (4 samples x 6 positions), fewer than 32; ' +
          '2 groups of 4 channels',
      },
    ]);
  });
});
