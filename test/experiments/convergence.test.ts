// The experiment `convergence`: its plan, its verdicts on made-up losses, and a run of a few steps.

import { describe, expect, it } from 'vitest';
import type { PlainRecord } from '../../src/experiments/engine/experiment.ts';
import { convergence } from '../../src/experiments/runs/convergence.ts';
import { LOSS_LIMIT } from '../../src/experiments/runs/lossCurve.ts';
import { madeUp, numbersOf, settingsOf, tinyRun, verdictOn, wiggle } from '../support/madeUp.ts';

const isNorm = (settings: PlainRecord): boolean => settings.norm === 'sync';

/** A straight fall from 2 by `fall`, with a rise in the middle. */
function losses(settings: PlainRecord, fall: number, rise: number): number[] {
  const line = Array.from({ length: 10 }, (_, i) => 2 - (fall * i) / 10 + wiggle(settings));
  return line.map((loss, i) => (i === 5 ? loss + rise : loss));
}

describe('the plan of convergence', () => {
  it('has both norms at three rates for each seed, all different', () => {
    const settings = settingsOf(convergence);
    expect(settings).toHaveLength(2 * 3 * 3);
    expect(new Set(settings).size).toBe(settings.length);
  });
});

describe('the verdicts of convergence', () => {
  it('confirm faster convergence if the losses fall more with batch norm', () => {
    const results = madeUp(convergence, (s) => ({
      values: { losses: losses(s, isNorm(s) ? 1.5 : 1, 0), testError: 0.1 },
    }));
    expect(verdictOn(convergence, results, 'same learning rate').verdict).toBe('confirmed');
    expect(verdictOn(convergence, results, 'own best rate, batch norm conv').verdict).toBe(
      'confirmed',
    );
  });

  it('refute it if they fall less', () => {
    const results = madeUp(convergence, (s) => ({
      values: { losses: losses(s, isNorm(s) ? 0.5 : 1, 0), testError: 0.1 },
    }));
    expect(verdictOn(convergence, results, 'same learning rate').verdict).toBe('refuted');
  });

  it('compare each norm at its own best rate', () => {
    // Without a norm the largest rate is the best, and as good as batch norm at every rate.
    const results = madeUp(convergence, (s) => ({
      values: {
        losses: losses({ seed: 1 }, isNorm(s) || s.rate === 0.5 ? 1.5 : 1, 0),
        testError: isNorm(s) ? 0.05 : 0.1 + wiggle(s),
      },
    }));
    const best = verdictOn(convergence, results, 'own best rate, batch norm conv');
    expect(best.evidence).toContain('no norm at rate 0.5');
    expect(best.verdict).not.toBe('confirmed');
    expect(verdictOn(convergence, results, 'lower test error').verdict).toBe('confirmed');
  });

  it('measure unsteadiness by the largest rise', () => {
    const results = madeUp(convergence, (s) => ({
      values: { losses: losses(s, 1, isNorm(s) ? 0.3 : 0.8 + wiggle(s)), testError: 0.1 },
    }));
    expect(verdictOn(convergence, results, 'rises less').verdict).toBe('confirmed');
  });

  it('say nothing about the spread if three seeds agree equally', () => {
    const results = madeUp(convergence, (s) => ({
      values: { losses: losses(s, 1, 0), testError: 0.1 },
    }));
    expect(verdictOn(convergence, results, 'seeds agree').verdict).toBe('inconclusive');
  });

  it('are inconclusive without results', () => {
    const { verdicts, tables } = convergence.analyse([], { quick: true, seeds: 2, data: 'none' });
    expect(verdicts.map(({ verdict }) => verdict)).toEqual(verdicts.map(() => 'inconclusive'));
    expect(tables[0]!.rows).toHaveLength(6);
  });
});

describe('a run of convergence', () => {
  const smaller = { steps: 7, windowSteps: 3 };

  it('measures the same finite losses on one worker and on two', async () => {
    const one = await tinyRun(convergence, { norm: 'sync', rate: 0.1 }, smaller, 1);
    const two = await tinyRun(convergence, { norm: 'sync', rate: 0.1 }, smaller, 2);
    expect(one.values).toEqual(two.values);
    expect(one.values.losses).toHaveLength(3);
    expect(numbersOf(one).every(Number.isFinite)).toBe(true);
  });

  it('records a loss that is not a number as the limit', async () => {
    const diverged = await tinyRun(convergence, { norm: 'none' }, { ...smaller, rate: 1e30 });
    expect((diverged.values.losses as number[]).at(-1)).toBe(LOSS_LIMIT);
  });
});
