import { describe, expect, it } from 'vitest';
import { linearKind } from '../../src/nn/conv/linearKind.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { runLayer } from '../support/layers/harness.ts';
import {
  describeDifferences,
  describeGoldenLayer,
  describeReference,
  FLOAT32_SUMS,
  type ProofCase,
  sampleRun,
} from '../support/layers/proofs.ts';

const SIZES = [1, 3, 4, 5, 8, 13, 32];
const CASES: readonly ProofCase[] = SIZES.flatMap((inFeatures, i) => {
  const outFeatures = [SIZES[(i + 3) % SIZES.length]!, SIZES[(i + 5) % SIZES.length]!];
  return outFeatures.map((out) => ({
    name: `${inFeatures} to ${out}`,
    spec: linear(inFeatures, out, { bias: out !== 8 }),
    inputShape: [inFeatures],
  }));
});

describe('linear', () => {
  const images = { name: 'images', spec: linear(24, 7), inputShape: [3, 2, 4] };
  describeReference([...CASES, images], FLOAT32_SUMS);
  describeGoldenLayer('linear', FLOAT32_SUMS);
  describeDifferences(CASES);

  it('gives a sample the same bits alone and in any batch', () => {
    for (const item of CASES) {
      const run = sampleRun(item, [7]);
      const { y, dx } = runLayer(run);
      for (const n of [0, 3, 6]) {
        const part = (values: Float32Array): Float32Array =>
          values.slice((n * values.length) / 7, ((n + 1) * values.length) / 7);
        const alone = runLayer({ ...run, shards: [1], x: part(run.x), dy: part(run.dy!) });
        expect(alone.y).toEqual(part(y));
        expect(alone.dx).toEqual(part(dx));
      }
    }
  });

  it('names the layer and both sizes when the input does not fit', () => {
    expect(() => linearKind.outputShape(linear(10, 2), [3, 4], '4.linear')).toThrow(
      /input of 4\.linear: expected 10 features.*, got "3x4 \(12 features\)"/,
    );
  });
});
