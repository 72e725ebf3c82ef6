// The loop of the experiments that record curves: windows, epochs, and how it ends.

import { describe, expect, it } from 'vitest';
import type { RunContext } from '../../src/experiments/engine/experiment.ts';
import {
  type CurveRun,
  LOSS_LIMIT,
  limitLoss,
  trainCurve,
} from '../../src/experiments/runs/lossCurve.ts';
import { plainPerceptron, purposeOf } from '../../src/experiments/runs/plainNets.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { TINY_DATA } from '../support/madeUp.ts';

const RUN: CurveRun = {
  model: plainPerceptron({
    ...purposeOf(TINY_DATA),
    norm: 'sync',
    depth: 1,
    width: 8,
    activation: 'tanh',
    init: 'torch',
  }),
  optimizer: sgd({ lr: 0.1 }),
  replicas: 2,
  replicaBatch: 16,
  // 128 samples are 4 steps per epoch, so windows of 3 cross the ends of epochs.
  steps: 10,
  windowSteps: 3,
  seed: 1,
};

function contextOf(options: Partial<RunContext> = {}): RunContext {
  const { signal } = new AbortController();
  return { dataset: TINY_DATA, workers: 2, signal, progress() {}, ...options };
}

describe('trainCurve', () => {
  it('has the same sum of losses for any windows', async () => {
    const threes = await trainCurve(RUN, contextOf());
    const ones = await trainCurve({ ...RUN, windowSteps: 1 }, contextOf());
    expect(ones.losses).toHaveLength(10);
    expect(threes.losses).toHaveLength(4);
    for (const [i, loss] of threes.losses.entries()) {
      const steps = ones.losses.slice(i * 3, i * 3 + 3);
      expect(loss).toBeCloseTo(steps.reduce((sum, value) => sum + value, 0) / steps.length, 10);
    }
  });

  it('never mistakes a diverged net for one that has learned', async () => {
    const model = plainPerceptron({
      ...purposeOf(TINY_DATA),
      ...{ norm: 'none', depth: 2, width: 8, activation: 'relu', init: 'kaimingNormal' },
    });
    // One epoch, so that a huge loss at its beginning is part of all later sums.
    const run = { ...RUN, model, replicaBatch: 2, windowSteps: 4, steps: 32 };
    for (const lr of [1e2, 1e4, 1e8]) {
      const { losses } = await trainCurve({ ...run, optimizer: sgd({ lr }) }, contextOf());
      expect(Math.max(...losses)).toBeGreaterThan(100);
      expect(Math.min(...losses)).toBeGreaterThan(0.1);
    }
  });

  it('evaluates the requested splits, and reports progress', async () => {
    const shares: number[] = [];
    const context = contextOf({ progress: (share) => shares.push(share) });
    const { test, train } = await trainCurve({ ...RUN, evaluates: ['test'] }, context);
    expect(test!.error).toBeGreaterThanOrEqual(0);
    expect(test!.loss).toBeGreaterThan(0);
    expect(train).toBeUndefined();
    expect(shares).toEqual([0.3, 0.6, 0.9, 1]);
  });

  it('rejects with the reason of the signal, between windows', async () => {
    const abort = new AbortController();
    let windows = 0;
    const run = {
      ...RUN,
      onWindow: () => {
        windows++;
        abort.abort(new Error('enough'));
      },
    };
    await expect(trainCurve(run, contextOf({ signal: abort.signal }))).rejects.toThrow('enough');
    expect(windows).toBe(1);
  });

  it('records losses as numbers up to a limit', () => {
    expect(limitLoss(Number.NaN)).toBe(LOSS_LIMIT);
    expect(limitLoss(Number.POSITIVE_INFINITY)).toBe(LOSS_LIMIT);
    expect(limitLoss(2)).toBe(2);
  });
});
