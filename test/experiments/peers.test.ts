// The experiment `peers`: its plan, its verdicts on made-up errors, and a short run on threads.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import type { RunResult } from '../../src/experiments/engine/experiment.ts';
import { CONVENTIONS } from '../../src/experiments/peers/conventions.ts';
import { ERRORS } from '../../src/experiments/peers/errors.ts';
import { peers } from '../../src/experiments/runs/peers.ts';
import { madeUp, OPTIONS, settingsOf, tinyRun, verdictOn, wiggle } from '../support/madeUp.ts';

/** The same error for everything, except for syncbn. */
function withErrors(others: number, ours: number): RunResult[] {
  const names = [...CONVENTIONS.map(({ name }) => name), 'syncbn'];
  return madeUp(peers, (s) => ({
    values: Object.fromEntries(
      names.flatMap((name) =>
        ERRORS.map((error) => {
          const value = name === 'syncbn' ? ours : others;
          return [`${name}.${error}`, value * (1 + wiggle(s))] as const;
        }),
      ),
    ),
  }));
}

const BAD = ['cancels', 'ranks give another', 'is another gradient', 'an eighth', 'empty ranks'];
const GOOD = ['does not: there', 'by count do not'];

describe('peers', () => {
  it('plans each case and mean once per seed, and refuses unknown systems', () => {
    expect(new Set(settingsOf(peers)).size).toBe(3 * (4 + 6));
    const wrong = { ...OPTIONS, conventions: ['torch'] };
    expect(() => peers.plan(wrong)).toThrow(UsageError);
    expect(() => peers.plan(wrong)).toThrow(/--conventions: expected pytorch-ddp,.*, got "torch"/);
  });

  it('confirms or refutes by the measured errors', () => {
    const [large, small] = [withErrors(2e9, 1e-3), withErrors(1e-7, 1e-7)];
    for (const words of BAD) {
      expect(verdictOn(peers, large, words).verdict, words).toBe('confirmed');
      expect(verdictOn(peers, small, words).verdict, words).toBe('refuted');
    }
    for (const words of [...GOOD, 'syncbn is within']) {
      expect(verdictOn(peers, large, words).verdict, words).toBe('refuted');
      expect(verdictOn(peers, small, words).verdict, words).toBe('confirmed');
    }
    expect(verdictOn(peers, [], 'cancels').verdict).toBe('inconclusive');
  });

  it('shows the requested systems, and makes no claims about others', () => {
    const { tables, verdicts } = peers.analyse([], { ...OPTIONS, conventions: ['apex'] });
    expect(tables[1]!.rows.map(([name]) => name)).toEqual(['Apex', 'syncbn']);
    expect(verdicts.some(({ claim }) => claim.includes('cancels'))).toBe(false);
  });

  it('finds syncbn exact on ranks of any size, but not means of ranks', async () => {
    const { values } = await tinyRun(peers, { case: 'uneven' }, { channels: 3, rows: '1 0 9' });
    for (const error of ERRORS) expect(values[`syncbn.${error}`]).toBeLessThan(2e-6);
    expect(values['keras.gradient']).toBeGreaterThan(0.01);
    expect(values['flax.mean']).toBe(1e9);
  });
});
