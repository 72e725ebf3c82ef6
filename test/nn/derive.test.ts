// Values that backward derives instead of reading them: which ones, and that results have the same
// bits.

import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Shape } from '../../src/base/shape.ts';
import { derivedValues } from '../../src/nn/graph/derive.ts';
import { freezeGraph } from '../../src/nn/graph/freeze.ts';
import { fuseGraph } from '../../src/nn/graph/fuse.ts';
import { buildGraph, type Graph } from '../../src/nn/graph/graph.ts';
import { planStorage } from '../../src/nn/graph/storage.ts';
import { hardSwishKind, relu6Kind } from '../../src/nn/layers/activationKinds.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { batchRenormKind } from '../../src/nn/norms/batchRenormKind.ts';
import { batchNormKind, groupNormKind, instanceNormKind } from '../../src/nn/norms/normKinds.ts';
import { gelu, hardSwish, relu, relu6, silu, tanh } from '../../src/nn/specs/activations.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { conv1d } from '../../src/nn/specs/conv1d.ts';
import { type Conv2dOptions, conv2d } from '../../src/nn/specs/conv2d.ts';
import { batchNorm, groupNorm, instanceNorm } from '../../src/nn/specs/norms.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { runLayer } from '../support/layers/harness.ts';
import { sampleRun } from '../support/layers/proofs.ts';

const conv = (from: number, to: number, options: Partial<Conv2dOptions> = {}): LayerSpec =>
  conv2d(from, to, { kernel: 3, padding: 1, ...options });

const graphOf = (model: LayerSpec, inputShape: Shape): Graph =>
  fuseGraph(buildGraph(model, inputShape));

/** Whether the output of a layer is derived, by the layer's path. */
function derivedIn(graph: Graph): readonly string[] {
  return [...new Set([...derivedValues(graph).values()].map(({ path }) => path))];
}

const block = (channels: number, act: LayerSpec = relu()): LayerSpec =>
  residual(
    sequential([conv(channels, channels), batchNorm(channels), act, conv(channels, channels)]),
  );

describe('what backward derives', () => {
  it('is the output of a normalization that only convolutions read', () => {
    const layers = [conv(3, 8), batchNorm(8), relu(), conv(8, 8)];
    expect(derivedIn(graphOf(sequential(layers), [9, 9, 3]))).toEqual(['1.batchNorm']);
    // A tanh reads its output, all samples at once.
    const bent = sequential([...layers, batchNorm(8), tanh(), conv(8, 8)]);
    expect(derivedIn(graphOf(bent, [9, 9, 3]))).toEqual(['1.batchNorm']);
  });

  it('is what a cheap activation wrote after a norm, and what a costly one read', () => {
    const derivedWith = (act: LayerSpec): readonly string[] =>
      derivedIn(graphOf(sequential([conv(3, 8), batchNorm(8), act, conv(8, 8)]), [9, 9, 3]));
    for (const act of [relu6(), hardSwish()]) {
      expect(derivedWith(act)).toEqual(['1.batchNorm', `2.${act.kind}`]);
    }
    for (const act of [silu(), gelu()]) expect(derivedWith(act)).toEqual(['1.batchNorm']);
  });

  it('is nothing if the sample would not stay in the cache', () => {
    const layers = [conv(3, 8), batchNorm(8), relu(), conv(8, 8)];
    expect(derivedIn(graphOf(sequential(layers), [150, 150, 3]))).toEqual([]);
  });

  it('is nothing below the lowest layer that trains', () => {
    const graph = buildGraph(sequential([conv(3, 8), batchNorm(8), conv(8, 8)]), [9, 9, 3]);
    expect(derivedIn(fuseGraph(freezeGraph(graph, ['0.*', '1.*'])))).toEqual([]);
  });

  it('is every other sum in a chain of residuals', () => {
    const body = sequential([conv(8, 8), batchNorm(8)]);
    const chain = [1, 2, 3, 4].flatMap(() => [residual(body), relu()]);
    const graph = graphOf(sequential([conv(3, 8), ...chain, conv(8, 8)]), [9, 9, 3]);
    expect(derivedIn(graph)).toEqual(
      ['1', '5'].map((place) => `${place}.residual.body.1.batchNorm`),
    );
  });

  it.each([
    ['resnet20', 0.68],
    ['mobilenet-v2', 0.5],
    ['efficientnet-b0', 0.8],
  ] as const)('saves %s more than a fifth', (name, share) => {
    const graph = graphOf(namedModel(name, { inputShape: [32, 32, 3], classes: 10 }), [32, 32, 3]);
    const [all, less] = [new Map(), derivedValues(graph)].map((derived) =>
      planStorage(graph, 32, derived),
    );
    expect(less!.sizeBytes).toBeLessThan(share * all!.sizeBytes);
    expect(less!.keptBytes).toBe(all!.keptBytes - less!.sparedBytes);
    expect(all!.sparedBytes).toBe(0);
  });
});

