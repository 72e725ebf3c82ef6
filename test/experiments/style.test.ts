// The experiment `style`: its plan, the shifted images, its verdicts on made-up errors, a short
// run.

import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import type { RunResult } from '../../src/experiments/engine/experiment.ts';
import { STRENGTHS, shiftImages, style } from '../../src/experiments/runs/style.ts';
import {
  madeUp,
  numbersOf,
  settingsOf,
  TINY_DATA,
  tinyRun,
  verdictOn,
  wiggle,
} from '../support/madeUp.ts';

/** Errors that begin at the first number and rise by the second over all strengths. */
function withErrors(errors: Readonly<Record<string, readonly [number, number]>>): RunResult[] {
  return madeUp(style, (s) => {
    const [clean, rise] = errors[s.norm as string]!;
    const factor = 1 + wiggle(s);
    return { values: { errors: STRENGTHS.map((x) => (clean + rise * x) * factor), loss: 1 } };
  });
}

describe('the plan of style', () => {
  it('has four norms for each seed, all different', () => {
    const settings = settingsOf(style);
    expect(settings).toHaveLength(4 * 3);
    expect(new Set(settings).size).toBe(settings.length);
  });
});

describe('shiftImages', () => {
  const bytes: Dataset = {
    ...TINY_DATA,
    inputType: 'u8',
    test: {
      count: 3,
      inputs: Uint8Array.from({ length: 3 * 64 }, (_, i) => (i * 37) % 256),
      targets: Int32Array.from([0, 1, 2]),
    },
  };

  it('changes nothing at strength 0', () => {
    expect(shiftImages(bytes, { strength: 0, tested: 3 })).toEqual(bytes.test.inputs);
    const floats = shiftImages(TINY_DATA, { strength: 0, tested: 5 });
    expect(floats).toEqual(TINY_DATA.test.inputs.slice(0, 5 * 64));
  });

  it('shrinks the contrast of each image by a factor within the stated bounds', () => {
    const strength = 0.6;
    const shifted = shiftImages(bytes, { strength, tested: 3 });
    const range = (values: Uint8Array | Float32Array): number =>
      Math.max(...values) - Math.min(...values);
    const factors = [0, 1, 2].map((i) => {
      const [from, to] = [i * 64, (i + 1) * 64];
      return range(shifted.subarray(from, to)) / range(bytes.test.inputs.subarray(from, to));
    });
    for (const factor of factors) {
      expect(factor).toBeGreaterThan(1 - strength - 0.01);
      expect(factor).toBeLessThan(1 - strength / 2 + 0.01);
    }
    expect(new Set(factors).size).toBe(3);
  });

  it('does not change the dataset, and returns the same images every time', () => {
    const before = bytes.test.inputs.slice();
    const once = shiftImages(bytes, { strength: 0.8, tested: 3 });
    expect(shiftImages(bytes, { strength: 0.8, tested: 3 })).toEqual(once);
    expect(bytes.test.inputs).toEqual(before);
  });
});

describe('the verdicts of style', () => {
  it('confirm that per-image norms lose less and that this has a price', () => {
    const results = withErrors({
      sync: [0.1, 0.5],
      instance: [0.2, 0.1],
      group: [0.1, 0.2],
      none: [0.1, 0.5],
    });
    for (const words of ['instance norm loses less', 'group norm', 'higher error']) {
      expect(verdictOn(style, results, words).verdict).toBe('confirmed');
    }
  });

  it('refute it if they lose more and start with the lower error', () => {
    const results = withErrors({
      sync: [0.2, 0.1],
      instance: [0.1, 0.5],
      group: [0.1, 0.3],
      none: [0.1, 0.5],
    });
    for (const words of ['instance norm loses less', 'group norm', 'higher error']) {
      expect(verdictOn(style, results, words).verdict).toBe('refuted');
    }
  });

  it('leave it open where nothing differs, and without results', () => {
    const same = [0.1, 0.2] as const;
    const results = withErrors({ sync: same, instance: same, group: same, none: same });
    expect(verdictOn(style, results, 'higher error').verdict).toBe('inconclusive');
    expect(verdictOn(style, [], 'higher error').verdict).toBe('inconclusive');
  });
});

describe('a run of style', () => {
  it('measures an error for each strength', async () => {
    const run = await tinyRun(style, { norm: 'instance' }, { steps: 5 });
    expect(run.values.errors).toHaveLength(STRENGTHS.length);
    expect(numbersOf(run).every(Number.isFinite)).toBe(true);
  });
});
