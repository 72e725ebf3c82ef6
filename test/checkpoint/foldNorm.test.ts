import { describe, expect, it } from 'vitest';
import { type Shape, sizeOf } from '../../src/base/shape.ts';
import { foldBatchNorm, type NamedValues } from '../../src/checkpoint/foldNorm.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { buildGraph } from '../../src/nn/graph/graph.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { batchRenorm } from '../../src/nn/specs/batchRenorm.ts';
import { conv1d } from '../../src/nn/specs/conv1d.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { convTranspose2d } from '../../src/nn/specs/convTranspose2d.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm, groupNorm, instanceNorm } from '../../src/nn/specs/norms.ts';
import { type LayerSpec, leavesOf } from '../../src/nn/specs/spec.ts';
import { planParameters } from '../../src/plan/parameters.ts';
import { testValues } from '../support/kernelFixture.ts';
import { runLayer, type Tensors, worstRelative } from '../support/layers/harness.ts';

/** Weights of a model; variances above 0. */
function weightsOf(model: LayerSpec, inputShape: readonly number[]): NamedValues {
  const { entries, buffers } = planParameters(buildGraph(model, inputShape));
  let seed = 10;
  const weights = new Map<string, { shape: Shape; values: Float32Array | Float64Array }>();
  for (const entry of [...entries, ...buffers]) {
    const { name, shape } = entry;
    const values = testValues(sizeOf(shape), 0.5, seed++);
    const lift = name.endsWith('Var') ? 0.6 : 0;
    const isWide = 'initial' in entry;
    const own = isWide ? Float64Array.from(values, (value) => value + lift) : values;
    weights.set(name, { shape, values: own });
  }
  return weights;
}

/** The outputs of a model in evaluation. */
function outputsOf(model: LayerSpec, weights: NamedValues, inputShape: readonly number[]) {
  const tensors = (wide: boolean): Tensors =>
    Object.fromEntries(
      [...weights]
        .filter(([, { values }]) => values instanceof Float64Array === wide)
        .map(([name, { values }]) => [name, values]),
    );
  const { y } = runLayer({
    spec: model,
    inputShape,
    shards: [3, 1],
    x: testValues(4 * sizeOf(inputShape), 1, 2),
    parameters: tensors(false),
    buffers: tensors(true),
    training: false,
  });
  return y;
}

const PARITY = 2e-6;

