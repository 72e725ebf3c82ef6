// The axes, pictures and verdicts of a sweep, on made-up results.

import { describe, expect, it } from 'vitest';
import type { PlainRecord, RunResult } from '../../src/experiments/engine/experiment.ts';
import {
  analyseSweep,
  axesOf,
  type Crossed,
  combinations,
} from '../../src/experiments/runs/sweepAnalysis.ts';
import { wiggle } from '../support/madeUp.ts';

const norm: Crossed = { name: 'norm', values: ['sync', 'local', 'group'] };
const batch: Crossed = { name: 'replica-batch', values: ['1', '2', '4'] };
const lr: Crossed = { name: 'lr', values: ['0.01', '0.1'] };
const optimizer: Crossed = { name: 'optimizer', values: ['sgd', 'adam'] };

describe('the axes of a sweep', () => {
  it.each([
    [[norm, batch], 'replica-batch', 'norm', [{}]],
    [[lr, norm, batch], 'replica-batch', 'norm', [{ lr: '0.01' }, { lr: '0.1' }]],
    [[optimizer, lr], 'lr', 'optimizer', [{}]],
    [[lr], 'lr', undefined, [{}]],
    [[norm, optimizer], undefined, 'norm', [{ optimizer: 'sgd' }, { optimizer: 'adam' }]],
    [[], undefined, undefined, [{}]],
  ])('%j', (crossed, x, line, facets) => {
    const axes = axesOf(crossed);
    expect([axes.x?.name, axes.line?.name, axes.facets]).toEqual([x, line, facets]);
  });
});

/** A run for each combination and three seeds. */
function resultsOf(
  crossed: readonly Crossed[],
  errorOf: (settings: PlainRecord) => number,
): RunResult[] {
  return [1, 2, 3].flatMap((seed) =>
    combinations(crossed).map((where) => {
      const settings: PlainRecord = { ...where, seed };
      const testError = errorOf(settings) + wiggle(settings);
      const values = { testError, testLoss: 1, trainLoss: 1, losses: [2, 1] };
      return { settings, values, timings: { trainMs: 1 } };
    }),
  );
}

describe('the analysis of a sweep', () => {
  const crossed = [lr, norm, batch];
  const results = resultsOf(crossed, (s) =>
    s.norm === 'local' && s['replica-batch'] === '1' ? 0.6 : 0.2,
  );
  const { plots, verdicts, tables, notes } = analyseSweep(results, {
    crossed,
    metric: 'error',
    leftOut: ['Left out: one.'],
  });

  it('plots error by batch, the largest first, with a line per norm and intervals', () => {
    expect(plots.map(({ file }) => file)).toEqual(['sweep-1', 'sweep-2']);
    const { plot } = plots[0]!;
    expect(plot.title).toBe('test error, % by --replica-batch with --lr 0.01');
    expect(plot.series.map(({ name }) => name)).toEqual(norm.values);
    const { points } = plot.series[1]!;
    expect(points.map(({ x }) => x)).toEqual([4, 2, 1]);
    expect(points[2]!.y).toBeCloseTo(60);
    expect(points[2]!.low).toBeLessThan(60);
    expect(tables[0]!.rows).toHaveLength(18);
    expect(notes).toContain('Left out: one.');
  });

  it('says for each value whether it is better than the first, at both ends', () => {
    const said = (words: string): string => {
      const found = verdicts.filter(({ claim }) => claim.includes(words));
      return found.map(({ verdict }) => verdict).join();
    };
    expect(said('--lr 0.01 --replica-batch 1, --norm local has a lower')).toBe('refuted');
    expect(said('--lr 0.01 --replica-batch 4, --norm local has a lower')).toBe('inconclusive');
    const rise = '--lr 0.1 --norm local, the error is higher at --replica-batch 1 than';
    expect(said(rise)).toBe('confirmed');
    expect(verdicts).toHaveLength(2 * (2 * 2 + 3));
  });

  it('plots losses by epoch if there are few lines, and compares losses without classes', () => {
    const few = analyseSweep(
      resultsOf([norm], () => 0),
      { crossed: [norm], metric: 'loss', leftOut: [] },
    );
    expect(few.plots.map(({ file }) => file)).toEqual(['training-loss']);
    expect(few.plots[0]!.plot.series).toHaveLength(3);
    expect(few.verdicts.map(({ claim }) => claim)).toEqual([
      '--norm local has a lower loss than --norm sync',
      '--norm group has a lower loss than --norm sync',
    ]);
    expect(analyseSweep([], { crossed: [norm], metric: 'error', leftOut: [] }).plots).toEqual([]);
  });
});
