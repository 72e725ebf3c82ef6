// A residual whose branches both end in a norm exchanges once for both. A dropout of nothing behind
// one of them keeps them apart: the same computation, each with an exchange of its own.

import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { dropout } from '../../src/nn/specs/dropout.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { globalAvgPool } from '../../src/nn/specs/pools.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { countSyncs, withOpenRun } from '../support/runs/openRun.ts';

const CHANNELS = 4;
const STEPS = 6;
const data = synthetic({ train: 40, test: 8, shape: [6, 6, CHANNELS], classes: 3 });

const conv = (): LayerSpec => conv2d(CHANNELS, CHANNELS, { kernel: 3, padding: 1, bias: false });

interface Case {
  readonly body: LayerSpec;
  readonly shortcut: LayerSpec;
  /** Whether a convolution before the residual needs the gradients of its input. */
  readonly isFirst?: boolean;
}

function modelOf({ body, shortcut, isFirst }: Case, isShared: boolean): LayerSpec {
  const apart = isShared ? [] : [dropout(0)];
  const branches = isFirst
    ? residual(sequential([body]), sequential([shortcut, ...apart]))
    : residual(sequential([conv(), body]), sequential([conv(), shortcut, ...apart]));
  const before = isFirst ? [] : [conv()];
  return sequential([...before, branches, globalAvgPool(), linear(CHANNELS, 3)]);
}

/** Trains, and tells the bits of all tensors in the order of the model and how often the workers
 * synchronized. */
async function train(model: LayerSpec, replicas: number, workers: number) {
  const optimizer = sgd({ lr: 0.1, momentum: 0.9 });
  const options = { model, data, optimizer, replicas, workers, globalBatch: 9 };
  return withOpenRun(options, async (run) => {
    const { trainer } = run;
    for await (const _ of trainer.fit({ epochs: 9, maxSteps: STEPS }));
    const synchronizations = countSyncs(run);
    const bits = [...trainer.weights().values()].map(({ values }) => [...values]);
    return { bits, synchronizations, loss: (await trainer.evaluate()).loss };
  });
}

describe('norms at the ends of both branches', () => {
  it.each<[string, Case, number]>([
    ['of one sync group', pairOf('sync', 'sync'), 2],
    ['of groups of different sizes', pairOf(2, 'sync'), 2],
    ['of which one is local', pairOf('local', 'sync'), 0],
    [
      'that are renormalized',
      {
        body: batchRenorm(CHANNELS, { sync: 'all' }),
        shortcut: batchNorm(CHANNELS, { sync: 'all' }),
      },
      2,
    ],
    ['whose input needs no gradient', { ...pairOf('sync', 'sync'), isFirst: true }, 1],
  ])('%s give the same bits as separately, on any number of workers', async (_, example, saved) => {
    const apart = await train(modelOf(example, false), 5, 2);
    const together = await train(modelOf(example, true), 5, 2);
    const alone = await train(modelOf(example, true), 5, 1);
    expect(together.bits).toEqual(apart.bits);
    expect(together.loss).toBe(apart.loss);
    expect(alone.bits).toEqual(together.bits);
    expect(apart.synchronizations - together.synchronizations).toBe(STEPS * saved);
  });
});

function pairOf(body: 'local' | 'sync' | number, shortcut: 'local' | 'sync' | number): Case {
  return {
    body: batchNorm(CHANNELS, { sync: body }),
    shortcut: batchNorm(CHANNELS, { sync: shortcut }),
  };
}
