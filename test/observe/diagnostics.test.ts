// The diagnostics of the norms through real trainers: shards with known statistics, any number of
// workers, when snapshots are taken, and that nothing exists if they are off.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { LayoutBuilder } from '../../src/memory/layout.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import type { SyncScope } from '../../src/nn/specs/normOptions.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { type Diagnostics, readDiagnostics } from '../../src/observe/diagnostics.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';

const EPS = 1e-5;
const CHANNELS = 4;
const SHARD = 8;
const REPLICAS = 3;
/** Of each replica: the mean and the distance of its values from it, in the channels alive. */
const MEANS = [0, 3, -3];
const SPREADS = [1, 2, 4];
const DEAD_CHANNEL = 2;

/** Replica r's samples are mean +- spread, in turns; one channel is constant. One value may leave
 * float32's range when it is loaded. */
function shardedData(overflow?: { readonly sample: number; readonly channel: number }): Dataset {
  const count = SHARD * REPLICAS;
  const inputs = new Float32Array(count * CHANNELS);
  for (let sample = 0; sample < count; sample++) {
    const replica = Math.floor(sample / SHARD);
    const side = sample % 2 === 0 ? 1 : -1;
    const value = MEANS[replica]! + side * SPREADS[replica]!;
    inputs.fill(value, sample * CHANNELS, (sample + 1) * CHANNELS);
    inputs[sample * CHANNELS + DEAD_CHANNEL] = 5;
  }
  const std = new Array<number>(CHANNELS).fill(1);
  if (overflow !== undefined) {
    inputs[overflow.sample * CHANNELS + overflow.channel] = 1e30;
    std[overflow.channel] = 1e-20;
  }
  return {
    name: 'shards',
    inputShape: [CHANNELS],
    inputType: 'f32',
    task: { kind: 'classification', classes: 2 },
    mean: new Array<number>(CHANNELS).fill(0),
    std,
    train: { count, inputs, targets: new Int32Array(count) },
    test: { count: 0, inputs: new Float32Array(0), targets: new Int32Array(0) },
  };
}

const optimizer = sgd({ lr: 0.01 });

function shardedOptions(sync: SyncScope, data = shardedData()): TrainerOptions {
  const model = sequential([batchNorm(CHANNELS, { sync, eps: EPS }), linear(CHANNELS, 2)]);
  const counts = { replicas: REPLICAS, replicaBatch: SHARD };
  return { model, data, optimizer, shuffle: false, diagnosticsEvery: 1, ...counts };
}

async function sampleOf(options: TrainerOptions, maxSteps: number): Promise<Diagnostics> {
  const trainer = await Trainer.start(options);
  try {
    for await (const _ of trainer.fit({ epochs: 1000, maxSteps }));
    return trainer.diagnostics()!;
  } finally {
    await trainer.close();
  }
}

/** Mean and biased variance of the shards [from, to) together. */
function momentsOf(from: number, to: number): { readonly mean: number; readonly variance: number } {
  const means = MEANS.slice(from, to);
  const mean = means.reduce((a, b) => a + b) / means.length;
  const squares = means.map((m, i) => SPREADS[from + i]! ** 2 + (m - mean) ** 2);
  return { mean, variance: squares.reduce((a, b) => a + b) / means.length };
}

