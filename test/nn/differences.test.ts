import { describe } from 'vitest';
import type { Shape } from '../../src/base/shape.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { activations } from '../../src/nn/specs/activations.ts';
import { adaptiveAvgPool, adaptiveMaxPool } from '../../src/nn/specs/adaptivePools.ts';
import { dropout, dropout2d, dropPath } from '../../src/nn/specs/dropout.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { pad } from '../../src/nn/specs/pad.ts';
import { avgPool, globalAvgPool, globalMaxPool, maxPool } from '../../src/nn/specs/pools.ts';
import { avgPool1d, maxPool1d } from '../../src/nn/specs/pools1d.ts';
import { reshape } from '../../src/nn/specs/reshape.ts';
import { slice } from '../../src/nn/specs/slice.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { upsample } from '../../src/nn/specs/upsample.ts';
import { describeDifferences, type ProofCase } from '../support/layers/proofs.ts';

const { elu, gelu, hardSigmoid, hardSwish, leakyRelu } = activations;
const { relu, relu6, sigmoid, silu, softmax, tanh } = activations;

const IMAGE: Shape = [5, 6, 3];

const specs: readonly LayerSpec[] = [
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
  maxPool({ kernel: [2, 3], stride: 2, padding: 'same' }),
  avgPool({ kernel: 2 }),
  avgPool({ kernel: 4, padding: { bottom: 3, left: 2 }, countIncludePad: false }),
  avgPool({ kernel: [3, 2], stride: [1, 2], padding: [1, 0], countIncludePad: false }),
  globalAvgPool(),
  globalMaxPool(),
  adaptiveAvgPool([2, 4]),
  adaptiveMaxPool([2, 4]),
  sequential([reshape([30, 3]), maxPool1d({ kernel: 3, padding: 1 })]),
  sequential([reshape([30, 3]), avgPool1d({ kernel: 3, padding: { left: 2 } })]),
  flatten(),
  pad({ top: 1, right: 2 }),
  slice({ rows: [1, 4], channels: [0, 2] }),
  upsample({ scale: [2, 3] }),
  upsample({ scale: 2, mode: 'bilinear' }),
  upsample({ size: [9, 4], mode: 'bilinear', alignCorners: true }),
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
