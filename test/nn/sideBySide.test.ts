import { describe, expect, it } from 'vitest';
import { fuseGraph } from '../../src/nn/graph/fuse.ts';
import { buildGraph } from '../../src/nn/graph/graph.ts';
import { layersSideBySide } from '../../src/nn/graph/sideBySide.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';

function pathsOf(model: LayerSpec): string[][] {
  const graph = fuseGraph(buildGraph(model, [8, 8, 4]));
  return layersSideBySide(graph).map((pair) => pair.map(({ path }) => path));
}

const branch = (): LayerSpec =>
  sequential([conv2d(4, 4, { kernel: 1, bias: false }), batchNorm(4)]);

describe('layers side by side', () => {
  it('are the last ones of both branches of a residual', () => {
    const model = sequential([residual(branch(), branch()), relu()]);
    expect(pathsOf(model)).toEqual([
      ['0.residual.body.1.batchNorm', '0.residual.shortcut.1.batchNorm'],
    ]);
  });

  it('do not exist if the input itself is the shortcut', () => {
    expect(pathsOf(residual(branch()))).toEqual([]);
  });

  it('do not exist if a branch ends in another residual', () => {
    const inner = residual(branch(), branch());
    expect(pathsOf(residual(inner, branch()))).toEqual([
      ['residual.body.body.1.batchNorm', 'residual.body.shortcut.1.batchNorm'],
    ]);
  });
});
