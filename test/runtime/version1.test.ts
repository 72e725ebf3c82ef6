// version1.bin was written by syncbn 0.1.0 at its commit 6113c40, after 3 of 8 steps: 64 samples
// of synthetic data, 2 replicas of 8, strict, cosine, 2 epochs, seed 3. The hash is that of the
// same run, uninterrupted, by the same version.

import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { firstTrain } from '../../src/data/subset.ts';
import { Trainer } from '../../src/runtime/trainer.ts';

const UNINTERRUPTED = 'ea258b3d9ddc1df86b53ef631d99807711c1d4b7df002826a0a1a19657485da8';

it('a checkpoint of version 1 resumes with the bits of the uninterrupted run', async () => {
  const path = fileURLToPath(new URL('../support/checkpoints/version1.bin', import.meta.url));
  const trainer = await Trainer.resume(path, { data: firstTrain(synthetic(), 64), workers: 2 });
  try {
    expect([trainer.step, trainer.epochs, trainer.config.seed]).toEqual([3, 2, 3]);
    for await (const _ of trainer.fit({ epochs: trainer.epochs }));
    expect(trainer.step).toBe(8);
    expect(trainer.weightsHash()).toBe(UNINTERRUPTED);
  } finally {
    await trainer.close();
  }
});
