// A deep untrained net whose running statistics come from a few random images enlarges what float32
// rounds off: how far our outputs, and ONNX Runtime's, are from those in float64.

import { expect, it } from 'vitest';
import { directConvolutions } from '../../src/nn/convert/directConvolutions.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { exportOnnx } from '../../src/onnx/export/exportOnnx.ts';
import { decodeModel } from '../../src/onnx/format/decode.ts';
import { testValues } from '../support/kernelFixture.ts';
import { runLayer, worstRelative } from '../support/layers/harness.ts';
import { inFloat64 } from '../support/onnx/float64.ts';
import { ourOutputs, runOnnx, someWeights, toChannelsFirst } from '../support/onnx/runtime.ts';

const inputShape = [32, 32, 3];
const dims = [1, 3, 32, 32];

/** Weights whose running statistics are those of four random images. */
function seen(model: LayerSpec) {
  const weights = new Map(someWeights(model, inputShape));
  const whole = JSON.parse(JSON.stringify(model), (key, value) => (key === 'momentum' ? 1 : value));
  const x = testValues(4 * 32 * 32 * 3, 1, 3);
  const parameters = Object.fromEntries(
    [...weights].map(([name, { values }]) => [`graph.${name}`, values]),
  );
  const [dy, shards] = [new Float32Array(4 * 1000), [4]];
  const run = { spec: whole as LayerSpec, inputShape, shards, x, dy, parameters };
  for (const [name, values] of Object.entries(runLayer(run).buffers)) {
    const own = name.replace(/^graph\./, '');
    weights.set(own, { shape: weights.get(own)!.shape, values });
  }
  return weights;
}

it('resnet18 is nearly as close to float64 as in ONNX Runtime', async () => {
  const model = namedModel('resnet18', { inputShape, classes: 1000 });
  const weights = seen(model);
  const x = testValues(32 * 32 * 3, 1, 9);
  const bytes = await exportOnnx({ model, weights, inputShape });
  const first = toChannelsFirst(x, inputShape);
  const exact = inFloat64(decodeModel(bytes, 'net'), first, dims).values;
  const farOf = (spec: LayerSpec) => {
    return worstRelative(ourOutputs(spec, weights, { inputShape, x }).y, exact);
  };
  const theirs = worstRelative((await runOnnx(bytes, first, dims)).main!.values, exact);
  // Found: 3.0e-6 and 5.5e-6 against 1.8e-6, for two images.
  expect(farOf(directConvolutions(model))).toBeLessThan(3 * theirs);
  expect(farOf(model)).toBeLessThan(5 * theirs);
  expect(theirs).toBeLessThan(1e-5);
});
