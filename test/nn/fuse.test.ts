// Relus and adds that are fused into the layer before them: which ones, and that the bits do not
// change.

import { describe, expect, it } from 'vitest';
import { fillArena, stateTensors } from '../../src/checkpoint/state.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { storeSamples } from '../../src/data/stored/storeSamples.ts';
import { compileKernels } from '../../src/kernels/load.ts';
import { createArena, viewOf } from '../../src/memory/arena.ts';
import { fuseGraph } from '../../src/nn/graph/fuse.ts';
import { buildGraph, type LayerOperation } from '../../src/nn/graph/graph.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { dropout } from '../../src/nn/specs/dropout.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../../src/nn/specs/norms.ts';
import { globalAvgPool } from '../../src/nn/specs/pools.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { adam } from '../../src/optim/optimizer.ts';
import { planRun } from '../../src/plan/plan.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import { bindWorker } from '../../src/train/worker.ts';
import { createFixture, MODES } from '../support/kernelFixture.ts';

const CHANNELS = 8;
const IMAGE = [9, 9, 3];
const data = synthetic({ train: 96, test: 0, shape: IMAGE as [9, 9, 3], classes: 4 });

function netOf(norm: LayerSpec): LayerSpec {
  const conv = (from: number) => conv2d(from, CHANNELS, { kernel: 3, padding: 1, bias: false });
  return sequential([
    conv(3),
    norm,
    relu(),
    residual(sequential([conv(CHANNELS), norm, relu(), conv(CHANNELS), norm])),
    relu(),
    // The sum of the inner residual is cut, and shares its gradient with the outer shortcut.
    residual(sequential([residual(sequential([conv(CHANNELS), norm])), relu()])),
    residual(sequential([conv(CHANNELS), norm, relu()])),
    residual(sequential([conv(CHANNELS), norm]), sequential([conv(CHANNELS), norm])),
    relu(),
    globalAvgPool(),
    linear(CHANNELS, 4),
  ]);
}

const NORMS: Readonly<Record<string, LayerSpec>> = {
  'batchNorm, sync': batchNorm(CHANNELS, { sync: 'all' }),
  'batchNorm, local, no affine': batchNorm(CHANNELS, { affine: false }),
  'batchNorm, virtual batches': batchNorm(CHANNELS, { virtualBatch: 2 }),
  'batchNorm, running statistics': batchNorm(CHANNELS, { statistics: 'running' }),
  batchRenorm: batchRenorm(CHANNELS),
  groupNorm: groupNorm(2, CHANNELS),
  instanceNorm: instanceNorm(CHANNELS, { affine: true, trackRunningStats: true }),
  layerNorm: layerNorm([9, 9, CHANNELS]),
  'layerNorm of channels': layerNorm(CHANNELS),
};

/** All that training leaves, by name, and what its net gives in evaluation. */
function trained(model: LayerSpec, mode: 'strict' | 'fast', fuse: boolean) {
  const config = resolveOptions({
    model,
    data,
    optimizer: adam({ lr: 0.01 }),
    replicas: 3,
    workers: 1,
    globalBatch: 13,
    mode,
  });
  const plan = planRun({ ...config, fuse });
  const memory = createArena(plan.layout);
  fillArena(plan, memory);
  const samples = storeSamples(data, plan.config);
  createFixture(mode, 1);
  const worker = bindWorker({ plan, module: compileKernels(mode), memory, samples, rank: 0 });
  worker.train(0, 10, 10);
  const tensors = stateTensors(plan, memory);
  const state = Object.fromEntries(tensors.map(({ name, values }) => [name, values.slice()]));
  worker.evaluate('train');
  return { ...state, evaluated: viewOf(memory, plan.regions.inference.evaluated).slice() };
}

