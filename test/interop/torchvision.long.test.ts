import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type Dataset, nn, optim, readWeights, Trainer } from '../../src/index.ts';
import { readSafetensors } from '../../src/interop/safetensors.ts';
import { syncbn } from '../support/cli.ts';

const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('../support/golden/torchvision_weights.py', import.meta.url));
const hasTorch = spawnSync(PYTHON, ['-c', 'import torch, torchvision']).status === 0;

const folder = mkdtempSync(join(tmpdir(), 'syncbn-torchvision-'));
afterAll(() => rmSync(folder, { recursive: true }));

const inputShape = [64, 64, 3];
const classes = 10;
const OUTPUT_TOLERANCE = 1e-5;
const TRAINING_TOLERANCE = 1e-4;
/** Relative to PyTorch's own difference between float32 and float64: rounding decides which relus
 * are active. */
const ROUNDING_FACTOR = 4;
const STEPS = 10;
const file = (name: string): string => join(folder, `${name}.safetensors`);

type Numbers = Float32Array | Float64Array;

/** Data from torchvision: weights in a file, and the run by tensor names. */
async function fromTorchvision(model: string, steps: number): Promise<Map<string, Numbers>> {
  const made = spawnSync(PYTHON, [SCRIPT, model, folder, `${steps}`], { encoding: 'utf8' });
  expect(made.stderr).toBe('');
  const run = await readSafetensors(file('run'), 'run');
  return new Map(run.map(({ name, values }) => [name, values]));
}

function startFrom(model: string, run: ReadonlyMap<string, Numbers>): Promise<Trainer> {
  const labels = Int32Array.from(run.get('labels')!);
  const inputs = run.get('images') as Float32Array;
  const data: Dataset = {
    name: 'torchvision',
    inputShape,
    inputType: 'f32',
    task: { kind: 'classification', classes },
    mean: [0, 0, 0],
    std: [1, 1, 1],
    train: { count: labels.length, inputs, targets: labels },
    test: { count: 0, inputs: new Float32Array(0), targets: new Int32Array(0) },
  };
  return Trainer.start({
    model: nn.convertNorm(nn.namedModel(model, { inputShape, classes }), { to: 'sync' }),
    data,
    weights: file('weights'),
    optimizer: optim.sgd({ lr: 0.0003, momentum: 0.9 }),
    globalBatch: labels.length,
    replicas: 2,
    shuffle: false,
    onNotice: () => {},
  });
}

/** The largest difference, as a share of the largest value. */
function shareOff(found: ArrayLike<number>, expected: Numbers): number {
  expect(found.length).toBe(expected.length);
  let [difference, largest] = [0, 0];
  for (const [i, value] of expected.entries()) {
    difference = Math.max(difference, Math.abs(found[i]! - value));
    largest = Math.max(largest, Math.abs(value));
  }
  return difference / largest;
}

/** The length of the difference, as a share of the whole. */
function lengthOff(found: Numbers, expected: Numbers): number {
  const difference = Float64Array.from(expected, (value, i) => found[i]! - value);
  return lengthOf(difference) / lengthOf(expected);
}

function lengthOf(values: Numbers): number {
  return Math.sqrt(Float64Array.from(values).reduce((sum, value) => sum + value * value, 0));
}

describe.skipIf(!hasTorch)("torchvision's", () => {
  it.each([
    ['resnet18', 'resnet18'],
    ['mobilenet_v2', 'mobilenet-v2'],
    ['densenet121', 'densenet121'],
  ])('%s is imported, computes the same, and is exported byte for byte', async (theirs, ours) => {
    const run = await fromTorchvision(theirs, 0);
    const trainer = await startFrom(ours, run);
    const checkpoint = join(folder, 'run.ckpt');
    const outputs = await trainer.predict(run.get('images') as Float32Array);
    await trainer.save(checkpoint, { overwrite: true });
    await trainer.close();
    const off = shareOff(outputs, run.get('outputs')!);
    expect(off).toBeLessThan(OUTPUT_TOLERANCE);
    const { code, stderr } = await syncbn([
      'export',
      checkpoint,
      '--to',
      file('out'),
      '--overwrite',
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(readFileSync(file('out')).equals(readFileSync(file('weights')))).toBe(true);
  });

  it('resnet18 trains as it does in PyTorch', async () => {
    const run = await fromTorchvision('resnet18', STEPS);
    const trainer = await startFrom('resnet18', run);
    const { model, data } = trainer.config;
    const losses: number[] = [];
    for await (const { loss } of trainer.fit({ epochs: STEPS })) losses.push(loss);
    const found = trainer.weights();
    await trainer.close();
    const own = { model, inputShape: data.inputShape };
    const [expected, rounded] = [
      await readWeights(file('trained'), own),
      await readWeights(file('rounded'), own),
    ];
    expect(shareOff(losses, run.get('losses')!)).toBeLessThan(TRAINING_TOLERANCE);
    const wrong = [...expected].flatMap(([name, { values }]) => {
      const off = lengthOff(found.get(name)!.values, values);
      const theirs = lengthOff(rounded.get(name)!.values, values);
      const isFar = off >= Math.max(TRAINING_TOLERANCE, ROUNDING_FACTOR * theirs);
      return isFar ? [{ name, off, theirs }] : [];
    });
    expect(wrong).toEqual([]);
  });
});
