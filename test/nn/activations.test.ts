// Activation layers: specs, PyTorch's numbers, and the memory they touch. Math: test/kernels.

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { activationKinds, reluKind, tanhKind } from '../../src/nn/layers/activationKinds.ts';
import { activations } from '../../src/nn/specs/activations.ts';
import { testValues } from '../support/kernelFixture.ts';
import { describeGolden } from '../support/layers/golden.ts';
import { bindAlone } from '../support/layers/parameterless.ts';

const { elu, gelu, hardSigmoid, hardSwish, leakyRelu, prelu } = activations;
const { relu, relu6, sigmoid, silu, softmax, tanh } = activations;

describeGolden(activationKinds);

describe('activation specs', () => {
  it('have all their fields filled in', () => {
    expect([relu(), leakyRelu(), leakyRelu(0.2), gelu(), silu(), sigmoid(), tanh()]).toEqual([
      { kind: 'relu' },
      { kind: 'leakyRelu', negativeSlope: 0.01 },
      { kind: 'leakyRelu', negativeSlope: 0.2 },
      { kind: 'gelu', approximate: 'none' },
      { kind: 'silu' },
      { kind: 'sigmoid' },
      { kind: 'tanh' },
    ]);
    expect([elu(), elu(0.5), prelu(), prelu({ numParameters: 3, init: 0 })]).toEqual([
      { kind: 'elu', alpha: 1 },
      { kind: 'elu', alpha: 0.5 },
      { kind: 'prelu', numParameters: 1, init: 0.25 },
      { kind: 'prelu', numParameters: 3, init: 0 },
    ]);
    const rest = [relu6(), hardSigmoid(), hardSwish(), softmax()].map((spec) => ({ ...spec }));
    const kinds = ['relu6', 'hardSigmoid', 'hardSwish', 'softmax'];
    expect(rest).toEqual(kinds.map((kind) => ({ kind })));
  });

  it.each([-0.1, Number.NaN, Infinity])('leakyRelu refuses the slope %d', (slope) => {
    expect(() => leakyRelu(slope)).toThrow(UsageError);
  });

  it.each([-0.1, Number.NaN, Infinity])('elu refuses the alpha %d', (alpha) => {
    expect(() => elu(alpha)).toThrow(UsageError);
  });

  it('prelu refuses zero weights, and an initial value that is not a number', () => {
    expect(() => prelu({ numParameters: 0 })).toThrow(/prelu numParameters: expected .*, got 0/);
    expect(() => prelu({ init: Number.NaN })).toThrow(/prelu init: expected .*, got NaN/);
  });

  it('gelu refuses an unknown approximation', () => {
    expect(() => gelu({ approximate: 'erf' as 'none' })).toThrow(/'none' or 'tanh'/);
  });
});

describe('activation layers', () => {
  it('keep the shape, even if sizes are not known yet', () => {
    expect(reluKind.outputShape(relu(), [Number.NaN, 4, 3], '0.relu')).toEqual([Number.NaN, 4, 3]);
  });

  it('keep what backward reads: the input if the output is not enough or costs more', () => {
    const keeping = activationKinds.filter(({ keeps }) => keeps.input).map(({ kind }) => kind);
    expect(keeping).toEqual(['gelu', 'hardSwish', 'relu6', 'silu']);
    for (const { keeps } of activationKinds) expect(keeps.output).toBe(!keeps.input);
  });

  it('touch only the samples of the step', () => {
    const run = bindAlone(reluKind, relu(), { inputShape: [2, 2, 3], capacity: 3 });
    run.x.set(testValues(36));
    run.dy.set(testValues(36));
    run.step.countSamples = 2;
    run.layer.forward();
    run.layer.backward();
    expect(run.y.slice(24)).toEqual(new Float32Array(12).fill(Number.NaN));
    expect(run.dx.slice(24)).toEqual(new Float32Array(12).fill(Number.NaN));
    expect(run.y.slice(0, 24)).toEqual(run.x.slice(0, 24).map((v) => Math.max(v, 0)));
    run.step.countSamples = 0;
    run.y.fill(7);
    run.layer.forward();
    expect(run.y).toEqual(new Float32Array(36).fill(7));
  });

  it('write no input gradient unless it is needed', () => {
    const options = { inputShape: [5], capacity: 1, wantsInputGradient: false };
    const run = bindAlone(tanhKind, tanh(), options);
    run.layer.backward();
    expect(run.dx).toEqual(new Float32Array(5).fill(Number.NaN));
  });
});
