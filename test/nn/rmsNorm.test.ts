import { describe, expect, it } from 'vitest';
import { rmsNormKind } from '../../src/nn/norms/rmsNormKind.ts';
import { rmsNorm } from '../../src/nn/specs/rmsNorm.ts';
import { runLayer } from '../support/layers/harness.ts';
import {
  describeDifferences,
  describeGoldenLayer,
  describeReference,
  type ProofCase,
  ROUNDED_ONCE,
  sampleRun,
} from '../support/layers/proofs.ts';

const IMAGE = [3, 4, 5];
const CASES: readonly ProofCase[] = [
  { name: '[1]', spec: rmsNorm(1), inputShape: [1] },
  { name: '[13]', spec: rmsNorm(13), inputShape: [13] },
  { name: '[513]', spec: rmsNorm(513), inputShape: [513] },
  { name: '[3, 4, 5]', spec: rmsNorm(IMAGE), inputShape: IMAGE },
  { name: 'no affine', spec: rmsNorm(IMAGE, { affine: false }), inputShape: IMAGE },
  { name: '[5] of images', spec: rmsNorm(5), inputShape: IMAGE },
];

describe('rmsNorm', () => {
  describeReference(CASES, ROUNDED_ONCE);
  describeGoldenLayer('rmsNorm', ROUNDED_ONCE);
  describeDifferences(CASES.slice(1));

  it('keeps a row with mean square 1, and scales any row to it', () => {
    const item = { name: '', spec: rmsNorm(4, { eps: 1e-30 }), inputShape: [4] };
    const x = Float32Array.of(1, -1, 1, -1, 3e30, 3e30, -3e30, 3e30);
    const { y } = runLayer({ spec: item.spec, inputShape: [4], shards: [2], x });
    expect(y).toEqual(Float32Array.of(1, -1, 1, -1, 1, 1, -1, 1));
  });

  it('keeps a NaN to its own row', () => {
    const item = { name: '', spec: rmsNorm(3), inputShape: [3] };
    const run = sampleRun(item, [3]);
    const x = run.x.slice();
    x[4] = Number.NaN;
    const [clean, found] = [runLayer(run), runLayer({ ...run, x })];
    expect([...found.y.slice(3, 6), ...found.dx.slice(3, 6)].every(Number.isNaN)).toBe(true);
    for (const [lo, hi] of [
      [0, 3],
      [6, 9],
    ]) {
      expect(found.y.slice(lo, hi)).toEqual(clean.y.slice(lo, hi));
      expect(found.dx.slice(lo, hi)).toEqual(clean.dx.slice(lo, hi));
    }
  });

  it('names the layer, the invalid value and the alternatives', () => {
    expect(() => rmsNormKind.outputShape(rmsNorm([4, 6]), [3, 3, 6], '2.rmsNorm')).toThrow(
      /input of 2\.rmsNorm: expected a shape that ends in 4x6.*, got "3x3x6"/,
    );
    expect(() => rmsNorm(0)).toThrow(/rmsNorm normalizedShape: expected .*, got 0/);
    expect(() => rmsNorm([])).toThrow(/rmsNorm normalizedShape: expected .*, got \[\]/);
    expect(() => rmsNorm(4, { eps: -1 })).toThrow(
      /rmsNorm eps: expected a finite number above.*, got -1/,
    );
  });
});