describe('a relu or an add after a normalization', () => {
  it.each(Object.entries(NORMS))('of %s is part of it, with the same bits', (_name, norm) => {
    const model = netOf(norm);
    for (const mode of MODES) {
      const apart = trained(model, mode, false);
      expect(Object.keys(apart).length).toBeGreaterThan(10);
      expect(trained(model, mode, true)).toEqual(apart);
    }
  });

  it('disappears from the list of operations; a relu that follows another layer stays', () => {
    const model = sequential([
      linear(6, 6),
      relu(),
      batchNorm(6),
      relu(),
      relu(),
      batchNorm(6, { frozen: true }),
      relu(),
    ]);
    const graph = fuseGraph(buildGraph(model, [6]));
    expect(graph.operations.map(({ path }) => path)).toEqual([
      '0.linear',
      '1.relu',
      '2.batchNorm',
      '4.relu',
      '5.batchNorm',
      '6.relu',
    ]);
    expect(graph.operations.filter((o) => 'isRelu' in o && o.isRelu)).toHaveLength(1);
    expect(graph.shapes).toHaveLength(7);
    expect(graph.output).toBe(6);
  });

  it('is completely gone from resnet20, and so is the activation before it', () => {
    const purpose = { inputShape: [32, 32, 3] as const, classes: 10 };
    const graph = buildGraph(namedModel('resnet20', purpose), [32, 32, 3]);
    const fused = fuseGraph(graph);
    const relus = fused.operations.filter((o) => o.op === 'layer' && o.spec.kind === 'relu');
    expect(relus).toEqual([]);
    // One behind the first layer, two in each of nine blocks.
    expect(graph.shapes.length - fused.shapes.length).toBe(19);
    expect(graph.operations.length - fused.operations.length).toBe(19);
  });
});

describe('an add', () => {
  const norm = batchNorm(CHANNELS);
  const same = conv2d(CHANNELS, CHANNELS, { kernel: 1, bias: false });
  /** The paths of the layers that take an add in, and of the adds that are left. */
  const addsOf = (...layers: LayerSpec[]) => {
    const graph = fuseGraph(buildGraph(sequential(layers), [9, 9, CHANNELS]));
    const { operations } = graph;
    for (const [i, operation] of operations.entries()) {
      if (operation.op !== 'layer' || operation.addend === undefined) continue;
      const add = operations[i + 1];
      expect(add?.op === 'add' && add.sum).toBe(operation.output);
      expect(add?.op === 'add' && add.inputs.toSorted()).toEqual(
        [operation.output, operation.addend.value].toSorted(),
      );
    }
    return {
      takers: operations.flatMap((o) =>
        o.op === 'layer' && o.addend !== undefined ? [`${o.path}, relu ${o.addend.isRelu}`] : [],
      ),
      left: operations.flatMap((o) => (o.op === 'add' && o.sum === undefined ? [o.path] : [])),
    };
  };

  it('is part of the normalization that runs last before it', () => {
    const takers = (path: string, isRelu: boolean) => ({
      takers: [`0.residual.${path}, relu ${isRelu}`],
      left: [],
    });
    const branch = sequential([same, norm]);
    expect(addsOf(residual(branch))).toEqual(takers('body.1.batchNorm', false));
    expect(addsOf(residual(branch), relu())).toEqual(takers('body.1.batchNorm', true));
    const projected = takers('shortcut.1.batchNorm', true);
    expect(addsOf(residual(branch, branch), relu())).toEqual(projected);
    expect(addsOf(residual(same, branch), relu())).toEqual(projected);
  });

  it('stays if something else runs last', () => {
    const alone = { takers: [], left: ['0.residual'] };
    for (const last of [
      relu(),
      dropout(0.5),
      same,
      layerNorm(CHANNELS),
      batchNorm(CHANNELS, { frozen: true }),
    ]) {
      expect(addsOf(residual(sequential([same, norm, last])), relu())).toEqual(alone);
    }
    expect(addsOf(residual(sequential([same, norm]), same), relu())).toEqual(alone);
    expect(addsOf(residual(sequential([])), norm)).toEqual(alone);
    // The inner one is fused; its sum is no longer the output of a norm.
    expect(addsOf(residual(residual(sequential([same, norm]))), relu())).toEqual({
      takers: ['0.residual.body.body.1.batchNorm, relu false'],
      left: ['0.residual'],
    });
  });

  it('is part of a normalization at the end of every block of resnet20', () => {
    const model = namedModel('resnet20', { inputShape: [32, 32, 3], classes: 10 });
    const { operations } = fuseGraph(buildGraph(model, [32, 32, 3]));
    const taken = operations.filter((o) => o.op === 'layer' && o.addend?.isRelu === true);
    expect(taken).toHaveLength(9);
  });
});

