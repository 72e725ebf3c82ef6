// Inputs and targets in units that float32 or a fresh model cannot take as they are: what a run
// learns of them, gives back for them, and says of them.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { dataNotices } from '../../src/data/notices.ts';
import { openDataset } from '../../src/data/open.ts';
import { standardizeTargets } from '../../src/data/targets.ts';
import type { Task } from '../../src/data/task.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { folderOf, npyBytes } from '../support/dataFiles.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-units-'));
afterAll(() => rmSync(folder, { recursive: true }));

const COUNT = 64;

/** y = 17,000 + 40 i of x = 1.7e9 + i: neither is near the units of a model. */
function far(count: number): { readonly x: Float64Array; readonly y: Float64Array } {
  const x = Float64Array.from({ length: count }, (_, i) => 1.7e9 + i);
  return { x, y: x.map((value) => 17_000 + 40 * (value - 1.7e9)) };
}

async function farData(): Promise<Dataset> {
  const { x, y } = far(COUNT);
  return openDataset(
    await folderOf({
      'x_train.npy': npyBytes('<f8', [COUNT, 1], x),
      'y_train.npy': npyBytes('<f8', [COUNT], y),
      'x_test.npy': npyBytes('<f8', [8, 1], x.subarray(0, 8)),
      'y_test.npy': npyBytes('<f8', [8], y.subarray(0, 8)),
    }),
  );
}

const optionsOf = (data: Dataset): TrainerOptions => ({
  ...{ model: sequential([linear(1, 1)]), data, optimizer: sgd({ lr: 0.1 }) },
  ...{ replicas: 2, replicaBatch: 8, workers: 1, onNotice: () => {} },
});

describe('data in large units', () => {
  it('can be trained on, predicted in its units, exported, and resumed', async () => {
    const data = await farData();
    const { x, y } = far(COUNT);
    const path = join(folder, 'far.ckpt');
    const trainer = await Trainer.start(optionsOf(data));
    try {
      for await (const { loss } of trainer.fit({ epochs: 20 })) expect(loss).toBeLessThan(9);
      expect((await trainer.evaluate('train')).loss).toBeLessThan(1e-6);
      const outputs = await trainer.predict(x);
      for (const [i, output] of outputs.entries()) expect(output).toBeCloseTo(y[i]!, 0);
      await expect(trainer.predict(Float32Array.from(x))).rejects.toThrow(
        /expected Float64Array of n times 1.*, got "Float32Array of length 64"/,
      );
      const { maxOutput } = await trainer.exportInference({ inputs: x });
      expect(maxOutput).toBeLessThan(2);
      await trainer.save(path);
      const resumed = await Trainer.resume(path, {
        data: await farData(),
        workers: 1,
        onNotice: () => {},
      });
      try {
        expect(await resumed.predict(x)).toEqual(outputs);
      } finally {
        await resumed.close();
      }
    } finally {
      await trainer.close();
    }
  });

  const inputs = Float32Array.of(0, 1, 2, 3);
  const regression: Task = { kind: 'regression', targetShape: [2] };
  const made = (targets: number[], changes: Partial<Dataset> = {}): Dataset => ({
    ...{ name: 'made', inputShape: [1], inputType: 'f32', task: regression },
    ...{ mean: [1.5], std: [1] },
    train: { count: 4, inputs, targets: Float32Array.from(targets) },
    test: { count: 0, inputs: new Float32Array(0), targets: new Float32Array(0) },
    ...changes,
  });
  const LARGE = [0, 17_000, 1, 17_040, 0, 17_080, 1, 17_120];

  it('is not reported if it is near 0 and 1', () => {
    expect(dataNotices(made([0, 1, 2, 0, 1, 1, 0, 0]))).toEqual([]);
  });

  it('is reported with its mean, std and the remedy, which works', () => {
    const [notice, ...others] = dataNotices(made(LARGE));
    expect(notice).toMatch(/value 1: mean 1.71e\+4, std 44.7.*standardizeTargets\(data\)/);
    expect(others).toEqual([]);
    const standard = standardizeTargets(made(LARGE));
    expect(dataNotices(standard)).toEqual([]);
    expect(standard.task).toMatchObject({ mean: [0.5, 17_060] });
    expect(() => standardizeTargets(standard)).toThrow(/standardized targets/);
  });

  it('is reported if predictions cannot represent the differences', async () => {
    const y = Float64Array.from({ length: 4 }, (_, i) => 1.7e9 + i);
    const x = Float64Array.from({ length: 4 }, (_, i) => i);
    const files = { x: npyBytes('<f8', [4, 1], x), y: npyBytes('<f8', [4], y) };
    const data = await openDataset(
      await folderOf({
        ...{ 'x_train.npy': files.x, 'y_train.npy': files.y },
        ...{ 'x_test.npy': files.x, 'y_test.npy': files.y },
      }),
    );
    expect(dataNotices(data)).toEqual([
      expect.stringMatching(/value 0: mean 1.70e\+9, std 1.12\): .* in steps of 128\. Subtract/),
    ]);
  });

  it('is recognized if its targets are one-hot', () => {
    const notices = dataNotices(made([0, 1, 1, 0, 0, 1, 1, 0]));
    expect(notices).toEqual([expect.stringMatching(/^Each target of made is one-hot.*Int32Array/)]);
  });

  it('is reported if float32 has rounded it, and if it never changes', () => {
    const train = { count: 4, targets: new Float32Array(8) };
    const rounded = Float32Array.of(1.7e9, 1.7e9, 1.7e9, 1.7e9 + 128);
    expect(dataNotices(made([], { mean: [1.7e9], train: { ...train, inputs: rounded } }))).toEqual([
      expect.stringMatching(
        /float32 rounds away their differences, in columns 0 \(mean 1.70e\+9\)/,
      ),
    ]);
    const constant = new Float32Array(4).fill(3);
    expect(dataNotices(made([], { mean: [3], train: { ...train, inputs: constant } }))).toEqual([
      expect.stringMatching(/^All 4 training samples of made have the same inputs in columns 0:/),
    ]);
  });
});
