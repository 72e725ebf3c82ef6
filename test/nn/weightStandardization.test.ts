import { describe, expect, it } from 'vitest';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { runLayer } from '../support/layers/harness.ts';
import {
  describeDifferences,
  describeReference,
  FLOAT32_SUMS,
  type ProofCase,
  sampleRun,
} from '../support/layers/proofs.ts';

const standardized = { weightStandardization: true } as const;
const CASES: readonly ProofCase[] = [
  {
    name: 'conv2d 3x3',
    spec: conv2d(3, 5, { kernel: 3, padding: 1, ...standardized }),
    inputShape: [4, 5, 3],
  },
  {
    name: 'conv2d, stride 2, groups of channels, no bias',
    spec: conv2d(4, 6, { kernel: 3, stride: 2, groups: 2, bias: false, ...standardized }),
    inputShape: [5, 6, 4],
  },
  {
    name: 'conv2d, depthwise',
    spec: conv2d(5, 5, { kernel: 3, padding: 1, groups: 5, ...standardized }),
    inputShape: [4, 3, 5],
  },
  { name: 'linear', spec: linear(11, 6, standardized), inputShape: [11] },
  { name: 'linear, 13 outputs', spec: linear(6, 13, standardized), inputShape: [1, 2, 3] },
];

describe('weight standardization', () => {
  describeReference(CASES, { ...FLOAT32_SUMS, weights: 4e-6 });
  describeDifferences(CASES);

  it('removes mean and scale per output channel, and gives gradients orthogonal to both', () => {
    const run = sampleRun(CASES[3]!, [3, 2]);
    const weight = run.parameters!['linear.weight']!.map((value) => value * 1e3);
    // Large enough to make eps irrelevant.
    const at = (change: (value: number) => number) =>
      runLayer({
        ...run,
        parameters: { ...run.parameters, 'linear.weight': Float32Array.from(weight, change) },
      });
    const plain = at((value) => value);
    const moved = at((value) => 4 * value + 64);
    for (const [i, value] of plain.y.entries()) expect(moved.y[i]).toBeCloseTo(value, 3);
    const gradient = plain.gradients['linear.weight']!;
    const scale = Math.max(...gradient.map(Math.abs));
    for (let output = 0; output < 6; output++) {
      let sum = 0;
      let product = 0;
      for (let i = output; i < gradient.length; i += 6) {
        sum += gradient[i]!;
        product += (gradient[i]! * weight[i]!) / 1e3;
      }
      expect(Math.abs(sum)).toBeLessThanOrEqual(1e-5 * scale);
      expect(Math.abs(product)).toBeLessThanOrEqual(1e-5 * scale);
    }
  });

  it('gives zeros, not NaN, for equal weights', () => {
    const run = sampleRun(CASES[3]!, [2]);
    const parameters = {
      'linear.weight': new Float32Array(66).fill(0.3),
      'linear.bias': new Float32Array(6),
    };
    expect(runLayer({ ...run, parameters }).y).toEqual(new Float32Array(12));
  });
});
