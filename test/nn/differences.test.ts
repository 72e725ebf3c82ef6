import { describe } from 'vitest';
import type { Shape } from '../../src/base/shape.ts';
import { activations } from '../../src/nn/specs/activations.ts';
import { dropout, dropout2d, dropPath } from '../../src/nn/specs/dropout.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { avgPool, globalAvgPool, maxPool } from '../../src/nn/specs/pools.ts';
import type { LeafSpec } from '../../src/nn/specs/spec.ts';
import { describeDifferences, type ProofCase } from '../support/layers/proofs.ts';

const { elu, gelu, hardSigmoid, hardSwish, leakyRelu } = activations;
const { relu, relu6, sigmoid, silu, softmax, tanh } = activations;

const IMAGE: Shape = [5, 6, 3];

const specs: readonly LeafSpec[] = [
  relu(),
  relu6(),
  leakyRelu(0.2),
  elu(0.7),
  gelu(),
  gelu({ approximate: 'tanh' }),
  silu(),
  sigmoid(),
  tanh(),
  hardSigmoid(),
  hardSwish(),
  softmax(),
  maxPool({ kernel: 2 }),
  maxPool({ kernel: 3, stride: 2, padding: 1 }),
  avgPool({ kernel: 2 }),
  avgPool({ kernel: [3, 2], stride: [1, 2], padding: [1, 0], countIncludePad: false }),
  globalAvgPool(),
  flatten(),
  dropout(0.3),
  dropout2d(0.3),
  dropPath(0.4),
];
const CASES: readonly ProofCase[] = specs.map((spec) => ({
  name: JSON.stringify(spec),
  spec,
  inputShape: IMAGE,
}));

/** All different, and no two closer to each other or to 0 than a step of the differences. */
function distinctValues(length: number): Float32Array {
  const GAP = 0.05;
  return Float32Array.from({ length }, (_, i) => (((i * 37) % length) - length / 2 + 0.25) * GAP);
}

describe('a layer without parameters', () => {
  describeDifferences(CASES, distinctValues);
});
