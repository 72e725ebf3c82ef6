import { describe, expect, it } from 'vitest';
import { normsOf } from '../../src/nn/convert/normLeaf.ts';
import { buildGraph } from '../../src/nn/graph/graph.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { batchNorm, groupNorm, layerNorm } from '../../src/nn/specs/norms.ts';
import { type LayerSpec, leafPaths, leavesOf } from '../../src/nn/specs/spec.ts';

describe('leafPaths', () => {
  const image = [8, 8, 3];
  it.each<[string, LayerSpec]>([
    ['a leaf', relu()],
    ['a residual', residual(relu(), relu())],
    [
      'nested models',
      sequential([sequential([relu(), residual(sequential([relu(), residual(relu())]))]), relu()]),
    ],
    ['resnet20', namedModel('resnet20', { inputShape: image, classes: 4 })],
  ])('names the leaves of %s as the graph does', (_, model) => {
    const { operations } = buildGraph(model, image);
    const paths = operations.flatMap((found) => (found.op === 'layer' ? [found.path] : []));
    expect(leafPaths(model)).toEqual(paths);
    expect(leavesOf(model)).toEqual(
      operations.flatMap((found) => (found.op === 'layer' ? [found.spec] : [])),
    );
  });
});

describe('normsOf', () => {
  it('names each normalization once, with the settings of its statistics', () => {
    const model = sequential([
      batchNorm(4),
      batchNorm(4, { eps: 1 }),
      batchNorm(4, { sync: 'all' }),
      batchNorm(4, { sync: 2 }),
      batchNorm(4, { virtualBatch: 8 }),
      batchNorm(4, { frozen: true }),
      batchRenorm(4),
      groupNorm(2, 4),
      layerNorm(4),
      relu(),
    ]);
    expect(normsOf(model)).toEqual([
      'batchNorm (local)',
      'batchNorm (sync)',
      'batchNorm (sync over 2 replicas)',
      'batchNorm (local, virtual batches of 8)',
      'batchNorm (frozen)',
      'batchRenorm (local)',
      'groupNorm (2 groups of 2 channels)',
      'layerNorm',
    ]);
  });
});
