import { describe, expect, it } from 'vitest';
import { filterResponseNormKind } from '../../src/nn/norms/filterResponseNormKind.ts';
import { filterResponseNorm } from '../../src/nn/specs/filterResponseNorm.ts';
import { testValues } from '../support/kernelFixture.ts';
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
const bare = { affine: false, tlu: false };
const CASES: readonly ProofCase[] = [
  { name: 'images', spec: filterResponseNorm(5), inputShape: IMAGE },
  { name: 'no threshold', spec: filterResponseNorm(5, { tlu: false }), inputShape: IMAGE },
  { name: 'no affine', spec: filterResponseNorm(5, { affine: false }), inputShape: IMAGE },
  { name: 'neither', spec: filterResponseNorm(5, bare), inputShape: IMAGE },
  { name: '1 channel', spec: filterResponseNorm(1), inputShape: [2, 3, 1] },
  { name: '513 channels', spec: filterResponseNorm(513), inputShape: [2, 1, 513] },
  { name: '1x1 images', spec: filterResponseNorm(6, { eps: 0.5 }), inputShape: [1, 1, 6] },
  { name: 'volumes', spec: filterResponseNorm(3), inputShape: [2, 3, 2, 3] },
];
const SMOOTH: readonly ProofCase[] = [
  { name: 'no threshold', spec: filterResponseNorm(5, { tlu: false }), inputShape: IMAGE },
  { name: 'no affine', spec: filterResponseNorm(5, { affine: false }), inputShape: IMAGE },
  { name: 'neither', spec: filterResponseNorm(4, bare), inputShape: [2, 3, 4] },
];

/** Magnitudes from 1.5 to 2: normalized they keep away from every threshold below 0.7. */
function farFromThresholds(length: number): Float32Array {
  return testValues(length, 0.5, 9).map((v) => (v < 0 ? v - 1.5 : v + 1.5));
}

describe('filterResponseNorm', () => {
  describeReference(CASES, ROUNDED_ONCE);
  describeGoldenLayer('filterResponseNorm', ROUNDED_ONCE);
  describeDifferences(SMOOTH, farFromThresholds);

  it('starts as a ReLU of the normalized input', () => {
    const spec = filterResponseNorm(1, { eps: 1e-12 });
    const x = Float32Array.of(3, -3, 3, -3);
    const { y, parameters } = runLayer({ spec, inputShape: [4, 1], shards: [1], x });
    expect(y).toEqual(Float32Array.of(1, 0, 1, 0));
    expect(parameters).toEqual({
      'filterResponseNorm.weight': Float32Array.of(1),
      'filterResponseNorm.bias': Float32Array.of(0),
      'filterResponseNorm.threshold': Float32Array.of(0),
    });
  });

  it('gives the gradient of values on the threshold to the threshold', () => {
    const spec = filterResponseNorm(1);
    const run = {
      ...sampleRun({ name: '', spec, inputShape: [3, 1] }, [1]),
      x: Float32Array.of(0, 0, 0),
      dy: Float32Array.of(1, 2, 4),
      parameters: {},
    };
    const { gradients, dx } = runLayer(run);
    expect(gradients['filterResponseNorm.threshold']).toEqual(Float64Array.of(7));
    expect(gradients['filterResponseNorm.bias']).toEqual(Float64Array.of(0));
    expect(dx).toEqual(new Float32Array(3));
  });

  it('keeps a NaN to its own sample and channel', () => {
    const run = sampleRun({ name: '', spec: filterResponseNorm(5), inputShape: [4, 5] }, [2]);
    const x = run.x.slice();
    x[7] = Number.NaN;
    const [clean, found] = [runLayer(run), runLayer({ ...run, x })];
    for (let i = 0; i < x.length; i++) {
      const isHit = i < 20 && i % 5 === 2;
      expect(found.y[i]).toBe(isHit ? Number.NaN : clean.y[i]);
      expect(found.dx[i]).toBe(isHit ? Number.NaN : clean.dx[i]);
    }
  });

  it('names the layer, the invalid value and the alternatives', () => {
    const { outputShape } = filterResponseNormKind;
    expect(() => outputShape(filterResponseNorm(4), [3, 5], '1.filterResponseNorm')).toThrow(
      /input of 1\.filterResponseNorm: expected a shape with 4 channels last.*, got "3x5"/,
    );
    expect(() => filterResponseNorm(0)).toThrow(/filterResponseNorm channels: expected .*, got 0/);
    expect(() => filterResponseNorm(3, { eps: 0 })).toThrow(
      /filterResponseNorm eps: expected .*, got 0/,
    );
  });
});
