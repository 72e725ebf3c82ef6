import { describe, expect, it } from 'vitest';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { diagnose } from '../../src/doctor/doctor.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm, groupNorm } from '../../src/nn/specs/norms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import type { TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { syncbn } from '../support/cli.ts';

const data = synthetic({ shape: [24], train: 400, test: 200 });
const model = sequential([linear(24, 64), batchNorm(64), relu(), linear(64, 10)]);
const trainer: TrainerOptions = {
  ...{ data, model, optimizer: sgd({ lr: 0.05 }), seed: 2 },
  ...{ replicas: 4, replicaBatch: 10, workers: 2 },
};

describe('diagnose', () => {
  it('measures the shift of independent samples, and recommends sharing statistics', async () => {
    const seen: number[] = [];
    const found = await diagnose({ trainer, steps: 20, onProgress: (done) => seen.push(done) });
    expect(found).toMatchObject({ replicas: 4, replicaBatch: 10, workers: 2, steps: 20 });
    expect(seen).toEqual([5, 10, 15, 20]);
    const [layer] = found.layers;
    expect(layer).toMatchObject({ layer: '1.batchNorm', samples: 10, positions: 1, values: 10 });
    // Classes shift all features together, so that the features' shifts are not independent.
    const { meanShift, expectedShift } = layer!;
    expect(expectedShift).toBeCloseTo(Math.sqrt(0.75 / 10), 12);
    expect(meanShift / expectedShift).toBeGreaterThan(0.5);
    expect(meanShift / expectedShift).toBeLessThan(1.5);
    expect(layer!.groupNorm).toBe('groupNorm (4 groups of 16 channels)');
    expect(layer!.groupValues).toBe(16);
    expect(found.variants.map(({ norm }) => norm)).toEqual(['local', 'sync', 'group']);
    for (const variant of found.variants) {
      expect(variant.stepMsLeast).toBeLessThanOrEqual(variant.stepMs);
      expect(variant.stepMs).toBeGreaterThan(0);
      expect(variant.testLoss).toBeGreaterThan(0);
      expect(variant.testCount).toBe(200);
    }
    expect(found.advice.gaining).toEqual(['1.batchNorm']);
  });

  it('makes fewer steps than requested if the budget runs out', async () => {
    const found = await diagnose({ trainer, steps: 100_000, budgetSeconds: 0.3 });
    expect(found.askedSteps).toBe(100_000);
    expect(found.steps).toBeGreaterThanOrEqual(10);
    expect(found.steps).toBeLessThan(100_000);
    expect(found.seconds).toBeLessThan(10);
  });

  it('does not change norms unless they are batchNorms that train', async () => {
    const kept = [groupNorm(8, 64), batchNorm(64, { frozen: true }), batchRenorm(64)];
    const mixed = sequential([linear(24, 64), ...kept, batchNorm(64), relu(), linear(64, 10)]);
    const found = await diagnose({ trainer: { ...trainer, model: mixed }, steps: 10 });
    expect(found.layers).toMatchObject([
      { layer: '4.batchNorm', groupNorm: 'groupNorm (4 groups of 16 channels)' },
    ]);
  });

  it('refuses a setting with nothing to diagnose, and suggests another', async () => {
    const bare = sequential([linear(24, 10)]);
    const expectRefused = (changes: Partial<TrainerOptions>, message: string | RegExp) =>
      expect(diagnose({ trainer: { ...trainer, ...changes } })).rejects.toThrow(message);
    await expectRefused(
      { model: bare },
      /model to diagnose: expected .*, got "no normalization layer"/,
    );
    const frozen = sequential([linear(24, 10), batchNorm(10, { frozen: true })]);
    await expectRefused(
      { model: frozen },
      /model to diagnose: expected .*, got "batchNorm \(frozen\)"/,
    );
    await expectRefused({ replicas: 1, workers: 1 }, /replicas of a diagnosis: expected .*, got 1/);
    await expectRefused(
      { replicaBatch: 1 },
      '1.batchNorm would have one value per channel, which has no variance',
    );
    await expect(diagnose({ trainer, steps: 3 })).rejects.toThrow(/steps: expected .*, got 3/);
    await expect(diagnose({ trainer, budgetSeconds: 0 })).rejects.toThrow(
      /budget: expected .*, got 0/,
    );
  });
});

describe('syncbn doctor', () => {
  const small = ['doctor', '--data', 'synthetic', '--limit', '300', '--workers', '1'];

  it('prints the layers, the training runs and a recommendation, as a table or JSON', async () => {
    const run = ['--steps', '10', '--replicas', '2', '--replica-batch', '8'];
    const [text, json] = await Promise.all([
      syncbn([...small, ...run]),
      syncbn([...small, ...run, '--json']),
    ]);
    expect(text.stderr).toBe('');
    expect(text.code).toBe(0);
    for (const part of ['2 replicas of 8 samples on 1 workers', 'effective', 'Recommendation: ']) {
      expect(text.stdout).toContain(part);
    }
    expect(json.code).toBe(0);
    const [event] = json.events;
    expect(event).toMatchObject({ event: 'diagnosis', replicas: 2, replicaBatch: 8, steps: 10 });
    expect(event!.layers).toHaveLength(3);
    expect(event!.variants).toHaveLength(3);
  });

  it('ends with code 2 and a sentence if the batch is too small', async () => {
    const { code, stderr } = await syncbn([...small, '--replica-batch', '1']);
    expect(code).toBe(2);
    expect(stderr).toContain('10.batchNorm would have one value per channel');
    expect(stderr).toContain('of which a replica gets one');
  });
});
