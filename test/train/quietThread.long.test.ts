// Steps in a thread that has only trained, as a run's workers have.

import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { compileKernels } from '../../src/kernels/load.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import { bundle } from '../support/ranks/threads.ts';
import type { AllocationRequest } from '../support/runs/allocated.ts';

// Code that is not optimized yet boxes its float64 numbers; this way it is optimized soon.
setFlagsFromString('--interrupt-budget=5000');

const STEPS = 200;
const data = synthetic({ train: 512, test: 0, shape: [16, 16, 1], classes: 10 });

describe('a step in a thread of its own', () => {
  // A number for each of the 19 norms and two micro-batches would be 608 bytes.
  it.each([1, 2])('of resnet20 allocates no number per norm, with %i micro-batches', async (k) => {
    const model = namedModel('resnet20', { inputShape: data.inputShape, classes: 10 });
    const config = resolveOptions({
      model: convertNorm(model, { to: 'sync' }),
      data,
      optimizer: sgd({ lr: 0.01, momentum: 0.9 }),
      replicas: 4,
      workers: 1,
      replicaBatch: 2,
      microBatches: k,
    });
    const module = compileKernels('fast');
    const request: AllocationRequest = { config, data, module, steps: STEPS, windows: 2 };
    const file = await bundle('test/support/runs/allocatingThread.ts', 'allocatingThread');
    const [bytes] = await once(new Worker(file, { workerData: request }), 'message');
    expect(bytes / STEPS).toBeLessThan(300);
  });
});
