import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { relu } from '../../src/nn/activations.ts';
import { conv2d } from '../../src/nn/conv2d.ts';
import { convertNorm, NORM_TARGETS } from '../../src/nn/convertNorm.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../src/nn/norms.ts';
import { leavesOf, residual, sequential } from '../../src/nn/spec.ts';

const conv = conv2d(12, 12, { kernel: 3, padding: 1 });
const special = { eps: 1e-3, momentum: 0.3, trackRunningStats: false } as const;
const model = sequential([
  conv,
  batchNorm(12, special),
  residual(sequential([conv, groupNorm(4, 12, { affine: false }), relu()]), instanceNorm(12)),
]);

const normsOf = (spec: ReturnType<typeof convertNorm>) =>
  leavesOf(spec).filter(({ kind }) => kind.endsWith('Norm'));

describe('convertNorm', () => {
  it('to sync keeps eps, affine, momentum and tracking', () => {
    expect(normsOf(convertNorm(model, { to: 'sync' }))).toEqual([
      batchNorm(12, { ...special, sync: 'sync' }),
      batchNorm(12, { affine: false, sync: 'sync' }),
      batchNorm(12, { affine: false, sync: 'sync' }),
    ]);
  });

  it('to sync takes groups of replicas, and to local takes them back', () => {
    const grouped = convertNorm(model, { to: 'sync', groupSize: 4 });
    expect(normsOf(grouped)[0]).toEqual(batchNorm(12, { ...special, sync: 4 }));
    expect(normsOf(convertNorm(grouped, { to: 'local' }))[0]).toEqual(batchNorm(12, special));
  });

  it('to group takes the largest divisor of the channels up to numGroups, 32 by default', () => {
    const [first] = normsOf(convertNorm(model, { to: 'group' }));
    expect(first).toEqual(groupNorm(12, 12, { eps: 1e-3 }));
    for (const [numGroups, taken] of [
      [5, 4],
      [4, 4],
      [1, 1],
      [100, 12],
    ] as const) {
      const converted = convertNorm(model, { to: 'group', numGroups });
      expect(normsOf(converted)[1]).toEqual(groupNorm(taken, 12, { affine: false }));
    }
    expect(() => convertNorm(model, { to: 'group', numGroups: 0 })).toThrow(UsageError);
  });

  it('to layer takes whole samples, whose shape follows from the input', () => {
    const converted = convertNorm(model, { to: 'layer', inputShape: [6, 5, 12] });
    expect(normsOf(converted)[0]).toEqual(layerNorm([6, 5, 12], { eps: 1e-3 }));
    expect(() => convertNorm(model, { to: 'layer' })).toThrow('inputShape');
  });

  it('to instance keeps affine', () => {
    expect(normsOf(convertNorm(model, { to: 'instance' })).slice(0, 2)).toEqual([
      instanceNorm(12, { eps: 1e-3, affine: true }),
      instanceNorm(12, { affine: false }),
    ]);
  });

  it('to none takes them out and leaves everything else', () => {
    const bare = convertNorm(model, { to: 'none' });
    expect(leavesOf(bare)).toEqual([conv, conv, relu()]);
  });

  it('does not change the model that it is given, nor the order of its layers', () => {
    const before = structuredClone(model);
    for (const to of NORM_TARGETS) {
      const converted = convertNorm(model, { to, inputShape: [6, 5, 12] });
      expect(leavesOf(converted).filter(({ kind }) => !kind.endsWith('Norm'))).toEqual([
        conv,
        conv,
        relu(),
      ]);
    }
    expect(model).toEqual(before);
  });

  it('refuses other targets', () => {
    expect(() => convertNorm(model, { to: 'batch' as never })).toThrow(
      'convertNorm to: got "batch", allowed is sync, local, group, layer, instance, none',
    );
  });
});
