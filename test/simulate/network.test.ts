import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { residual, sequential } from '../../src/nn/models/compose.ts';
import { MODEL_NAMES, modelCard } from '../../src/nn/models/models.ts';
import { relu } from '../../src/nn/specs/activations.ts';
import { conv2d } from '../../src/nn/specs/conv2d.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { netModel } from '../../src/simulate/nets.ts';
import { describeNetwork, totalsOf } from '../../src/simulate/network.ts';

describe('ResNet-50', () => {
  const network = describeNetwork('resnet50', netModel('resnet50'), [224, 224, 3]);

  it('has the published totals: 25.6 M parameters, 4.1 GMAC, 53 batch norms', () => {
    const totals = totalsOf(network);
    expect(totals.parameters).toBe(25_557_032);
    expect(totals.normLayers).toBe(53);
    expect(totals.macsForward / 1e9).toBeCloseTo(4.09, 2);
    // The stem; then each block's two inner convolutions, its output, and a shortcut a stage.
    const stages = [
      [3, 64],
      [4, 128],
      [6, 256],
      [3, 512],
    ] as const;
    const channels = stages.reduce((sum, [n, c]) => sum + n * (2 * c + 4 * c) + 4 * c, 64);
    expect(totals.normChannels).toBe(channels);
  });

  it('normalizes 11.1 million activations per image', () => {
    const norms = network.operations.filter(({ normChannels }) => normChannels > 0);
    const elements = norms.reduce((sum, { elementsForward }) => sum + elementsForward, 0);
    expect(elements).toBe(11_113_984);
  });

  it('runs 174 operations forward', () => {
    expect(network.operations.filter(({ elementsForward }) => elementsForward > 0)).toHaveLength(
      174,
    );
  });

  it('accepts images of other sizes, and only images', () => {
    const small = describeNetwork('resnet50', netModel('resnet50', [64, 64, 3]), [64, 64, 3]);
    expect(totalsOf(small).parameters).toBe(25_557_032);
    expect(totalsOf(small).macsForward).toBeLessThan(totalsOf(network).macsForward / 10);
    expect(() => netModel('resnet50', [7])).toThrow(UsageError);
  });
});

describe('describeNetwork', () => {
  it('counts the arithmetic, the activations and the parameters of each layer', () => {
    const model = sequential([
      conv2d(3, 8, { kernel: 3, padding: 1, bias: false }),
      batchNorm(8),
      relu(),
      conv2d(8, 8, { kernel: 3, padding: 1, stride: 2, groups: 4 }),
      flatten(),
      linear(8 * 2 * 2, 5),
    ]);
    const [first, norm, activation, second, last, ...rest] = describeNetwork(
      'net',
      model,
      [4, 4, 3],
    ).operations;
    expect(rest).toEqual([]);
    const flops = 2 * 4 * 4 * 8 * 9 * 3;
    // Nobody needs the gradient of the images.
    expect(first).toMatchObject({ flopsForward: flops, flopsBackward: flops, parameters: 216 });
    expect(first).toMatchObject({ elementsForward: 48 + 128, elementsBackward: 48 + 128 });
    expect(first).toMatchObject({ needsInputGradient: false, normChannels: 0 });
    expect(norm).toMatchObject({ normChannels: 8, elementsForward: 128, parameters: 16 });
    expect(norm).toMatchObject({ needsInputGradient: true, path: '1.batchNorm' });
    expect(activation).toMatchObject({ elementsForward: 256, elementsBackward: 384 });
    const grouped = 2 * 2 * 2 * 8 * 9 * 2;
    expect(second).toMatchObject({ flopsForward: grouped, flopsBackward: 2 * grouped });
    expect(last).toMatchObject({ flopsForward: 2 * 32 * 5, parameters: 165 });
  });

  it('counts a residual as adding forward, and as adding gradients backward', () => {
    const body = sequential([conv2d(2, 2, { kernel: 1, bias: false })]);
    const model = sequential([conv2d(2, 2, { kernel: 1, bias: false }), residual(body)]);
    const { operations } = describeNetwork('net', model, [3, 3, 2]);
    const [, fork, , add] = operations;
    expect(fork).toMatchObject({ elementsForward: 0, elementsBackward: 3 * 18 });
    expect(add).toMatchObject({ elementsForward: 3 * 18, elementsBackward: 0 });
  });

  it('knows every named net and refuses a model without layers', () => {
    for (const name of MODEL_NAMES) {
      const network = describeNetwork(name, netModel(name), modelCard(name).purpose.inputShape);
      expect(totalsOf(network).normLayers).toBeGreaterThan(2);
    }
    expect(() => describeNetwork('empty', sequential([]), [4])).toThrow(/no layer that computes/);
  });
});
