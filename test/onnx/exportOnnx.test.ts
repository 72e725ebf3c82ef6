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
import { image, layerCases } from '../support/onnx/layerCases.ts';
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
  it.each(layerCases)('computes %s as it does here', async (_, model, inputShape) => {
    const { ours, main } = await bothOutputs(model, inputShape);
    expect(main.dims).toEqual([SAMPLES, ...channelsFirstShape(ours.outputShape)]);
    const expected = toChannelsFirst(ours.y, ours.outputShape);
    expect(worstRelative(main.values, expected)).toBeLessThan(PARITY);
  });

  it('is tested with every layer', () => {
    const tried = new Set<string>();
    for (const [, model] of layerCases) eachLeaf(model, ({ kind }) => tried.add(kind));
    const all = layerForms.map(({ kind }) => kind).filter((kind) => kind !== 'custom');
    expect(all.filter((kind) => !tried.has(kind))).toEqual([]);
  });

  it('is refused, before any work, with the layers that ONNX cannot express', async () => {
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
  it('has the inputs and outputs of predict, for any number of samples', async () => {
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
    expect(again.stderr).toMatch(/would replace an existing file/);
    const other = ['export', path, '--to', join(folder, 'net.safetensors'), '--fold'];
    expect((await syncbn(other)).stderr).toMatch(/--fold requires --to model.onnx/);
  });
});
