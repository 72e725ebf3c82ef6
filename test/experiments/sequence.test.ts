// The experiment `sequence`: its plan, its verdicts on made-up errors, and a short run.

import { describe, expect, it } from 'vitest';
import type { PlainRecord, RunResult } from '../../src/experiments/engine/experiment.ts';
import { sequence } from '../../src/experiments/runs/sequence.ts';
import {
  madeUp,
  numbersOf,
  OPTIONS,
  settingsOf,
  tinyRun,
  verdictOn,
  wiggle,
} from '../support/madeUp.ts';

function withErrors(errorOf: (settings: PlainRecord) => number): RunResult[] {
  return madeUp(sequence, (s) => ({
    values: { losses: [1], testError: errorOf(s) * (1 + wiggle(s)) },
  }));
}

describe('the plan of sequence', () => {
  it('splits one global batch further and further, for both norms, and adds an LSTM', () => {
    const settings = settingsOf(sequence);
    expect(settings).toHaveLength((2 * 2 + 3) * 3);
    expect(new Set(settings).size).toBe(settings.length);
    const samples = sequence
      .plan(OPTIONS)
      .map((s) => (s.settings.replicas as number) * (s.settings.replicaBatch as number));
    expect(new Set(samples)).toEqual(new Set([32]));
  });
});

describe('the verdicts of sequence', () => {
  it('confirm that only batch norm suffers', () => {
    const results = withErrors(({ norm, replicaBatch }) => {
      if (norm === 'layer') return 0.1;
      return replicaBatch === 2 ? 0.5 : 0.2;
    });
    for (const words of ['suffers when', 'suffers less', 'With a small', 'With a larger']) {
      expect(verdictOn(sequence, results, words).verdict).toBe('confirmed');
    }
  });

  it('refute it if batch norm gains from a small batch and is better', () => {
    const results = withErrors(({ norm, replicaBatch }) => {
      if (norm === 'layer') return 0.4;
      return replicaBatch === 2 ? 0.1 : 0.2;
    });
    for (const words of ['suffers when', 'suffers less', 'With a small', 'With a larger']) {
      expect(verdictOn(sequence, results, words).verdict).toBe('refuted');
    }
  });

  it('leave it open if nothing differs, and without results', () => {
    const results = withErrors(() => 0.2);
    expect(verdictOn(sequence, results, 'suffers when').verdict).toBe('inconclusive');
    expect(verdictOn(sequence, [], 'suffers when').verdict).toBe('inconclusive');
  });
});

describe('the verdicts on the LSTM', () => {
  it('compare each norm with no norm, independently of the GRU', () => {
    const results = withErrors(({ cell, norm }) => {
      if (cell === 'gru') return 0.5;
      return { none: 0.2, batch: 0.3, layer: 0.1 }[norm as string]!;
    });
    expect(verdictOn(sequence, results, 'with batch norm of').verdict).toBe('refuted');
    expect(verdictOn(sequence, results, 'with layer norm of').verdict).toBe('confirmed');
  });
});

describe('a run of sequence', () => {
  const smaller = { steps: 4, windowSteps: 2, hidden: 6 };

  it('measures finite losses', async () => {
    const run = await tinyRun(sequence, { norm: 'batch', replicaBatch: 2 }, smaller);
    expect(run.values.losses).toHaveLength(2);
    expect(numbersOf(run).every(Number.isFinite)).toBe(true);
  });

  it('trains the LSTM without a norm', async () => {
    const run = await tinyRun(sequence, { cell: 'lstm', norm: 'none' }, smaller);
    expect(numbersOf(run).every(Number.isFinite)).toBe(true);
  });

  it('with layer norm does not depend on how the batch is split', async () => {
    const few = await tinyRun(sequence, { norm: 'layer', replicaBatch: 2 }, smaller);
    const many = await tinyRun(sequence, { norm: 'layer', replicaBatch: 16 }, smaller);
    const losses = many.values.losses as number[];
    for (const [i, loss] of (few.values.losses as number[]).entries()) {
      expect(loss).toBeCloseTo(losses[i]!, 4);
    }
  });
});
