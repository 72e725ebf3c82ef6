// The experiment `gradient-flow`: its plan, its verdicts on made-up norms, and a short run.

import { describe, expect, it } from 'vitest';
import type { RunResult } from '../../src/experiments/engine/experiment.ts';
import { gradientFlow, limitNorm } from '../../src/experiments/runs/gradientFlow.ts';
import { madeUp, numbersOf, settingsOf, tinyRun, verdictOn, wiggle } from '../support/madeUp.ts';

const CASE = 'ReLU, default init: ';

/** Gradients that grow by a factor from the first hidden layer to the last of five. */
function withFactors(factors: Readonly<Record<string, number>>): RunResult[] {
  return madeUp(gradientFlow, (s) => {
    const factor = factors[s.norm as string]! * (1 + wiggle(s));
    const norms = [0, 1, 2, 3, 4].map((layer) => factor ** (layer / 4));
    // The loss is lower where the norms differ less.
    return { values: { initialNorms: norms, meanNorms: norms, loss: Math.abs(Math.log(factor)) } };
  });
}

describe('the plan of gradient-flow', () => {
  it('has three kinds of nets with and without batch norm for each seed, all different', () => {
    const settings = settingsOf(gradientFlow);
    expect(settings).toHaveLength(3 * 2 * 3);
    expect(new Set(settings).size).toBe(settings.length);
  });
});

describe('the verdicts of gradient-flow', () => {
  const claims = ['without a norm', 'with batch norm the gradients', 'with batch norm the net'];

  it('confirm gradients that vanish only without batch norm', () => {
    const results = withFactors({ none: 1000, sync: 2 });
    for (const claim of claims) {
      expect(verdictOn(gradientFlow, results, CASE + claim).verdict).toBe('confirmed');
    }
  });

  it('refute it if they vanish with batch norm', () => {
    const results = withFactors({ none: 2, sync: 1000 });
    for (const claim of claims) {
      expect(verdictOn(gradientFlow, results, CASE + claim).verdict).toBe('refuted');
    }
  });

  it('treat exploding gradients as no better than vanishing ones', () => {
    const results = withFactors({ none: 5, sync: 0.001 });
    expect(verdictOn(gradientFlow, results, CASE + claims[1]).verdict).toBe('refuted');
  });

  it('leave it open if both behave the same, and without results', () => {
    const results = withFactors({ none: 10, sync: 10 });
    for (const claim of claims) {
      expect(verdictOn(gradientFlow, results, CASE + claim).verdict).toBe('inconclusive');
      expect(verdictOn(gradientFlow, [], CASE + claim).verdict).toBe('inconclusive');
    }
  });
});

describe('a run of gradient-flow', () => {
  it('measures a gradient for each hidden layer except the first', async () => {
    const smaller = { depth: 4, width: 8, steps: 6, sampleSteps: 2 };
    const run = await tinyRun(gradientFlow, { norm: 'sync' }, smaller);
    expect(run.values.initialNorms).toHaveLength(3);
    expect(numbersOf(run).every(Number.isFinite)).toBe(true);
    expect((run.values.initialNorms as number[]).every((norm) => norm > 0)).toBe(true);
  });
});

describe('limitNorm', () => {
  it('keeps norms, and gives vanishing or exploding ones a finite logarithm', () => {
    expect(limitNorm(0.5)).toBe(0.5);
    for (const norm of [0, Number.POSITIVE_INFINITY, Number.NaN]) {
      expect(Number.isFinite(Math.log10(limitNorm(norm)))).toBe(true);
    }
    expect(limitNorm(Number.NaN)).toBe(limitNorm(Number.POSITIVE_INFINITY));
  });
});
