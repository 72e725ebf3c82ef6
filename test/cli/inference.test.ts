// What the command does with only a checkpoint: evaluates it on other data, and predicts.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseNpy } from '../../src/data/npy/npy.ts';
import { npyBytes } from '../../src/data/npy/npyWriter.ts';
import { openDataset } from '../../src/data/open.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { batchNorm } from '../../src/nn/specs/norms.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { syncbn } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncbn-inference-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string) => join(folder, name);
const run = file('run.ckpt');
const checkpoint = ['--checkpoint', run];
let inputs: Float32Array;
let outputs: Float32Array;
let loss: number;

beforeAll(async () => {
  const data = await openDataset('synthetic');
  const model = sequential([flatten(), linear(432, 4), batchNorm(4), linear(4, 10)]);
  const size = { replicas: 1, globalBatch: 16, workers: 1 };
  const trainer = await Trainer.start({ model, data, optimizer: sgd({ lr: 0.1 }), ...size });
  for await (const _ of trainer.fit({ epochs: 1, maxSteps: 5 }));
  await trainer.save(run);
  inputs = data.test.inputs as Float32Array;
  outputs = await trainer.predict(inputs);
  ({ loss } = await trainer.evaluate());
  await trainer.close();
});

/** A folder of npy files with the first test samples. */
function otherData(count: number): string {
  const dir = mkdtempSync(join(folder, 'data-'));
  for (const part of ['train', 'test']) {
    const values = inputs.subarray(0, count * 432);
    writeFileSync(join(dir, `x_${part}.npy`), npyBytes([count, 12, 12, 3], values));
    writeFileSync(join(dir, `y_${part}.npy`), npyBytes([count], new Int32Array(count)));
  }
  return dir;
}

describe('syncbn eval', () => {
  it('evaluates on the data of the run, or on other data if requested', async () => {
    const own = await syncbn(['eval', '--json', ...checkpoint, '--data', 'synthetic']);
    expect([own.code, own.stderr, own.events[0]!.testLoss]).toEqual([0, '', loss]);
    const other = await syncbn(['eval', '--json', ...checkpoint, '--data', otherData(7)]);
    expect([other.code, other.events[0]!.count]).toEqual([0, 7]);
    expect(other.stderr).toMatch(/is not the data of the checkpoint \(synthetic\)/);
    const precise = ['--precise-norm', '1', '--data', otherData(7)];
    const refused = await syncbn(['eval', ...checkpoint, ...precise]);
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringContaining('expected the data of the checkpoint'),
    ]);
  });
});

describe('syncbn eval of an ONNX file', () => {
  const onnx = file('net.onnx');

  it('finds the same as the checkpoint it was exported from', async () => {
    await syncbn(['export', run, '--to', onnx, '--standardized']);
    const found = await syncbn(['eval', '--json', '--model', onnx, '--data', 'synthetic']);
    expect([found.code, found.stderr, found.events[0]!.count]).toEqual([0, '', 500]);
    expect(found.events[0]!.testLoss).toBeCloseTo(loss, 5);
  });

  it('trains further with another norm, from the weights that fit', async () => {
    const train = [
      'train',
      '--data',
      'synthetic',
      '--model',
      onnx,
      '--norm',
      'none',
      '--workers',
      '1',
    ];
    const short = ['--replicas', '1', '--limit', '32', '--epochs', '1'];
    const strict = await syncbn([...train, ...short]);
    expect(strict.code).toBe(2);
    expect(strict.stderr).toMatch(/weights do not fit the model: .*\(--weights-partial\)/);
    const { code, stdout } = await syncbn([...train, ...short, '--weights-partial']);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/test accuracy/)]);
  });

  it.each([
    [['--model', onnx, '--checkpoint', run], /--model cannot be combined with --checkpoint/],
    [['--model', 'refnet'], /expected an .onnx file.*, got "refnet"/],
  ])('is refused with %s', async (args, message) => {
    const { code, stderr } = await syncbn(['eval', '--data', 'synthetic', ...args]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});

describe('syncbn predict', () => {
  const predict = (...args: string[]) => syncbn(['predict', ...checkpoint, ...args]);

  it('writes the outputs for samples as an array', async () => {
    const out = file('scores.npy');
    const { code, events } = await predict('--data', 'synthetic', '--out', out, '--json');
    expect([code, events]).toEqual([0, [{ event: 'predicted', path: out, samples: 500 }]]);
    const { shape, values } = parseNpy(readFileSync(out), out);
    expect(shape).toEqual([500, 10]);
    expect(values).toEqual(outputs);
  });

  it('writes a table for inputs that have no targets', async () => {
    const [data, out] = [file('x.npy'), file('scores.csv')];
    writeFileSync(data, npyBytes([3, 12, 12, 3], inputs.subarray(0, 3 * 432)));
    const { code, stdout } = await predict('--data', data, '--out', out);
    expect([code, stdout]).toEqual([0, `Outputs for 3 samples written to ${out}.\n`]);
    const [names, ...rows] = readFileSync(out, 'utf8').trimEnd().split('\n');
    expect(names).toMatch(/^class,output0,.*,output9$/);
    for (const [i, row] of rows.entries()) {
      const [best, ...found] = row.split(',').map(Number);
      const wanted = outputs.subarray(i * 10, i * 10 + 10);
      expect(Float32Array.from(found)).toEqual(wanted.slice());
      expect(best).toBe(wanted.indexOf(Math.max(...wanted)));
    }
  });

  it('refuses files that it cannot read or write, before it computes', async () => {
    const wrong = file('wrong.npy');
    writeFileSync(wrong, npyBytes([3, 12, 3], new Float32Array(108)));
    const [a, b, c, d] = await Promise.all([
      predict('--data', wrong, '--out', file('a.csv')),
      predict('--data', 'synthetic', '--out', file('a.txt')),
      predict('--data', wrong, '--out', wrong, '--overwrite'),
      predict('--data', 'synthetic', '--out', run),
    ]);
    expect([a, b, c, d].map(({ code }) => code)).toEqual([2, 2, 2, 2]);
    expect(a!.stderr).toContain('expected numbers [n, 12, 12, 3], got "numbers 3x12x3"');
    expect(b!.stderr).toContain('a file .csv or .npy');
    expect(c!.stderr).toContain('would write over the data');
    expect(d!.stderr).toContain('a file .csv or .npy');
  });
});
