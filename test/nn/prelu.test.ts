import { describe, expect, it } from 'vitest';
import { preluKind } from '../../src/nn/layers/preluKind.ts';
import { prelu } from '../../src/nn/specs/activations.ts';
import { testValues } from '../support/kernelFixture.ts';
import { runLayer } from '../support/layers/harness.ts';
import {
  describeDifferences,
  describeGoldenLayer,
  describeReference,
  type ProofCase,
  ROUNDED_ONCE,
} from '../support/layers/proofs.ts';

const each = (numParameters: number) => prelu({ numParameters });
const CASES: readonly ProofCase[] = [
  { name: 'images, one weight', spec: prelu(), inputShape: [3, 4, 5] },
  { name: 'images, one weight each', spec: each(5), inputShape: [3, 4, 5] },
  { name: 'features, one weight', spec: prelu(), inputShape: [13] },
  { name: 'features, one weight each', spec: each(13), inputShape: [13] },
  { name: '1 channel', spec: prelu(), inputShape: [2, 3, 1] },
  { name: '16 channels in 3 rows', spec: each(16), inputShape: [3, 16] },
];

/** All different, and no closer to 0 than a step of the differences. */
function awayFromZero(length: number): Float32Array {
  return testValues(length, 2, 9).map((v) => (v < 0 ? v - 0.05 : v + 0.05));
}

describe('prelu', () => {
  describeReference(CASES, ROUNDED_ONCE);
  describeGoldenLayer('prelu', ROUNDED_ONCE);
  describeDifferences(CASES, awayFromZero);

  it('starts as a leakyRelu with slope 0.25; 0 has the slope of negative values', () => {
    const run = { spec: prelu(), inputShape: [4], shards: [1], x: Float32Array.of(-4, -0, 0, 4) };
    const { y, dx, gradients } = runLayer({ ...run, dy: Float32Array.of(1, 2, 3, 4) });
    expect(y).toEqual(Float32Array.of(-1, -0, 0, 4));
    expect(dx).toEqual(Float32Array.of(0.25, 0.5, 0.75, 4));
    expect(gradients).toEqual({ 'prelu.weight': Float64Array.of(-4) });
  });

  it('keeps a NaN to its own element and the weight of its channel', () => {
    const x = Float32Array.of(-1, Number.NaN, 2, -3);
    const dy = Float32Array.of(1, 1, 1, 1);
    const { y, dx, gradients } = runLayer({
      spec: each(2),
      inputShape: [2, 2],
      shards: [1],
      x,
      dy,
    });
    expect(y).toEqual(Float32Array.of(-0.25, Number.NaN, 2, -0.75));
    expect(dx).toEqual(Float32Array.of(0.25, 0.25, 1, 0.25));
    expect(gradients).toEqual({ 'prelu.weight': Float64Array.of(-1, Number.NaN) });
  });

  it('names the layer and shape if the number of channels differs', () => {
    expect(() => preluKind.outputShape(each(4), [3, 5], '1.prelu')).toThrow(
      /input of 1\.prelu: expected a shape with 4 channels last.*, got "3x5"/,
    );
    expect(preluKind.outputShape(prelu(), [3, 5], '1.prelu')).toEqual([3, 5]);
  });
});
