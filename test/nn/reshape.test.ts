import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import { reshapeKind } from '../../src/nn/layers/aliasKinds.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { reshape } from '../../src/nn/specs/reshape.ts';
import { testValues } from '../support/kernelFixture.ts';
import { runLayer } from '../support/layers/harness.ts';

describe('reshape', () => {
  it('passes on values and gradients with other axes', () => {
    const [x, dy] = [testValues(48), testValues(48, 1, 2)];
    const run = { inputShape: [2, 3, 4], shards: [1, 1], x, dy };
    const found = runLayer({ ...run, spec: reshape([4, 6]) });
    expect(found.outputShape).toEqual([4, 6]);
    expect(found.y).toEqual(x);
    expect(found.dx).toEqual(dy);
  });

  it('changes nothing between layers that ignore axes', () => {
    const x = testValues(24);
    const run = { inputShape: [2, 6], shards: [2], x, dy: testValues(6, 1, 3) };
    const parameters = { '1.linear.weight': testValues(36), '1.linear.bias': testValues(3) };
    const found = runLayer({
      ...{ ...run, parameters },
      spec: sequential([reshape([3, 4]), linear(12, 3)]),
    });
    const plain = runLayer({
      ...{ ...run, parameters },
      spec: sequential([flatten(), linear(12, 3)]),
    });
    expect(found.y).toEqual(plain.y);
    expect(found.dx).toEqual(plain.dx);
  });

  it('names the layer and both numbers of elements if they differ', () => {
    expect(() => reshapeKind.outputShape(reshape([28, 27]), [28, 28, 1], '0.reshape')).toThrow(
      /input of 0\.reshape: expected 756 elements, as 28x27 has.*, got "28x28x1 \(784 elements\)"/,
    );
    expect(() => reshape([])).toThrow(UsageError);
    expect(() => reshape([4, 0])).toThrow(/reshape shape: expected .*, got 0/);
    expect(reshapeKind.outputShape(reshape([4]), [Number.NaN, 2], '')).toEqual([4]);
  });
});
