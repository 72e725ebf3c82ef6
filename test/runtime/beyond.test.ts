// Addresses above 2 GiB: signed 32-bit arithmetic would make them negative. The memory below them
// is reserved and never touched, so the tests cost little.

import { describe, expect, it } from 'vitest';
import { fillArena, hashWeights, stateTensors } from '../../src/checkpoint/state.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { storeSamples } from '../../src/data/stored/storeSamples.ts';
import { compileKernels } from '../../src/kernels/load.ts';
import { createArena, viewOf } from '../../src/memory/arena.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { planRun } from '../../src/plan/plan.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import { bindWorker } from '../../src/train/worker.ts';
import { launchBuilt } from '../support/runs/launchBuilt.ts';

const BEYOND_BYTES = 2 ** 31 + 2 ** 20;
/** What an evaluation keeps of each sample. */
const EVALUATED_BYTES = 16;
const JOB = new URL('../support/jobs/beyond.mjs', import.meta.url);

describe('collectives of a group', () => {
  it('give the same results beyond 2 GiB of shared memory', async () => {
    const launch = await launchBuilt();
    const run = (beyond: number): Promise<unknown[]> =>
      launch(JOB, {
        workers: 4,
        args: { beyond },
        sharedBytes: beyond + 2 ** 27,
        timeoutMs: 10_000,
        jobTimeoutMs: 20_000,
      });
    const below = await run(0);
    const beyond = await run(BEYOND_BYTES);
    expect(beyond).toEqual(below);
    expect(below[0]).toHaveLength(2 * 2 * 4 * 9);
  });
});

describe('training', () => {
  it('gives the same bits in an arena beyond 2 GiB', () => {
    const data = synthetic({ train: 48, test: 12, shape: [16, 16, 3], classes: 5 });
    const config = resolveOptions({
      model: convertNorm(namedModel('resnet20', { inputShape: data.inputShape, classes: 5 }), {
        to: 'sync',
      }),
      data,
      optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
      clipNorm: 1,
      augmentation: { shift: 2, flip: true },
      replicas: 2,
      workers: 1,
      replicaBatch: 8,
    });
    const train = (countTest: number) => {
      // Test samples that nobody looks at push what lies behind them far up.
      const plan = planRun({ ...config, data: { ...config.data, countTest } });
      const memory = createArena(plan.layout);
      fillArena(plan, memory);
      const samples = storeSamples(data, plan.config);
      const worker = bindWorker({ plan, module: compileKernels('fast'), memory, samples, rank: 0 });
      worker.train(0, 3, 3);
      worker.evaluate('train');
      worker.measure(3, 2, 'pooled');
      const { evaluated } = plan.regions.inference;
      const losses = viewOf(memory, evaluated).slice(0, 2 * data.train.count);
      const isBeyond = plan.regions.parameters.values.offsetBytes > 2 ** 31;
      return { isBeyond, hash: hashWeights(stateTensors(plan, memory)), losses };
    };
    const below = train(data.test.count);
    const beyond = train(Math.ceil(BEYOND_BYTES / EVALUATED_BYTES));
    expect([below.isBeyond, beyond.isBeyond]).toEqual([false, true]);
    expect({ ...beyond, isBeyond: false }).toEqual(below);
  });
});
