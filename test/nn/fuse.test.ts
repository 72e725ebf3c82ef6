// A relu that is part of the layer before it: what is taken in, and that the bits stay.

import { describe, expect, it } from 'vitest';
import { fillArena, stateTensors } from '../../src/checkpoint/state.ts';
import { synthetic } from '../../src/data/synthetic.ts';
import { compileKernels } from '../../src/kernels/load.ts';
import { createArena } from '../../src/memory/arena.ts';
import { fuseGraph } from '../../src/nn/graph/fuse.ts';
import { buildGraph } from '../../src/nn/graph/graph.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
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
    globalAvgPool(),
    linear(CHANNELS, 4),
  ]);
}

const NORMS: Readonly<Record<string, LayerSpec>> = {
  'batchNorm, sync': batchNorm(CHANNELS, { sync: 'all' }),
  'batchNorm, local, no affine': batchNorm(CHANNELS, { affine: false }),
  groupNorm: groupNorm(2, CHANNELS),
  instanceNorm: instanceNorm(CHANNELS, { affine: true }),
  layerNorm: layerNorm([9, 9, CHANNELS]),
  'layerNorm of channels': layerNorm(CHANNELS),
};

/** All that training leaves behind, by name. */
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
  fillArena(plan, memory, data);
  createFixture(mode, 1);
  const worker = bindWorker({ plan, module: compileKernels(mode), memory, rank: 0 });
  worker.train(0, 10, 10);
  const tensors = stateTensors(plan, memory);
  return Object.fromEntries(tensors.map(({ name, values }) => [name, values.slice()]));
}

describe('a relu behind a normalization', () => {
  it.each(Object.entries(NORMS))('of %s is part of it, with the same bits', (_name, norm) => {
    const model = netOf(norm);
    for (const mode of MODES) {
      const apart = trained(model, mode, false);
      expect(Object.keys(apart).length).toBeGreaterThan(10);
      expect(trained(model, mode, true)).toEqual(apart);
    }
  });

  it('leaves the list of operations; a relu behind something else stays', () => {
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
    expect(graph.operations.filter((o) => o.op !== 'fork' && o.isRelu)).toHaveLength(1);
    expect(graph.shapes).toHaveLength(7);
    expect(graph.output).toBe(6);
  });

  it('is gone from resnet20 altogether, and so is the activation before it', () => {
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
