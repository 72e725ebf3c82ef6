// What frozen parameters cost: nothing below the lowest layer that trains, and no gradients.

import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { adam } from '../../src/optim/optimizer.ts';
import { stepExchanges, trafficOf } from '../../src/plan/exchanges.ts';
import { planRun, type RunPlan } from '../../src/plan/plan.ts';
import { resolveOptions, type TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { countSyncs, withOpenRun } from '../support/runs/openRun.ts';

const data = synthetic({ train: 64, test: 8, shape: [8, 8, 3], classes: 5 });
const purpose = { inputShape: data.inputShape, classes: 5 };
const base = {
  model: namedModel('refnet', purpose),
  norm: { to: 'sync' },
  data,
  optimizer: adam({ lr: 0.01 }),
  globalBatch: 16,
  replicas: 4,
  workers: 1,
} as const satisfies TrainerOptions;
const HEAD = ['*', '!10.*'];

function planOf(change: Partial<TrainerOptions>, processes = 1): RunPlan {
  const config = resolveOptions({ ...base, ...change });
  const workers = Array.from({ length: processes }, () => 1);
  return planRun(processes === 1 ? config : { ...config, place: { process: 0, workers } });
}

const sentBytes = (plan: RunPlan): number =>
  stepExchanges(plan).reduce((sum, exchange) => sum + trafficOf(exchange).sentBytes, 0);

describe('frozen parameters', () => {
  it('have neither gradients nor optimizer state nor blocks', () => {
    const { parameters, regions } = planOf({ freeze: HEAD });
    const trained = parameters.entries.filter(({ isTrained }) => isTrained);
    expect(trained.map(({ name }) => name)).toEqual(['10.linear.weight', '10.linear.bias']);
    expect(new Set(parameters.blocks.map(({ entry }) => entry))).toEqual(new Set(trained));
    const { gradients, optimizerState, values } = regions.parameters;
    for (const region of [gradients, ...optimizerState]) {
      expect(region.shape).toEqual([parameters.trainedLength]);
    }
    expect(parameters.trainedLength).toBeLessThan(values.shape[0]! / 10);
  });

  it('leave no activation gradients below the lowest layer that trains', () => {
    const { workers, graph } = planOf({ freeze: HEAD });
    const { gradientOffsetsBytes } = workers[0]!.microBatches[0]!.storage;
    const needed = gradientOffsetsBytes.filter((offset) => offset >= 0);
    expect(needed).toHaveLength(1);
    expect(gradientOffsetsBytes[graph.output]).toBeGreaterThanOrEqual(0);
  });

  it('use less memory, including that of activations that backward would have read', () => {
    const whole = planOf({}).workers[0]!.storage.sizeBytes;
    expect(planOf({ freeze: HEAD }).workers[0]!.storage.sizeBytes).toBeLessThan(whole / 1.5);
  });

  it('are not sent between processes', () => {
    const freeze = ['3.*', '6.*'];
    const { parameters } = planOf({ freeze }, 2);
    const saved = (parameters.length - parameters.trainedLength) * 4;
    expect(sentBytes(planOf({}, 2)) - sentBytes(planOf({ freeze }, 2))).toBeGreaterThan(saved / 2);
  });

  it('end no early part of the gradients at a norm without a backward exchange', () => {
    const model = namedModel('resnet20', purpose);
    const { gradients, graph } = planOf({ model, freeze: ['0.*', '3.*'] }, 2);
    const places = gradients.parts.flatMap(({ wholeAfter }) => wholeAfter ?? []);
    const first = graph.operations.findIndex(({ path }) => path === '1.batchNorm');
    expect(places.length).toBeGreaterThan(0);
    expect(Math.min(...places)).toBeGreaterThan(first);
  });

  it.each<[string, Partial<TrainerOptions>, number]>([
    ['the head alone', { freeze: HEAD }, 3 + 2],
    ['a norm of which no input gradient is needed', { freeze: ['0.*', '1.*', '3.*'] }, 3 + 1 + 2],
    [
      'running statistics that stay',
      { batchNorm: [{ updateStatistics: false, statistics: 'running' }] },
      2,
    ],
    ['running statistics that move', { batchNorm: [{ statistics: 'running' }] }, 3 + 2],
  ])('synchronize no more than %s needs', async (_name, change, count) => {
    await withOpenRun({ ...base, workers: 2, ...change }, async (run) => {
      const syncsFor = async (maxSteps: number): Promise<number> => {
        const before = countSyncs(run);
        for await (const _ of run.trainer.fit({ epochs: 1, maxSteps }));
        return countSyncs(run) - before;
      };
      const first = await syncsFor(1);
      expect((await syncsFor(4)) - first).toBe(2 * count);
    });
  });
});

describe('patterns', () => {
  it('apply in order, and the last match wins', () => {
    const { entries } = planOf({ freeze: ['*', '!*.bias', '1.*'] }).parameters;
    const trained = entries.filter(({ isTrained }) => isTrained).map(({ name }) => name);
    expect(trained).toEqual(['4.batchNorm.bias', '7.batchNorm.bias', '10.linear.bias']);
  });

  it.each<[string, Partial<TrainerOptions>, RegExp]>([
    [
      'freeze',
      { freeze: ['10.linear.weigth'] },
      /freeze '10\.linear\.weigth' .*0\.conv2d\.weight.*Try: '10\.linear\.weight'/,
    ],
    ['freeze of all', { freeze: ['*'] }, /leave a parameter to train.*!10\.linear\.bias/],
    [
      'a group',
      { parameterGroups: [{ match: '11.*', lrScale: 2 }] },
      /parameterGroups '11\.\*' matches none/,
    ],
    ['a norm', { batchNorm: [{ match: '0.*' }] }, /batchNorm '0\.\*' .*1\.batchNorm/],
  ])('that match nothing are refused: %s', (_name, change, message) => {
    expect(() => planOf(change)).toThrow(message);
  });
});
