// The flatten layer: shapes, and that it does nothing.

import { describe, expect, it } from 'vitest';
import { flattenKind } from '../../src/nn/layers/aliasKinds.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { testValues } from '../support/kernelFixture.ts';
import { bindAlone } from '../support/layers/parameterless.ts';

describe('flatten', () => {
  it.each([
    [[4, 5, 3], [60]],
    [[7], [7]],
    [[2, Number.NaN, 3], [Number.NaN]],
  ])('makes %j a vector %j', (input, expected) => {
    expect(flattenKind.outputShape(flatten(), input, '1.flatten')).toEqual(expected);
  });

  it('uses no memory, because its output is its input', () => {
    const run = bindAlone(flattenKind, flatten(), { inputShape: [2, 2, 2], capacity: 2 });
    const x = testValues(16);
    run.x.set(x);
    run.dy.set(x);
    run.layer.forward();
    run.layer.backward();
    expect(run.x).toEqual(x);
    expect(run.dy).toEqual(x);
    expect(run.y).toEqual(new Float32Array(16).fill(Number.NaN));
    expect(flattenKind.keeps).toEqual({ input: false, output: false });
  });
});
