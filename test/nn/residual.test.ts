import { describe, expect, it } from 'vitest';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { tanh } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { runLayer } from '../support/layers/harness.ts';
import {
  describeDifferences,
  describeReference,
  type ProofCase,
} from '../support/layers/proofs.ts';

const INPUT = [4, 5, 3];
const convolve = (to: number, stride = 1): LayerSpec =>
  conv2d(3, to, { kernel: 3, padding: 1, stride });
// A bias before a batch normalization has no gradient.
const unbiased = conv2d(3, 3, { kernel: 3, padding: 1, bias: false });
const block = sequential([unbiased, batchNorm(3, { sync: 'all' }), tanh()]);
const inner = residual(convolve(3));

const specs: Readonly<Record<string, LayerSpec>> = {
  'without a projection': residual(block),
  'with a projection': residual(convolve(5, 2), conv2d(3, 5, { kernel: 1, stride: 2 })),
  'an empty body': residual(sequential([])),
  nested: residual(sequential([inner, tanh(), convolve(3)])),
  'nested in the shortcut': residual(convolve(3), residual(block, convolve(3))),
  'twice nested': residual(residual(inner)),
  'one behind the other': sequential([residual(block), residual(convolve(3)), tanh()]),
  'of a flat image': sequential([flatten(), residual(sequential([linear(60, 60), tanh()]))]),
  'with flat branches': residual(flatten(), sequential([flatten(), linear(60, 60)])),
};
const CASES: readonly ProofCase[] = Object.entries(specs).map(([name, spec]) => ({
  name,
  spec,
  inputShape: INPUT,
}));

describe('residual', () => {
  // Several layers deep, so that errors of several layers add up.
  const tolerance = { activations: 8e-6, weights: 8e-6, wide: 8e-6 };
  describeReference(CASES, tolerance);
  describeDifferences(CASES);

  it('of nothing doubles its input and its gradient', () => {
    const x = Float32Array.of(1, 2, 3);
    const spec = residual(sequential([]));
    const found = runLayer({ spec, inputShape: [3], shards: [1], x, dy: x });
    expect([found.y, found.dx]).toEqual([Float32Array.of(2, 4, 6), Float32Array.of(2, 4, 6)]);
  });
});