describe('the diagnostics of shards with known statistics', () => {
  it.each([
    ['all replicas', 'all', [0, 0, 0], [3, 3, 3]],
    ['groups of two', 2, [0, 0, 2], [2, 2, 3]],
    ['each replica alone', 'local', [0, 1, 2], [1, 2, 3]],
  ] as const)('are what the formulas say, over %s', async (_, sync, from, to) => {
    const { step, layers } = await sampleOf({ ...shardedOptions(sync), workers: 1 }, 1);
    expect(step).toBe(0);
    expect(layers.map(({ path }) => path)).toEqual(['0.batchNorm']);
    for (const [replica, found] of layers[0]!.replicas.entries()) {
      const group = momentsOf(from[replica]!, to[replica]!);
      const ratio = (SPREADS[replica]! ** 2 + EPS) / (group.variance + EPS);
      const shift = Math.abs(MEANS[replica]! - group.mean) / Math.sqrt(group.variance + EPS);
      expect(found.count).toBe(SHARD);
      expect(found.meanShift).toBeCloseTo(shift, 12);
      expect(found.varianceRatio).toBeCloseTo(ratio, 12);
      expect(found.varianceFactor).toBeCloseTo(Math.max(ratio, 1 / ratio), 11);
      const conditioning = Math.abs(group.mean) / Math.sqrt(group.variance);
      expect(found.conditioning).toBeCloseTo(conditioning, 12);
      expect(found.deadShare).toBe(1 / CHANNELS);
      expect(found.nonFinite).toBe(0);
    }
  });

  it('name the replica that introduced an infinity', async () => {
    const data = shardedData({ sample: 2 * SHARD + 1, channel: 1 });
    const options = {
      ...shardedOptions('all', data),
      workers: 2,
      onNonFinite: 'continue',
    } as const;
    const { layers } = await sampleOf(options, 1);
    const { worst, replicas } = layers[0]!;
    expect(replicas.map(({ nonFinite }) => nonFinite)).toEqual([0, 0, 1]);
    expect(worst).toMatchObject({ replica: 2, nonFinite: 1 });
    expect(worst.meanShift).toBeGreaterThan(0);
  });
});

const images = synthetic({ train: 300, test: 20, shape: [12, 12, 3], classes: 5, seed: 3 });
const refnet = namedModel('refnet', { inputShape: images.inputShape, classes: 5 });
const imageOptions = {
  model: convertNorm(refnet, { to: 'sync' }),
  data: images,
  optimizer: sgd({ lr: 0.05, momentum: 0.9 }),
  replicas: 8,
  globalBatch: 53,
  diagnosticsEvery: 3,
} as const satisfies TrainerOptions;

