import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { netModel } from '../../src/simulate/nets.ts';
import { describeNetwork } from '../../src/simulate/network.ts';
import { checkNumerics, trainReplicas } from '../../src/simulate/numerics.ts';

const shape = [8, 8, 1];
const run = (replicas: number, replicaBatch: number, steps: number) =>
  trainReplicas({
    model: netModel('refnet', shape),
    data: synthetic({ train: replicas * replicaBatch * steps, test: 0, shape, classes: 10 }),
    optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
    replicas,
    replicaBatch,
    steps,
    seed: 1,
  });

describe('trainReplicas', () => {
  it('computes with exact statistics: synchronized, R devices are as good as one', async () => {
    const many = await run(8, 4, 3);
    const one = await run(1, 32, 3);
    expect(many.syncLosses).toHaveLength(3);
    for (const [step, loss] of many.syncLosses.entries()) {
      expect(loss).toBeCloseTo(one.syncLosses[step]!, 4);
    }
    // With one replica both norms are one and the same.
    expect(one.localLosses).toEqual(one.syncLosses);
    expect(one.weightDifference).toBe(0);
  });

  it('shows how far shards are from the global batch, and the effect on weights', async () => {
    const { divergence, localLosses, syncLosses, weightDifference } = await run(8, 2, 3);
    expect(divergence.map(({ layer }) => layer)).toEqual([
      '1.batchNorm',
      '4.batchNorm',
      '7.batchNorm',
    ]);
    for (const { meanShift, varianceFactor } of divergence) {
      expect(meanShift).toBeGreaterThan(0.05);
      expect(varianceFactor).toBeGreaterThan(1);
    }
    expect(localLosses).not.toEqual(syncLosses);
    expect(weightDifference).toBeGreaterThan(0);
  });
});

describe('checkNumerics', () => {
  it('refuses settings that would take long, and says what to do', () => {
    const network = describeNetwork('resnet50', netModel('resnet50'), [224, 224, 3]);
    const size = { replicas: 8, replicaBatch: 32, steps: 10, norms: 2 } as const;
    expect(() => checkNumerics(network, size)).toThrow(
      /10 steps of 8 x 32 samples: expected at most 6 TFLOP, got "12\d\.\d TFLOP".*Try: a smaller/,
    );
    checkNumerics(network, { replicas: 2, replicaBatch: 1, steps: 1, norms: 2 });
    // Shares of 1, 2, 4 and 8 hosts of a batch of 128, as on the page about simulating.
    const shared = describeNetwork('resnet20', netModel('resnet20'), [32, 32, 3]);
    checkNumerics(shared, { replicas: 1, replicaBatch: 240, steps: 30, norms: 1 });
  });
});
