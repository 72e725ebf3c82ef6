import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { describeDataset } from '../../src/data/identity.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { normsOf } from '../../src/nn/convert/normLeaf.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { outputsAlone, stateAlone } from '../../src/runtime/alone.ts';
import { checkpointOf } from '../../src/runtime/resume.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { resolveOptions, type TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const data = synthetic({ train: 64, test: 21, shape: [8, 8, 1], classes: 4, seed: 3 });
const purpose = { inputShape: data.inputShape, classes: 4 };
const base = {
  model: convertNorm(namedModel('mnist-cnn', purpose), { to: 'sync' }),
  data,
  optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
  replicas: 3,
  workers: 2,
  globalBatch: 16,
} as const satisfies TrainerOptions;
const folder = mkdtempSync(join(tmpdir(), 'syncbn-export-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function withTrainer<T>(
  change: Partial<TrainerOptions>,
  use: (trainer: Trainer) => Promise<T>,
): Promise<T> {
  const trainer = await Trainer.start({ ...base, ...change });
  try {
    for await (const _ of trainer.fit({ epochs: 1 }));
    return await use(trainer);
  } finally {
    await trainer.close();
  }
}

describe('exportInference', () => {
  it('folds what it can, compares, and writes an equivalent checkpoint', async () => {
    const path = join(folder, 'folded.ckpt');
    await withTrainer({}, async (trainer) => {
      const before = await trainer.evaluate();
      const found = await trainer.exportInference({ path });
      expect(found.folded).toEqual([
        { layer: '1.batchNorm', into: '0.conv2d' },
        { layer: '5.batchNorm', into: '4.conv2d' },
        { layer: '10.batchNorm', into: '9.linear' },
      ]);
      expect([found.left, normsOf(found.model), found.countInputs]).toEqual([[], [], 16]);
      expect(found.maxDifference).toBeGreaterThan(0);
      expect(found.maxDifference).toBeLessThan(1e-5 * found.maxOutput);
      const folded = await Trainer.resume(path, { data, workers: 1 });
      const after = await folded.evaluate();
      expect(after.accuracy).toBe(before.accuracy);
      expect(after.loss).toBeCloseTo(before.loss, 5);
      const inputs = data.test.inputs.slice(0, 5 * 64);
      const [alone] = await outputsAlone(folded.config, found.weights, inputs, 5);
      expect(alone).toEqual(await folded.predict(inputs));
      await folded.close();
    });
  });

  it('folds layers that are frozen, or have their own rate, by their path', async () => {
    const path = join(folder, 'frozen.ckpt');
    const named = {
      freeze: ['9.linear.*'],
      parameterGroups: [{ match: '12.linear.*', lrScale: 0.5 }],
    };
    await withTrainer(named, async (trainer) => {
      const { accuracy } = await trainer.evaluate();
      await trainer.exportInference({ path });
      const folded = await Trainer.resume(path, { data, workers: 1 });
      expect((await folded.evaluate()).accuracy).toBe(accuracy);
      await folded.close();
    });
  });

  it('does not change any bits of a model without batch normalization', async () => {
    const model = convertNorm(base.model, { to: 'group' });
    await withTrainer({ model }, async (trainer) => {
      const found = await trainer.exportInference();
      expect([found.folded, found.left.length, found.maxDifference]).toEqual([[], 3, 0]);
      expect(found.model).toEqual(model);
    });
  });

  it('refuses outputs that differ by too much, and corrected evaluation', async () => {
    await withTrainer({}, async (trainer) => {
      const strict = trainer.exportInference({ tolerance: 0 });
      await expect(strict).rejects.toThrow(UsageError);
      await expect(strict).rejects.toThrow(
        /^outputs of the folded model: expected .*, got "a difference of/,
      );
      const inputs = new Float32Array(3);
      await expect(trainer.exportInference({ inputs })).rejects.toThrow(/inputs of exportInf/);
      await expect(trainer.exportInference({ tolerance: -1 })).rejects.toThrow(
        /tolerance: expected .*, got -1/,
      );
    });
    await withTrainer({ evalCorrection: 'auto' }, async (trainer) => {
      await expect(trainer.exportInference()).rejects.toThrow(
        /evalCorrection: expected .*, got "auto"/,
      );
    });
  });

  it('detects a mean so large that folding loses the output', async () => {
    const vectors = synthetic({ train: 8, test: 4, shape: [1], classes: 2 });
    const ones = {
      count: 4,
      inputs: Float32Array.of(0.1, 0.2, 0.3, 0.4),
      targets: new Int32Array(4),
    };
    const floats = { ...vectors, inputType: 'f32' as const, mean: [0], std: [1] };
    const dataset = { ...floats, train: ones, test: ones };
    const model: LayerSpec = sequential([linear(1, 2), batchNorm(2)]);
    const options = { ...base, model, data: dataset, globalBatch: 4, replicas: 1, workers: 1 };
    const config = resolveOptions(options);
    const values = (...list: number[]) => ({
      shape: [list.length],
      values: Float32Array.from(list),
    });
    const wide = (...list: number[]) => ({ shape: [list.length], values: Float64Array.from(list) });
    const tensors = stateAlone(
      config,
      new Map<string, ReturnType<typeof values> | ReturnType<typeof wide>>([
        ['0.linear.weight', values(1, 1)],
        ['0.linear.bias', values(1e4, 1e4)],
        ['1.batchNorm.runningMean', wide(1e4, 1e4)],
        ['1.batchNorm.runningVar', wide(1e-4, 1e-4)],
      ]),
    );
    const counters = { step: 0, epochs: 1, epochSums: new Float64Array(4) };
    const described = describeDataset(dataset);
    const saved = checkpointOf({ runId: 'a run', config, data: described, tensors, ...counters });
    const trainer = await Trainer.resume(saved, { data: dataset, workers: 1 });
    await expect(trainer.exportInference()).rejects.toThrow(/outputs of the folded model/);
    await trainer.close();
  });
});
