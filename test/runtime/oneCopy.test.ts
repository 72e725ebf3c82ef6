// The samples of a run are in its arena alone: once it is started, nothing keeps them a second
// time.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { collectGarbage } from '../../src/cli/process/collect.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-copy-'));
afterAll(() => rmSync(folder, { recursive: true }));

const made = () => synthetic({ train: 64, test: 8, shape: [4, 4, 1], classes: 3 });

/** A trainer, and weak references to what it was given. */
async function started(checkpoint?: string) {
  const data = made();
  const model = sequential([flatten(), linear(16, 3)]);
  const run = { replicas: 2, workers: 1, optimizer: sgd({ lr: 0.1 }) };
  const trainer =
    checkpoint === undefined
      ? await Trainer.start({ model, data, ...run })
      : await Trainer.resume(checkpoint, { data, workers: 1 });
  const { train, test } = data;
  const given = [data, train.inputs, train.targets, test.inputs, test.targets];
  return { trainer, given: given.map((one) => new WeakRef<object>(one)) };
}

it('a new or resumed trainer keeps no second copy of its data, and needs none', async () => {
  const path = join(folder, 'run.ckpt');
  for (const checkpoint of [undefined, path]) {
    const { trainer, given } = await started(checkpoint);
    try {
      // What a turn of the event loop has looked at stays until its end.
      await turn();
      collectGarbage();
      expect(given.map((one) => one.deref())).toEqual(given.map(() => undefined));
      for await (const _ of trainer.fit({ epochs: 1 }));
      expect((await trainer.evaluate()).count).toBe(8);
      expect((await trainer.exportInference()).countInputs).toBe(8);
      await trainer.save(path);
    } finally {
      await trainer.close();
    }
  }
});
