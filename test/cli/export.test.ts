import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importOnnx, nn, optim, synthetic, Trainer } from '../../src/index.ts';
import { syncbn } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-export-'));
const run = join(folder, 'run.ckpt');
const file = join(folder, 'net.safetensors');
const options = {
  model: nn.sequential([
    nn.conv2d(1, 3, { kernel: 2 }),
    nn.batchNorm(3),
    nn.flatten(),
    nn.linear(27, 2),
  ]),
  data: synthetic({ train: 8, test: 4, shape: [4, 4, 1], classes: 2 }),
  optimizer: optim.sgd({ lr: 0.1 }),
  globalBatch: 8,
  norm: { to: 'sync' } as const,
  workers: 1,
};
let trained: ReturnType<Trainer['weights']>;

beforeAll(async () => {
  const trainer = await Trainer.start(options);
  for await (const _ of trainer.fit({ epochs: 1 }));
  await trainer.save(run);
  trained = trainer.weights();
  await trainer.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('syncbn export', () => {
  it('writes weights that another run starts from', async () => {
    const { code, events } = await syncbn(['export', run, '--to', file, '--json']);
    expect(code).toBe(0);
    const format = 'safetensors';
    expect(events).toEqual([{ event: 'exported', path: file, format, tensors: 9 }]);
    const trainer = await Trainer.start({ ...options, seed: 5, weights: file });
    const weights = trainer.weights();
    await trainer.close();
    for (const [name, { values }] of trained) {
      const rounded = Float32Array.from(values);
      expect(Float32Array.from(weights.get(name)!.values), name).toEqual(rounded);
    }
    const again = await syncbn(['export', run, '--to', file]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('--overwrite')]);
  });

  it('writes the average of the weights, with statistics measured on the data', async () => {
    const [averaged, onnx] = [join(folder, 'averaged.ckpt'), join(folder, 'average.onnx')];
    const model = nn.sequential([nn.batchNorm(3), nn.flatten(), nn.linear(432, 10)]);
    const averaging = optim.averaging.ema({ decay: 0.5 });
    const trainer = await Trainer.start({ ...options, model, data: synthetic(), averaging });
    for await (const _ of trainer.fit({ epochs: 1, maxSteps: 3 }));
    await trainer.save(averaged);
    await trainer.useAverage();
    const expected = trainer.weights();
    await trainer.close();
    const args = ['--average', '--data', 'synthetic', '--standardized', '--workers', '1'];
    const exported = await syncbn(['export', averaged, '--to', onnx, ...args]);
    expect([exported.code, exported.stderr]).toEqual([0, '']);
    const { weights } = await importOnnx(onnx);
    for (const part of ['linear.weight', 'batchNorm.runningMean']) {
      const values = [weights, expected].map((of) => {
        const name = [...of.keys()].find((one) => one.endsWith(part))!;
        return Float32Array.from(of.get(name)!.values);
      });
      expect(values[0], part).toEqual(values[1]);
    }
  });

  it.each<[string, readonly string[], RegExp]>([
    ['no checkpoint', ['--to', file], /requires a checkpoint/],
    ['no file', [run], /requires --to.*\.safetensors/],
    [
      'an unknown ending',
      [run, '--to', 'net.bin'],
      /--to: expected .*\.safetensors.*, got "net\.bin"/,
    ],
    ['data that nothing is measured on', [run, '--to', file, '--data', 'mnist'], /--average/],
    [
      'no average',
      [run, '--to', join(folder, 'no.onnx'), '--average', '--data', 'synthetic'],
      /data/,
    ],
  ])('refuses %s', async (_name, args, message) => {
    const { code, stderr } = await syncbn(['export', ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('a run from safetensors', () => {
  it('takes matching tensors of a wrapped model with another head', async () => {
    const partial = join(folder, 'wrapped.safetensors');
    const header = {
      'module.0.bias': { dtype: 'F32', shape: [3], data_offsets: [0, 12] },
      'module.3.bias': { dtype: 'F32', shape: [1], data_offsets: [12, 16] },
      'module.4.bias': { dtype: 'I8', shape: [2], data_offsets: [16, 18] },
    };
    const json = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    const data = [...new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer), 1, 2];
    writeFileSync(partial, Buffer.concat([length, json, Buffer.from(data)]));
    const given = { ...options, weights: partial };
    const trainer = await Trainer.start({ ...given, strictWeights: false });
    const { conversion } = trainer;
    expect([...trainer.weights().get('0.conv2d.bias')!.values]).toEqual([1, 2, 3]);
    await trainer.close();
    const told = conversion.filter(({ why }) => !/^new: not in the weights/.test(why));
    expect(told.map(({ layer, tensor, why }) => `${layer} ${tensor}: ${why}`)).toEqual([
      '0.conv2d bias: the same values',
      '3.linear bias: new: the weights have 1, the model 2',
      '4 bias: left out: not in the model',
    ]);
    await expect(Trainer.start(given)).rejects.toThrow(/weights of .*wrapped.*strictWeights/);
  });
});
