// Gradients that go early: what is in a part is done with once backward is past its operation.

import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { planRun, type RunPlan } from '../../src/plan/plan.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';

const data = synthetic({ train: 64, test: 8, shape: [8, 8, 3], classes: 5 });

function planOf(to: 'sync' | 'group', processes: number): RunPlan {
  const model = namedModel('resnet20', { inputShape: data.inputShape, classes: 5 });
  const run = { model, norm: { to }, data, optimizer: sgd({ lr: 0.1 }), globalBatch: 16 };
  const config = resolveOptions({ ...run, workers: 1 });
  const workers = Array.from({ length: processes }, () => 1);
  return planRun(processes === 1 ? config : { ...config, place: { process: 0, workers } });
}

describe('the parts of the gradients', () => {
  it('follow each other from the last block to the first', () => {
    const { gradients, parameters } = planOf('sync', 2);
    expect(gradients.parts.length).toBeGreaterThan(3);
    let { length } = parameters.blocks;
    for (const { lo, hi } of gradients.parts) {
      expect(hi).toBe(length);
      length = lo;
    }
    expect(length).toBe(0);
  });

  it('hold only gradients that backward has finished before their operation', () => {
    const { gradients, parameters, graph } = planOf('sync', 2);
    const places = new Map(graph.operations.map(({ path }, place) => [path, place]));
    for (const { lo, hi, wholeAfter } of gradients.parts.slice(0, -1)) {
      for (const { entry } of parameters.blocks.slice(lo, hi)) {
        expect(places.get(entry.layerPath)).toBeGreaterThan(wholeAfter!);
      }
    }
    const after = gradients.parts.map(({ wholeAfter }) => wholeAfter ?? -1);
    expect(after).toEqual([...after].sort((a, b) => b - a));
  });

  it('are a single part if processes do not meet in backward', () => {
    expect(planOf('sync', 1).gradients.parts).toHaveLength(1);
    expect(planOf('group', 2).gradients.parts).toHaveLength(1);
  });

  it('divide the folding of each part among all processes', () => {
    const plans = planOf('sync', 3);
    for (const { folded, lo, hi } of plans.gradients.parts.slice(0, -1)) {
      const blocks = folded.reduce((sum, range) => sum + range.hi - range.lo, 0);
      expect(blocks).toBeGreaterThan(0);
      expect(blocks).toBeLessThan(hi - lo);
    }
  });
});
