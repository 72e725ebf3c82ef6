// Every named model as ONNX, with and without folded batch normalization, and imported again.

import { expect, it } from 'vitest';
import { MODEL_NAMES, modelCard, namedModel } from '../../src/nn/models/models.ts';
import { exportOnnx } from '../../src/onnx/export/exportOnnx.ts';
import { importOnnx } from '../../src/onnx/import/importOnnx.ts';
import { worstRelative } from '../support/layers/harness.ts';
import {
  channelsFirstShape,
  ourOutputs,
  runOnnx,
  someSamples,
  someWeights,
  toChannelsFirst,
} from '../support/onnx/runtime.ts';

/** Of running statistics: gates shrink what passes, and 1 would leave little of the input. */
const VARIANCE: Readonly<Record<string, number>> = {
  'mobilenet-v3-small': 0.8,
  'efficientnet-b0': 0.3,
};

it.each(MODEL_NAMES)(
  '%s computes the same, folded or not, and can be imported again',
  async (name) => {
    const { purpose } = modelCard(name);
    const inputShape = [...purpose.inputShape.slice(0, 2).map((side) => Math.min(side, 64)), 3];
    const model = namedModel(name, { inputShape, classes: purpose.classes });
    const weights = someWeights(model, inputShape, VARIANCE[name]);
    const x = someSamples(2, inputShape);
    const { y, outputShape } = ourOutputs(model, weights, { inputShape, x });
    const expected = toChannelsFirst(y, outputShape);
    // Otherwise a file of constants would pass.
    const half = y.length / 2;
    expect(worstRelative(y.slice(half), y.slice(0, half))).toBeGreaterThan(1e-3);
    for (const fold of [false, true]) {
      const bytes = await exportOnnx({ model, weights, inputShape }, { fold });
      const dims = [2, ...channelsFirstShape(inputShape)];
      const { main } = await runOnnx(bytes, toChannelsFirst(x, inputShape), dims);
      expect(worstRelative(main!.values, expected)).toBeLessThan(1e-5);
    }
    const net = await importOnnx(await exportOnnx({ model, weights, inputShape }));
    const again = ourOutputs(net.model, net.weights, { inputShape, x });
    expect(worstRelative(again.y, y)).toBeLessThan(1e-6);
  },
);
