// Comparing results: how runs are selected, how seeds are paired, and the verdicts.

import { describe, expect, it } from 'vitest';
import {
  bySeed,
  cell,
  choiceIn,
  curve,
  judge,
  listCurve,
  listOf,
  numberIn,
  numberOf,
  pairUp,
  select,
  subtract,
} from '../../src/experiments/engine/compare.ts';
import type { RunResult } from '../../src/experiments/engine/experiment.ts';

const RESULTS: readonly RunResult[] = [
  { settings: { norm: 'sync', seed: 2 }, values: { loss: 3, list: [1, 2] }, timings: {} },
  { settings: { norm: 'sync', seed: 1 }, values: { loss: 1, list: [3, 4] }, timings: {} },
  { settings: { norm: 'none', seed: 2 }, values: { loss: 5, list: [] }, timings: {} },
];
const loss = (result: RunResult): number => numberOf(result, 'loss');

describe('picking', () => {
  it('selects the runs that match all settings', () => {
    expect(select(RESULTS, { norm: 'sync' })).toHaveLength(2);
    expect(select(RESULTS, { norm: 'sync', seed: 1 })).toHaveLength(1);
    expect(select(RESULTS, { norm: 'group' })).toEqual([]);
  });

  it('orders what was measured by seed', () => {
    expect([...bySeed(RESULTS, { norm: 'sync' }, loss)]).toEqual([
      [1, 1],
      [2, 3],
    ]);
  });

  it('throws for settings and values that do not exist', () => {
    const [result] = RESULTS as [RunResult];
    expect(() => numberIn(result.settings, 'norm')).toThrow(/the setting norm/);
    expect(() => choiceIn(result.settings, 'norm', ['none'])).toThrow(/the setting norm/);
    expect(() => numberOf(result, 'list')).toThrow(/the measured list/);
    expect(() => listOf(result, 'loss')).toThrow(/the measured loss/);
  });
});

describe('pairs', () => {
  const a = new Map([
    [1, 10],
    [2, 20],
    [3, 30],
  ]);
  const b = new Map([
    [3, 1],
    [1, 2],
  ]);

  it('leave out the seeds that one side lacks', () => {
    expect(pairUp(a, b)).toEqual({ a: [10, 30], b: [2, 1] });
    expect([...subtract(a, b)]).toEqual([
      [1, 8],
      [3, 29],
    ]);
  });

  it('decide even if the seeds differ more than the variants', () => {
    const higher = new Map([...a].map(([seed, value]) => [seed, value + 1 + seed / 100]));
    const found = judge({
      claim: 'a is higher',
      claimed: 'above',
      a: { name: 'a', values: higher },
      b: { name: 'b', values: a },
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.evidence).toContain('3 seeds');
  });

  it('are refuted on the other side, and inconclusive with one seed or none', () => {
    const sides = { a: { name: 'a', values: a }, b: { name: 'b', values: b } };
    const below = { claim: 'a is lower', claimed: 'below' as const };
    expect(judge({ ...below, ...sides, b: { name: 'b', values: new Map() } }).verdict).toBe(
      'inconclusive',
    );
    const one = { name: 'b', values: new Map([[2, 0]]) };
    expect(judge({ ...below, ...sides, b: one }).verdict).toBe('inconclusive');
    const lower = { name: 'b', values: new Map([...a].map(([seed, v]) => [seed, v - 1])) };
    expect(judge({ ...below, ...sides, b: lower }).verdict).toBe('refuted');
  });
});

describe('cells and curves', () => {
  it('show a dash if nothing was measured, and no band for one seed', () => {
    expect(cell(new Map())).toBe('-');
    expect(cell(new Map([[1, 2]]))).toContain('2.000');
    expect(curve('c', [{ x: 1, values: [5] }]).points).toEqual([{ x: 1, y: 5 }]);
  });

  it('follow lists entry by entry, with the band of the interval', () => {
    const { points } = listCurve('c', RESULTS, 'list', [10, 20, 30]);
    expect(points.map(({ x, y }) => [x, y])).toEqual([
      [10, 2],
      [20, 3],
    ]);
    expect(points[0]!.low!).toBeLessThan(2);
    expect(points[0]!.high! + points[0]!.low!).toBeCloseTo(4, 12);
  });
});