describe('in a model that does not train', () => {
  const conv = (from: number, to: number, kernel = 3) =>
    conv2d(from, to, { kernel, padding: kernel === 3 ? 1 : 0 });
  const depthwise = conv2d(16, 16, { kernel: 3, padding: 1, groups: 16 });
  const model = sequential([
    conv(1, 16),
    relu(),
    // By Winograd, and the sum is cut.
    residual(sequential([conv(16, 16), relu(), conv(16, 16)])),
    relu(),
    // In register tiles; the sum is not cut.
    residual(sequential([conv(16, 13), relu(), conv(13, 16, 1)])),
    residual(sequential([depthwise, relu(), conv(16, 16, 1)]), conv(16, 16, 1)),
    relu(),
    conv2d(16, 8, { kernel: 3, bias: false }),
    relu(),
    globalAvgPool(),
    linear(8, 4),
  ]);
  const inputShape = [10, 9, 1] as const;
  const fused = fuseGraph(buildGraph(model, inputShape), { trains: false });

  it('convolutions with a bias absorb relus and adds, unless depthwise', () => {
    const named = (isTaken: (o: LayerOperation) => boolean) =>
      fused.operations.flatMap((o) => (o.op === 'layer' && isTaken(o) ? [o.path] : []));
    expect(named((o) => o.spec.kind === 'conv2d' && o.isRelu)).toEqual([
      '0.conv2d',
      '2.residual.body.0.conv2d',
      '4.residual.body.0.conv2d',
    ]);
    expect(named((o) => o.addend?.isRelu === true)).toEqual([
      '2.residual.body.2.conv2d',
      '5.residual.shortcut',
    ]);
    expect(named((o) => o.addend?.isRelu === false)).toEqual(['4.residual.body.2.conv2d']);
    expect(named((o) => o.spec.kind === 'relu')).toEqual(['5.residual.body.1.relu', '8.relu']);
    const trained = fuseGraph(buildGraph(model, inputShape));
    expect(
      trained.operations.filter((o) => o.op === 'layer' && o.spec.kind === 'relu'),
    ).toHaveLength(5);
  });

  it.each(MODES)('outputs have the bits of separate operations, %s', (mode) => {
    const own = synthetic({ train: 16, test: 0, shape: [10, 9, 1], classes: 4 });
    const outputsOf = (fuse: boolean): Float32Array => {
      const options = { optimizer: adam({ lr: 0.01 }), replicas: 1, workers: 1, globalBatch: 3 };
      const config = resolveOptions({ model, data: own, ...options, mode });
      const plan = planRun({ ...config, fuse, trains: false });
      const memory = createArena(plan.layout);
      fillArena(plan, memory);
      const samples = storeSamples(own, plan.config);
      const inputs = viewOf(memory, plan.regions.inference.inputs);
      inputs.set(inputs.map((_, i) => Math.sin(i)));
      createFixture(mode, 1);
      bindWorker({ plan, module: compileKernels(mode), memory, samples, rank: 0 }).predict(3);
      return viewOf(memory, plan.regions.inference.outputs).slice();
    };
    const apart = outputsOf(false);
    expect(new Set(apart).size).toBeGreaterThan(8);
    expect(outputsOf(true)).toEqual(apart);
  });
});
