// Twenty steps of a recurrent net, on batches whose last one is smaller, against PyTorch's numbers
// (test/support/golden/sequences.json); the same bits for any split, and after a resume.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { parseOptimizer } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import { type GoldenSequence, loadGoldenSequences } from '../support/golden/load.ts';
import { expectWeights, namesIn, startFrom, TOLERANCE } from '../support/golden/runs.ts';

const golden = loadGoldenSequences();
const [SAMPLES, ...SEQUENCE] = golden.input.shape as [number, ...number[]];
/** Two epochs are trained, saved, and resumed on another number of workers. */
const STOP = 2;
const folder = mkdtempSync(join(tmpdir(), 'syncbn-sequences-'));
afterAll(() => rmSync(folder, { recursive: true }));

const data: Dataset = {
  name: 'golden sequences',
  inputShape: SEQUENCE,
  inputType: 'f32',
  task: { kind: 'classification', classes: Math.max(...golden.labels) + 1 },
  mean: Array.from({ length: SEQUENCE.at(-1)! }, () => 0),
  std: Array.from({ length: SEQUENCE.at(-1)! }, () => 1),
  train: { count: SAMPLES, inputs: golden.input.data, targets: Int32Array.from(golden.labels) },
  test: { count: 0, inputs: new Float32Array(0), targets: new Int32Array(0) },
};

interface Split {
  readonly replicas: number;
  readonly workers: number;
  readonly resumes: boolean;
}

/** Trains all epochs as PyTorch did; the hash of the weights. */
async function trained(run: GoldenSequence, split: Split): Promise<string> {
  const config = resolveOptions({
    model: sequential(run.layers as unknown as readonly LayerSpec[]),
    data,
    optimizer: parseOptimizer({ ...golden.optimizer }),
    globalBatch: golden.batch,
    shuffle: false,
    ...{ replicas: split.replicas, workers: 1, mode: 'strict' },
  });
  const nameOf = namesIn(run.layers);
  const start = startFrom(config, data, run.initialParameters, nameOf);
  const losses: number[] = [];
  const train = async (trainer: Trainer, epochs: number): Promise<void> => {
    for await (const { loss } of trainer.fit({ epochs })) losses.push(loss);
  };
  let trainer = await Trainer.resume(start, { data, workers: split.workers });
  try {
    if (split.resumes) {
      await train(trainer, STOP);
      const path = join(folder, 'run.ckpt');
      await trainer.save(path);
      await trainer.close();
      trainer = await Trainer.resume(path, { data, workers: 1 });
    }
    await train(trainer, run.losses.length);
    expect(trainer.step).toBe(run.losses.length * Math.ceil(SAMPLES / golden.batch));
    expect(losses.length).toBe(run.losses.length);
    for (const [i, loss] of losses.entries()) {
      expect(Math.abs(loss - run.losses[i]!), `epoch ${i + 1}`).toBeLessThanOrEqual(TOLERANCE);
    }
    expectWeights(trainer, { ...run.parameters, ...run.buffers }, nameOf);
    return trainer.weightsHash();
  } finally {
    await trainer.close();
  }
}

describe('training a recurrent net', () => {
  it.each(golden.runs.map((run) => [run.name, run] as const))(
    "matches PyTorch's steps, with the same bits for any split and after a resume, with %s",
    async (_name, run) => {
      const hash = await trained(run, { replicas: 1, workers: 1, resumes: false });
      const splits = [
        { replicas: 3, workers: 2, resumes: false },
        { replicas: 2, workers: 3, resumes: true },
      ];
      for (const split of splits) expect(await trained(run, split)).toBe(hash);
    },
  );
});
