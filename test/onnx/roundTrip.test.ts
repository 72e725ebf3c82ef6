// Every layer out as ONNX and in again: the same layers with the same outputs, but for those that
// ONNX has in another form.

import { describe, expect, it } from 'vitest';
import { exportOnnx, importOnnx } from '../../src/index.ts';
import { leavesOf } from '../../src/nn/specs/spec.ts';
import { worstRelative } from '../support/layers/harness.ts';
import { layerCases } from '../support/onnx/layerCases.ts';
import { ourOutputs, someSamples, someWeights } from '../support/onnx/runtime.ts';

/** What comes back as other layers that compute the same. */
const CHANGED: Readonly<Record<string, readonly string[]>> = {
  'gelu by tanh': ['conv2d', 'conv2d', 'tanh', 'conv2d'],
  'linear of an image': ['flatten', 'linear'],
  globalAvgPool: ['globalAvgPool', 'reshape', 'flatten'],
  globalMaxPool: ['globalMaxPool', 'reshape', 'flatten'],
  'adaptiveAvgPool of equal bins': ['avgPool'],
  batchRenorm: ['batchNorm'],
  'instanceNorm by running': ['batchNorm'],
  dropout: ['relu'],
  'a graph of joins': [
    ...['conv2d', 'layerNorm', 'globalAvgPool', 'reshape', 'flatten', 'linear', 'sigmoid'],
    ...['reshape', 'reshape', 'rmsNorm'],
  ],
};

/** What goes out as many small operators, which no layer is found in. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  adaptiveAvgPool: /ReduceMean.* takes the mean over axes \[2\], not of pixels/,
  adaptiveMaxPool: /unsupported operators: .*ReduceMax/,
  'rnn of a layer': /rnn\/Slice .* takes parts of this order/,
  'gru by batch': /unsupported operators: .*Split/,
  'lstm by batch': /unsupported operators: .*Split/,
};

describe('a layer that was exported to ONNX', () => {
  it.each(layerCases)('can be imported again: %s', async (name, model, inputShape) => {
    const weights = someWeights(model, inputShape);
    const bytes = await exportOnnx({ model, weights, inputShape });
    const refusal = REFUSED[name];
    if (refusal !== undefined) {
      await expect(importOnnx(bytes)).rejects.toThrow(refusal);
      return;
    }
    const net = await importOnnx(bytes);
    expect(net.inputShape).toEqual(inputShape);
    const x = someSamples(3, inputShape);
    const before = ourOutputs(model, weights, { inputShape, x });
    const after = ourOutputs(net.model, net.weights, { inputShape, x });
    expect(after.outputShape).toEqual(before.outputShape);
    expect(worstRelative(after.y, before.y)).toBeLessThan(1e-6);
    const [from, to] = [model, net.model].map((of) => leavesOf(of).map(({ kind }) => kind));
    expect(to).toEqual(CHANGED[name] ?? from);
  });
});