describe('folding batch normalization', () => {
  const image = [7, 6, 3];
  const conv = conv2d(3, 8, { kernel: 3, padding: 1, bias: false });
  const cases: readonly [string, LayerSpec, readonly number[], number][] = [
    ['into a convolution', sequential([conv, batchNorm(8), relu()]), image, 1],
    [
      'into one with a bias and groups',
      sequential([conv2d(3, 9, { kernel: 2, stride: 2, groups: 3 }), batchNorm(9)]),
      image,
      1,
    ],
    ['into one of sequences', sequential([conv1d(3, 4, { kernel: 3 }), batchNorm(4)]), [6, 3], 1],
    [
      'into a transposed one with groups',
      sequential([convTranspose2d(4, 6, { kernel: 3, stride: 2, groups: 2 }), batchNorm(6)]),
      [4, 3, 4],
      1,
    ],
    [
      'into one whose weights are standardized',
      sequential([conv2d(3, 8, { kernel: 3, weightStandardization: true }), batchNorm(8)]),
      image,
      1,
    ],
    ['into a linear', sequential([linear(12, 5, { bias: false }), batchNorm(5)]), [12], 1],
    [
      'of one behind the other',
      sequential([conv, batchNorm(8), batchNorm(8, { affine: false })]),
      image,
      2,
    ],
    ['that is frozen', sequential([conv, batchNorm(8, { frozen: true })]), image, 1],
    ['that is a batchRenorm', sequential([conv, batchRenorm(8)]), image, 1],
    [
      'that is an instanceNorm with running statistics',
      sequential([conv, instanceNorm(8, { trackRunningStats: true })]),
      image,
      1,
    ],
  ];

  it.each(cases)('%s does not change the outputs', (_, model, inputShape, count) => {
    const weights = weightsOf(model, inputShape);
    const folded = foldBatchNorm(model, weights, inputShape);
    expect(folded.folded).toHaveLength(count);
    expect(folded.left).toEqual([]);
    expect(leavesOf(folded.model)).toHaveLength(leavesOf(model).length - count);
    const before = outputsOf(model, weights, inputShape);
    const after = outputsOf(folded.model, folded.weights, inputShape);
    expect(worstRelative(after, before)).toBeLessThan(PARITY);
  });

  it('rounds each weight once: W s and (b - mean) s + bias in float64', () => {
    const model = sequential([linear(2, 1), batchNorm(1, { eps: 0.5 })]);
    const tensor = (values: readonly number[], shape: readonly number[], isWide = false) => ({
      shape,
      values: isWide ? Float64Array.from(values) : Float32Array.from(values),
    });
    const weights: NamedValues = new Map([
      ['0.linear.weight', tensor([3, -1], [2, 1])],
      ['0.linear.bias', tensor([2], [1])],
      ['1.batchNorm.weight', tensor([0.75], [1])],
      ['1.batchNorm.bias', tensor([0.25], [1])],
      ['1.batchNorm.runningMean', tensor([1 / 3], [1], true)],
      ['1.batchNorm.runningVar', tensor([2], [1], true)],
      ['1.batchNorm.numBatchesTracked', tensor([9], [1], true)],
    ]);
    const { model: after, weights: found } = foldBatchNorm(model, weights, [2]);
    expect(after).toEqual(sequential([linear(2, 1)]));
    const scale = 0.75 / Math.sqrt(2.5);
    expect([...found.get('0.linear.weight')!.values]).toEqual(
      [3, -1].map((w) => Math.fround(w * scale)),
    );
    expect([...found.get('0.linear.bias')!.values]).toEqual([
      Math.fround((2 - 1 / 3) * scale + 0.25),
    ]);
    expect([...found.keys()]).toEqual(['0.linear.weight', '0.linear.bias']);
  });

  it('keeps those that it cannot fold, and says why', () => {
    const model = sequential([
      conv,
      residual(batchNorm(8), null),
      relu(),
      batchNorm(8),
      conv2d(8, 8, { kernel: 1 }),
      groupNorm(2, 8),
      conv2d(8, 8, { kernel: 1 }),
      batchNorm(8, { trackRunningStats: false }),
    ]);
    const weights = weightsOf(model, image);
    const { folded, left, model: after } = foldBatchNorm(model, weights, image);
    expect(folded).toEqual([]);
    expect(left).toEqual([
      {
        layer: '1.residual.body',
        why: 'its input is not the output of a convolution or linear layer that it alone reads',
      },
      {
        layer: '3.batchNorm',
        why: 'its input is not the output of a convolution or linear layer that it alone reads',
      },
      { layer: '5.groupNorm', why: 'groupNorm evaluates with the statistics of each sample' },
      {
        layer: '7.batchNorm',
        why: 'it has no running statistics and evaluates with those of the batch',
      },
    ]);
    expect(after).toEqual(model);
  });

  it('removes all normalizations from resnet20', () => {
    const shape = [8, 8, 3];
    const model = convertNorm(namedModel('resnet20', { inputShape: shape, classes: 4 }), {
      to: 'sync',
    });
    const weights = weightsOf(model, shape);
    const { folded, left, model: after, weights: found } = foldBatchNorm(model, weights, shape);
    expect(folded).toHaveLength(21);
    expect(left).toEqual([]);
    expect(leavesOf(after).some(({ kind }) => kind === 'batchNorm')).toBe(false);
    const before = outputsOf(model, weights, shape);
    expect(worstRelative(outputsOf(after, found, shape), before)).toBeLessThan(1e-5);
  });

  it('names a missing tensor', () => {
    const model = sequential([conv, batchNorm(8)]);
    const weights = new Map(weightsOf(model, image));
    weights.delete('1.batchNorm.runningVar');
    expect(() => foldBatchNorm(model, weights, image)).toThrow(
      /1\.batchNorm\.runningVar: expected 8 values.*, got "missing"/,
    );
  });
});