describe('the diagnostics of a run', () => {
  it.each([
    ['all replicas', {}, 8],
    ['groups of three', { model: convertNorm(refnet, { to: 'sync', groupSize: 3 }) }, 8],
    ['each replica', { model: convertNorm(refnet, { to: 'local' }) }, 13],
    ['shards that are empty', { globalBatch: 5 }, 5],
    ['shards cut by grains', { grains: 3 }, 2],
    ['grains cut by shards', { grains: 53 }, 8],
  ])('are the same numbers on any number of workers over %s', async (_, change, most) => {
    const samples = [];
    for (const workers of [1, Math.min(most, 3), most]) {
      samples.push(await sampleOf({ ...imageOptions, ...change, workers }, 5));
    }
    expect(samples[0]).toMatchObject({ step: 3 });
    expect(samples[0]!.layers).toHaveLength(3);
    expect(samples[0]!.layers[0]!.replicas).toHaveLength(8);
    expect(samples[0]!.layers[0]!.worst.conditioning).toBeGreaterThan(0);
    for (const sample of samples.slice(1)) expect(sample).toEqual(samples[0]);
  });

  it('come from steps 0, n, 2n, ... and stay until the next, even through evaluation', async () => {
    const trainer = await Trainer.start({ ...imageOptions, workers: 2 });
    try {
      expect(trainer.diagnostics()).toBeUndefined();
      const steps: (number | undefined)[] = [];
      for (let maxSteps = 1; maxSteps <= 14; maxSteps++) {
        for await (const { diagnostics } of trainer.fit({ epochs: 9, maxSteps })) {
          steps.push(diagnostics?.step);
        }
      }
      expect([...new Set(steps)]).toEqual([0, 3, 6, 9, 12]);
      const before = trainer.diagnostics();
      expect(before?.step).toBe(12);
      await trainer.evaluate();
      expect(trainer.diagnostics()).toEqual(before);
    } finally {
      await trainer.close();
    }
  });

  it('are summarized in the progress: the worst of each layer', async () => {
    const trainer = await Trainer.start({ ...imageOptions, workers: 2 });
    try {
      for await (const { diagnostics } of trainer.fit({ epochs: 1 })) {
        const { step, layers } = trainer.diagnostics()!;
        const short = layers.map(({ path, worst }) => ({ path, ...worst }));
        expect(diagnostics).toEqual({ step, layers: short });
        for (const { worst, replicas } of layers) {
          expect(worst.meanShift).toBe(Math.max(...replicas.map(({ meanShift }) => meanShift)));
        }
      }
    } finally {
      await trainer.close();
    }
  });

  it('continue after a resume at the same steps and with the same numbers', async () => {
    const whole = await sampleOf({ ...imageOptions, workers: 2 }, 7);
    const folder = await mkdtemp(join(tmpdir(), 'syncbn-diagnostics-'));
    try {
      const path = join(folder, 'run.ckpt');
      const first = await Trainer.start({ ...imageOptions, workers: 1 });
      for await (const _progress of first.fit({ epochs: 1000, maxSteps: 5 }));
      await first.save(path);
      await first.close();
      const resumed = await Trainer.resume(path, { data: images, workers: 3, diagnosticsEvery: 3 });
      for await (const progress of resumed.fit({ epochs: 1000, maxSteps: 6 })) {
        expect(progress.diagnostics).toBeUndefined();
      }
      for await (const _progress of resumed.fit({ epochs: 1000, maxSteps: 7 }));
      expect(resumed.diagnostics()).toEqual(whole);
      await resumed.close();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('change no weights, and take no memory and report nothing if off', async () => {
    const found = [];
    for (const diagnosticsEvery of [0, 1]) {
      const trainer = await Trainer.start({ ...imageOptions, workers: 2, diagnosticsEvery });
      for await (const { diagnostics } of trainer.fit({ epochs: 1 })) {
        expect(diagnostics === undefined).toBe(diagnosticsEvery === 0);
      }
      const regions = trainer.layout.regions.filter(({ name }) => name.includes('diagnostics'));
      expect(regions).toHaveLength(diagnosticsEvery === 0 ? 0 : 1 + 3 * 2 + 2);
      if (diagnosticsEvery === 0) expect(trainer.diagnostics()).toBeUndefined();
      found.push(trainer.weightsHash());
      await trainer.close();
    }
    expect(found[1]).toBe(found[0]);
  });

  it('do not exist without batch norms', async () => {
    const model = convertNorm(refnet, { to: 'group' });
    const trainer = await Trainer.start({ ...imageOptions, model, workers: 1 });
    for await (const { diagnostics } of trainer.fit({ epochs: 1 })) {
      expect(diagnostics).toBeUndefined();
    }
    await trainer.close();
  });

  it.each([-1, 0.5, Number.NaN])('refuse diagnosticsEvery %d', async (diagnosticsEvery) => {
    const options = { ...imageOptions, workers: 1, diagnosticsEvery };
    await expect(Trainer.start(options)).rejects.toThrow(/diagnosticsEvery/);
  });
});

describe('reading a sample while workers go on', () => {
  const region = new LayoutBuilder().add({ name: 'a', type: 'f64', shape: [24], writer: 'main' });
  const layers = [{ path: 'a', reduction: 'a.moments', channels: 1, eps: EPS, pieces: [region] }];
  const values = new Float64Array(3 * 8);

  it.each([1, 2, 5])('reads it again if it may have been overwritten, every %d', (every) => {
    const plan = { every, layers, countReplicas: 1, results: region, shards: [region] };
    const done = [1, 3 * every - 1, 3 * every - 1, 3 * every - 1];
    const sample = readDiagnostics(plan, values, 0, () => done.shift()!);
    expect(sample?.step).toBe(Math.floor((3 * every - 2) / every) * every);
    expect(done).toEqual([]);
  });
});
