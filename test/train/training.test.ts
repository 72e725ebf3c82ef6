// Twenty steps of a small net with every optimizer, on batches of unequal size, against PyTorch's
// numbers (test/support/golden/training.json).

import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { parseOptimizer } from '../../src/optim/optimizer.ts';
import type { OptimizerSpec } from '../../src/optim/optimizers.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { resolveOptions } from '../../src/runtime/trainerOptions.ts';
import {
  type GoldenOptimizer,
  type GoldenRun,
  type GoldenTensors,
  loadGoldenTraining,
} from '../support/golden/load.ts';
import { expectWeights, namesIn, startFrom, TOLERANCE } from '../support/golden/runs.ts';
import { MODES } from '../support/kernelFixture.ts';

const golden = loadGoldenTraining();
const model = sequential(golden.layers as unknown as readonly LayerSpec[]);
const [SAMPLES, ...IMAGE] = golden.input.shape as [number, ...number[]];

const data: Dataset = {
  name: 'golden',
  inputShape: IMAGE,
  inputType: 'f32',
  task: { kind: 'classification', classes: Math.max(...golden.labels) + 1 },
  mean: [0],
  std: [1],
  train: { count: SAMPLES, inputs: golden.input.data, targets: Int32Array.from(golden.labels) },
  test: { count: 0, inputs: new Float32Array(0), targets: new Int32Array(0) },
};

function optimizerOf(options: GoldenOptimizer): OptimizerSpec {
  const { decays, adapts, ...rest } = options;
  return parseOptimizer({
    ...rest,
    decayNormAndBias: decays === 'all',
    ...(adapts !== undefined && { adaptNormAndBias: adapts === 'all' }),
  });
}

const ownName = namesIn(golden.layers);

/** A checkpoint of no steps that holds the golden start. */
function startOf(run: GoldenRun, spec: LayerSpec, options: Variant): Checkpoint {
  const { replicas, mode } = options;
  const config = resolveOptions({
    model: spec,
    data,
    optimizer: optimizerOf(run.optimizer),
    ...(run.clipNorm !== null && { clipNorm: run.clipNorm }),
    ...(run.clipValue !== null && { clipValue: run.clipValue }),
    globalBatch: golden.batch,
    shuffle: false,
    replicas,
    workers: 1,
    mode,
  });
  return startFrom(config, data, golden.initialParameters, ownName);
}

interface Variant {
  readonly mode: 'strict' | 'fast';
  readonly replicas: number;
  readonly workers: number;
}

const expectNear = (trainer: Trainer, tensors: GoldenTensors): void =>
  expectWeights(trainer, tensors, ownName);

async function expectGolden(run: GoldenRun, variant: Variant): Promise<void> {
  const spec = convertNorm(model, { to: 'sync' });
  const checkpoint = startOf(run, spec, variant);
  const trainer = await Trainer.resume(checkpoint, { data, workers: variant.workers });
  try {
    const losses: number[] = [];
    for await (const { loss } of trainer.fit({ epochs: run.losses.length })) losses.push(loss);
    expect(losses.length).toBe(run.losses.length);
    for (const [i, loss] of losses.entries()) {
      expect(Math.abs(loss - run.losses[i]!), `epoch ${i + 1}`).toBeLessThanOrEqual(TOLERANCE);
    }
    expectNear(trainer, run.parameters);
    expectNear(trainer, run.buffers);
  } finally {
    await trainer.close();
  }
}

const VARIANTS: readonly Variant[] = MODES.flatMap((mode) => [
  { mode, replicas: 1, workers: 1 },
  { mode, replicas: 3, workers: 2 },
]);

describe.each(VARIANTS)('training, $mode, SyncBN over $replicas replicas', (variant) => {
  it.each(golden.runs.map((run) => [run.name, run] as const))(
    "matches PyTorch's steps with %s",
    async (_name, run) => expectGolden(run, variant),
  );
});

describe('training', () => {
  it('over uneven and empty shards takes the same steps', async () => {
    for (const replicas of [5, 16]) {
      await expectGolden(golden.runs[0]!, { mode: 'strict', replicas, workers: 2 });
    }
  });

  it('with one replica is the same with local batch normalization', async () => {
    const hashes: string[] = [];
    for (const spec of [model, convertNorm(model, { to: 'sync' })]) {
      const variant = { mode: 'strict', replicas: 1, workers: 1 } as const;
      const start = startOf(golden.runs[0]!, spec, variant);
      const trainer = await Trainer.resume(start, { data, workers: 1 });
      for await (const _ of trainer.fit({ epochs: 2 }));
      hashes.push(trainer.weightsHash());
      await trainer.close();
    }
    expect(hashes[1]).toBe(hashes[0]);
  });
});
