// Evaluation by batch statistics, where a norm keeps no running ones: over many small batches with
// a single norm, since workers that synchronize nowhere else could run ahead into the next batch.

import { expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';

const data = synthetic({ train: 16, test: 8000, shape: [4, 4, 4], classes: 3, seed: 1 });
const trackRunningStats = false;

it.each(['all', 4] as const)('has the bits of one worker, sync %s', async (sync) => {
  const results = [];
  for (const workers of [1, 2, 5]) {
    const trainer = await Trainer.start({
      model: sequential([flatten(), batchNorm(64, { sync, trackRunningStats }), linear(64, 3)]),
      data,
      optimizer: sgd({ lr: 0.1 }),
      ...{ replicas: 8, globalBatch: 16, workers, seed: 1, onNotice() {} },
    });
    try {
      const { loss, accuracy } = await trainer.evaluate();
      results.push({ loss, accuracy });
    } finally {
      await trainer.close();
    }
  }
  for (const result of results) expect(result).toEqual(results[0]);
});
