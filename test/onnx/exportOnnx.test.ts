import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.ts';
import type { Shape } from '../../src/base/shape.ts';
import { type Dataset, nn, optim, standardizeTargets, Trainer } from '../../src/index.ts';
import { layerForms } from '../../src/nn/specs/forms.ts';
import type { LayerSpec } from '../../src/nn/specs/spec.ts';
import { eachLeaf } from '../../src/nn/specs/spec.ts';
import { exportOnnx } from '../../src/onnx/export/exportOnnx.ts';
import { syncbn } from '../support/cli.ts';
import { worstRelative } from '../support/layers/harness.ts';
import {
  channelsFirstShape,
  ourOutputs,
  runOnnx,
  someSamples,
  someWeights,
  toChannelsFirst,
} from '../support/onnx/runtime.ts';

const PARITY = 1e-5;
const SAMPLES = 3;

const folder = mkdtempSync(join(tmpdir(), 'syncbn-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));

const image: Shape = [7, 6, 4];
const sequence: Shape = [6, 4];

/** Layers in every way in which they are written, and what they are given. */
const cases: readonly (readonly [string, LayerSpec, Shape])[] = [
  ['relu', nn.relu(), image],
  ['relu6', nn.relu6(), image],
  ['leakyRelu', nn.leakyRelu(0.3), image],
  ['prelu', nn.prelu({ numParameters: 4 }), image],
  ['prelu of one slope', nn.prelu(), [5]],
  ['elu', nn.elu(0.7), image],
  ['gelu', nn.gelu(), image],
  ['gelu by tanh', nn.gelu({ approximate: 'tanh' }), image],
  ['silu', nn.silu(), image],
  ['sigmoid', nn.sigmoid(), image],
  ['tanh', nn.tanh(), image],
  ['hardSigmoid', nn.hardSigmoid(), image],
  ['hardSwish', nn.hardSwish(), image],
  ['softmax', nn.softmax(), image],
  ['conv2d', nn.conv2d(4, 6, { kernel: 3, stride: [2, 1], padding: [1, 0], groups: 2 }), image],
  ['conv2d same', nn.conv2d(4, 3, { kernel: [2, 3], stride: 2, padding: 'same' }), image],
  ['depthwise', nn.conv2d(4, 8, { kernel: 3, groups: 4, dilation: 2, bias: false }), image],
  ['standardized', nn.conv2d(4, 3, { kernel: 3, weightStandardization: true }), image],
  ['conv1d', nn.conv1d(4, 6, { kernel: 3, padding: { left: 2 }, dilation: 2 }), sequence],
  [
    'convTranspose2d',
    nn.convTranspose2d(4, 6, { kernel: 3, stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
    image,
  ],
  ['linear', nn.linear(5, 3), [5]],
  ['linear of an image', nn.linear(168, 3), image],
  ['maxPool', nn.maxPool({ kernel: 3, stride: 2, padding: { top: 1, right: 2 } }), image],
  ['avgPool', nn.avgPool({ kernel: 3, stride: 2, padding: 1 }), image],
  ['avgPool without pad', nn.avgPool({ kernel: 3, padding: 1, countIncludePad: false }), image],
  ['maxPool1d', nn.maxPool1d({ kernel: 3, padding: 'same' }), sequence],
  ['avgPool1d', nn.avgPool1d({ kernel: 2 }), sequence],
  ['globalAvgPool', nn.globalAvgPool(), image],
  ['globalMaxPool', nn.globalMaxPool(), image],
  ['adaptiveAvgPool', nn.adaptiveAvgPool([3, 2]), image],
  ['adaptiveMaxPool', nn.adaptiveMaxPool([3, 4]), image],
  ['adaptiveAvgPool of equal bins', nn.adaptiveAvgPool([7, 3]), image],
  ['upsample', nn.upsample({ scale: [2, 3] }), image],
  ['upsample bilinear', nn.upsample({ scale: 2, mode: 'bilinear' }), image],
  ['upsample aligned', nn.upsample({ scale: 2, mode: 'bilinear', alignCorners: true }), image],
  ['upsample to a size', nn.upsample({ size: [10, 7] }), image],
  ['upsample bilinear to a size', nn.upsample({ size: [10, 4], mode: 'bilinear' }), image],
  ['pad', nn.pad({ top: 1, left: 2, right: 3 }), image],
  ['slice', nn.slice({ rows: [1, 4], columns: [2, 6], channels: [1, 3] }), image],
  ['slice of a vector', nn.slice({ channels: [1, 3] }), [5]],
  ['reshape', nn.sequential([nn.reshape([6, 7, 4]), nn.conv2d(4, 2, { kernel: 2 })]), image],
  ['flatten', nn.sequential([nn.flatten(), nn.linear(168, 3)]), image],
  ['batchNorm', nn.batchNorm(4), image],
  ['batchNorm frozen', nn.batchNorm(4, { frozen: true }), sequence],
  ['batchNorm of vectors', nn.batchNorm(5, { affine: false }), [5]],
  ['batchRenorm', nn.batchRenorm(4), image],
  ['instanceNorm', nn.instanceNorm(4, { affine: true }), image],
  ['instanceNorm by running', nn.instanceNorm(4, { trackRunningStats: true }), image],
  ['groupNorm', nn.groupNorm(2, 4), image],
  ['groupNorm of vectors', nn.groupNorm(2, 6, { affine: false }), [6]],
  ['layerNorm', nn.layerNorm([6, 4]), image],
  ['layerNorm plain', nn.layerNorm(5, { affine: false }), [5]],
  ['rmsNorm', nn.rmsNorm([6, 4]), image],
  ['filterResponseNorm', nn.filterResponseNorm(4), image],
  ['filterResponseNorm without tlu', nn.filterResponseNorm(4, { tlu: false }), image],
  ['dropout', nn.sequential([nn.dropout(), nn.dropout2d(), nn.dropPath(0.5), nn.relu()]), image],
  ['rnn', nn.rnn(4, 3, { nonlinearity: 'relu' }), sequence],
  ['rnn of a layer', nn.rnn(4, 3, { norm: 'layer', returnSequence: true }), sequence],
  ['gru', nn.gru(4, 3), sequence],
  ['gru by batch', nn.gru(4, 3, { norm: 'batch', eps: 0.01 }), sequence],
  ['lstm', nn.lstm(4, 3, { returnSequence: true }), sequence],
  ['lstm by batch', nn.lstm(4, 3, { norm: 'batch', eps: 0.01, bias: false }), sequence],
  [
    'a graph of joins',
    nn.graph((x) => {
      const y = x.apply(nn.conv2d(4, 4, { kernel: 1 }), nn.layerNorm(4));
      const gate = nn.add(x, y).apply(nn.globalAvgPool(), nn.linear(4, 4), nn.sigmoid());
      return nn.concat([nn.multiply(y, gate), nn.multiply(x, y), x.apply(nn.rmsNorm(4))]);
    }),
    image,
  ],
  [
    'a residual',
    nn.residual(nn.conv2d(4, 6, { kernel: 1 }), nn.conv2d(4, 6, { kernel: 1 })),
    image,
  ],
];

/** Outputs of the file, and of the model, for some samples. */
async function bothOutputs(model: LayerSpec, inputShape: Shape, fold = false) {
  const weights = someWeights(model, inputShape);
  const x = someSamples(SAMPLES, inputShape);
  const bytes = await exportOnnx({ model, weights, inputShape }, { fold });
  const ours = ourOutputs(model, weights, { inputShape, x });
  const dims = [SAMPLES, ...channelsFirstShape(inputShape)];
  const { main } = await runOnnx(bytes, toChannelsFirst(x, inputShape), dims);
  return { ours, main: main! };
}

/** A trainer of two numbers for images of bytes, after some steps, and inputs for it. */
async function bytesToNumbers() {
  const inputs = Uint8Array.from({ length: 8 * 24 }, (_, i) => (i * i * 37) % 256);
  const targets = Float32Array.from({ length: 16 }, (_, i) => 100 + ((i * 7) % 5));
  const split = { count: 8, inputs, targets };
  const data: Dataset = {
    name: 'bytes',
    inputShape: [4, 3, 2],
    inputType: 'u8',
    task: { kind: 'regression', targetShape: [2] },
    mean: [0.4, 0.6],
    std: [0.3, 0.2],
    train: split,
    test: split,
  };
  const model = nn.sequential([
    nn.conv2d(2, 4, { kernel: 3, padding: 1, bias: false }),
    nn.batchNorm(4),
    nn.flatten(),
    nn.linear(48, 2),
  ]);
  const optimizer = optim.sgd({ lr: 0.01 });
  const run = { model, data: standardizeTargets(data), optimizer, globalBatch: 4 };
  const trainer = await Trainer.start({ ...run, replicas: 1, workers: 1 });
  for await (const _ of trainer.fit({ epochs: 2 }));
  return { trainer, inputs: inputs.slice(0, 5 * 24) };
}

describe('a net as ONNX', () => {
  it.each(cases)('computes %s as it does here', async (_, model, inputShape) => {
    const { ours, main } = await bothOutputs(model, inputShape);
    expect(main.dims).toEqual([SAMPLES, ...channelsFirstShape(ours.outputShape)]);
    const expected = toChannelsFirst(ours.y, ours.outputShape);
    expect(worstRelative(main.values, expected)).toBeLessThan(PARITY);
  });

  it('is tried with every layer', () => {
    const tried = new Set<string>();
    for (const [, model] of cases) eachLeaf(model, ({ kind }) => tried.add(kind));
    const all = layerForms.map(({ kind }) => kind).filter((kind) => kind !== 'custom');
    expect(all.filter((kind) => !tried.has(kind))).toEqual([]);
  });

  it('is refused, before any work, with the layers that ONNX has no words for', async () => {
    const model = nn.sequential([nn.batchNorm(4, { trackRunningStats: false }), nn.relu()]);
    const weights = someWeights(model, image);
    const refused = exportOnnx({ model, weights, inputShape: image });
    await expect(refused).rejects.toThrow(UsageError);
    await expect(refused).rejects.toThrow(/0\.batchNorm \(it has no running statistics/);
    const missing = exportOnnx({ model: nn.linear(5, 2), weights, inputShape: [5] });
    await expect(missing).rejects.toThrow(/linear.weight: expected .*, got "missing"/);
  });
});

describe('a checkpoint as ONNX', () => {
  it('takes and gives what predict does, for any number of samples', async () => {
    const path = join(folder, 'run.ckpt');
    const { trainer, inputs } = await bytesToNumbers();
    await trainer.save(path);
    const expected = await trainer.predict(inputs);
    await trainer.close();
    const x = toChannelsFirst(Float32Array.from(inputs), [4, 3, 2]);
    for (const fold of [false, true]) {
      const { main } = await runOnnx(await exportOnnx(path, { fold }), x, [5, 2, 4, 3]);
      expect(worstRelative(main!.values, expected)).toBeLessThan(PARITY);
      const some = await runOnnx(await exportOnnx(path, { fold }), x.slice(0, 24), [1, 2, 4, 3]);
      expect(worstRelative(some.main!.values, expected.slice(0, 2))).toBeLessThan(PARITY);
    }
    const out = join(folder, 'net.onnx');
    expect(await syncbn(['export', path, '--to', out, '--fold'])).toMatchObject({ code: 0 });
    expect(new Uint8Array(readFileSync(out))).toEqual(await exportOnnx(path, { fold: true }));
    const again = await syncbn(['export', path, '--to', out]);
    expect(again.stderr).toMatch(/would replace a file that is there/);
    const other = ['export', path, '--to', join(folder, 'net.safetensors'), '--fold'];
    expect((await syncbn(other)).stderr).toMatch(/--fold requires --to model.onnx/);
  });
});