const NORMS: Readonly<Record<string, LayerSpec>> = {
  'local batchNorm': batchNorm(16, { sync: 'local' }),
  'batchNorm over groups of 2': batchNorm(16, { sync: 2 }),
  'batchNorm over all': batchNorm(16, { sync: 'all' }),
  'batchNorm of virtual batches': batchNorm(16, { sync: 'local', virtualBatch: 2 }),
  'batchNorm by running statistics': batchNorm(16, { statistics: 'running' }),
  batchRenorm: batchRenorm(16),
  groupNorm: groupNorm(4, 16),
  instanceNorm: instanceNorm(16),
  'instanceNorm with running statistics': instanceNorm(16, { trackRunningStats: true }),
};

const READERS: Readonly<Record<string, LayerSpec>> = {
  'a direct one': conv(16, 8, { algorithm: 'direct' }),
  "Winograd's": conv(16, 16),
  'one with stride 2': conv(16, 8, { stride: 2 }),
  'a pointwise one': conv2d(16, 8, { kernel: 1 }),
  'a depthwise one': conv(16, 16, { groups: 16 }),
  'a grouped one': conv(16, 8, { groups: 2 }),
};

const first = conv2d(3, 16, { kernel: 1 });
const SHARDS = [3, 0, 2, 2];

describe('a convolution of derived samples has the bits of one of stored samples', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const expectSame = (spec: LayerSpec, inputShape: Shape): void => {
    expect(derivedIn(graphOf(spec, inputShape)).length).toBeGreaterThan(0);
    const run = sampleRun({ name: '', spec, inputShape }, SHARDS);
    const derived = runLayer(run);
    const norms = [batchNormKind, batchRenormKind, groupNormKind, instanceNormKind];
    for (const kind of [...norms, hardSwishKind, relu6Kind]) {
      vi.spyOn(kind, 'derivesOutput').mockReturnValue(false);
    }
    expect(derivedIn(graphOf(spec, inputShape))).toEqual([]);
    expect(derived).toEqual(runLayer(run));
  };

  it.each(Object.keys(NORMS))('after %s', (name) => {
    expectSame(sequential([first, NORMS[name]!, relu(), conv(16, 16)]), [7, 7, 3]);
  });

  it.each([relu6(), hardSwish(), silu(), gelu()])('after a norm and $kind', (act) => {
    const depthwise = [conv(16, 16, { groups: 16 }), batchNorm(16), act];
    const chain = [first, batchNorm(16), act, conv(16, 16), batchNorm(16), act, ...depthwise];
    expectSame(sequential([...chain, conv2d(16, 8, { kernel: 1 })]), [7, 7, 3]);
  });

  it.each(Object.keys(READERS))('%s', (name) => {
    expectSame(sequential([batchNorm(16), READERS[name]!]), [13, 13, 16]);
  });

  it('in sequences', () => {
    expectSame(sequential([batchNorm(4), relu(), conv1d(4, 8, { kernel: 3 })]), [40, 4]);
  });

  it('in a chain of residuals, with and without a relu', () => {
    const body = sequential([conv(16, 16), batchNorm(16)]);
    const shortcut = sequential([conv(16, 16, { stride: 2 }), batchNorm(16)]);
    const smaller = sequential([conv(16, 16, { stride: 2 }), batchNorm(16)]);
    const last = [residual(smaller, shortcut), relu(), conv(16, 16)];
    const chain = [batchNorm(16), relu(), residual(body), residual(body), relu(), residual(body)];
    expectSame(sequential([...chain, relu(), block(16), ...last]), [7, 7, 16]);
  });

  it('of parts of a large sample', () => {
    expectSame(sequential([batchNorm(16), conv(16, 16)]), [70, 70, 16]);
  });
});
