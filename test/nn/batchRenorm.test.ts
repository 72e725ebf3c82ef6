import { describe, expect, it } from 'vitest';
import { batchRenormKind } from '../../src/nn/norms/batchRenormKind.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { testValues } from '../support/kernelFixture.ts';
import { RUN_STEP, runLayer, type Tensors } from '../support/layers/harness.ts';
import {
  describeDifferences,
  describeGoldenLayer,
  describeReference,
  type ProofCase,
  ROUNDED_ONCE,
  sampleRun,
} from '../support/layers/proofs.ts';

const IMAGE = [3, 4, 5];
const constants = { warmupSteps: 0 };

function buffersOf(channels: number): Tensors {
  return {
    'batchRenorm.runningMean': Float64Array.from(testValues(channels, 1, 30)),
    'batchRenorm.runningVar': Float64Array.from(testValues(channels, 1, 31), (v) => v + 1.5),
  };
}

const buffers = buffersOf(5);
const CASES: readonly ProofCase[] = [
  { name: 'local', spec: batchRenorm(5, constants), inputShape: IMAGE, buffers },
  {
    name: 'sync',
    spec: batchRenorm(5, { ...constants, sync: 'all' }),
    inputShape: IMAGE,
    buffers,
  },
  {
    name: 'groups of 2',
    spec: batchRenorm(5, { ...constants, sync: 2 }),
    inputShape: IMAGE,
    buffers,
  },
  {
    name: 'clipped',
    spec: batchRenorm(5, { ...constants, rMax: 1.1, dMax: 0.1, sync: 3 }),
    inputShape: IMAGE,
    buffers,
  },
  {
    name: 'half of the warmup',
    spec: batchRenorm(5, { warmupSteps: 2 * RUN_STEP, rMax: 1.2, dMax: 0.4, sync: 'all' }),
    inputShape: IMAGE,
    buffers,
  },
  { name: 'no affine', spec: batchRenorm(5, { ...constants, affine: false }), inputShape: IMAGE },
  {
    name: 'vectors',
    spec: batchRenorm(13, { ...constants, sync: 'all' }),
    inputShape: [13],
    buffers: buffersOf(13),
  },
];

// r and d are constants in backward; in forward they are constant only if both are clipped: here
// the running variance is far below the batch's, and the running means are far away.
const clipping: Tensors = {
  'batchRenorm.runningMean': Float64Array.of(50, -50, 50, -50, 50),
  'batchRenorm.runningVar': new Float64Array(5).fill(1e-2),
};
const CLIPPED: readonly ProofCase[] = (['local', 'all', 2] as const).map((sync) => ({
  name: `clipped, ${sync}`,
  spec: batchRenorm(5, { ...constants, sync, rMax: 1.5, dMax: 0.7 }),
  inputShape: IMAGE,
  buffers: clipping,
}));

describe('batchRenorm', () => {
  describeReference(CASES, ROUNDED_ONCE);
  describeGoldenLayer('batchRenorm', ROUNDED_ONCE);
  describeDifferences(CLIPPED);

  const ownNames = (tensors: Tensors): Tensors =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, values]) => [name.replace(/^\w+\./, ''), values]),
    );

  it('is batch normalization bit for bit while rMax is 1 and dMax 0', () => {
    const plain = sampleRun(
      { name: '', spec: batchNorm(5, { sync: 2 }), inputShape: IMAGE },
      [3, 2, 2],
    );
    const renamed = Object.fromEntries(
      Object.entries(plain.parameters!).map(([name, values]) => [
        name.replace('batchNorm', 'batchRenorm'),
        values,
      ]),
    );
    const options = { rMax: 1, dMax: 0, momentum: 0.1, sync: 2, warmupSteps: 0 };
    const found = runLayer({ ...plain, spec: batchRenorm(5, options), parameters: renamed });
    const exact = runLayer(plain);
    expect(found.y).toEqual(exact.y);
    expect(found.dx).toEqual(exact.dx);
    expect(ownNames(found.gradients)).toEqual(ownNames(exact.gradients));
    expect(ownNames(found.buffers)).toEqual(ownNames(exact.buffers));
  });

  it('matches evaluation in training if nothing is clipped', () => {
    const spec = batchRenorm(5, { ...constants, rMax: 1e6, dMax: 1e6, sync: 'all' });
    const run = sampleRun({ name: '', spec, inputShape: IMAGE, buffers }, [3, 2]);
    const { dy: _dy, ...forward } = run;
    const [training, evaluation] = [true, false].map((training) =>
      runLayer({ ...forward, training }),
    );
    for (const [i, value] of training!.y.entries()) {
      expect(value).toBeCloseTo(evaluation!.y[i]!, 5);
    }
  });

  it('names the layer, the invalid value and the alternatives', () => {
    expect(() => batchRenormKind.outputShape(batchRenorm(4), [5], '1.batchRenorm')).toThrow(
      /input of 1\.batchRenorm: expected a shape with 4 channels last.*, got "5"/,
    );
    expect(() => batchRenorm(4, { rMax: 0.9 })).toThrow(/batchRenorm rMax: expected .*, got 0\.9/);
    expect(() => batchRenorm(4, { dMax: -1 })).toThrow(/batchRenorm dMax: expected .*, got -1/);
    expect(() => batchRenorm(4, { warmupSteps: 0.5 })).toThrow(
      /batchRenorm warmupSteps: expected .*, got 0\.5/,
    );
    expect(() => batchRenorm(4, { momentum: 2 })).toThrow(
      /batchRenorm momentum: expected .*, got 2/,
    );
    expect(() => batchRenorm(4, { sync: 0 })).toThrow(/batchRenorm sync: expected .*, got 0/);
    const run = sampleRun({ name: '', spec: batchRenorm(3), inputShape: [3] }, [2]);
    expect(() => runLayer({ ...run, shards: [1, 1] })).toThrow(
      /1\.batchRenorm: expected .*, got 1.*groupNorm/,
    );
  });
});
