// The models by name against torchvision's (models.json): parameters and images come from a formula
// that both sides know, so that the file holds results alone.

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { type Shape, sizeOf } from '../../../src/base/shape.ts';
import type { Dataset } from '../../../src/data/dataset.ts';
import { fromTorch, type TorchTensor, torchTensors } from '../../../src/interop/torchTensors.ts';
import { convertNorm } from '../../../src/nn/convert/convertNorm.ts';
import { sequential } from '../../../src/nn/models/compose.ts';
import { namedModel } from '../../../src/nn/models/models.ts';
import { type LayerSpec, mapLeaves } from '../../../src/nn/specs/spec.ts';
import { sgd } from '../../../src/optim/optimizer.ts';
import { Trainer } from '../../../src/runtime/trainer.ts';
import { runLayer, type Tensors } from '../layers/harness.ts';

/** The length of a tensor, and its product with the formula. */
type Summary = readonly [length: number, product: number];

/** Parameters by our names. */
type Weights = ReadonlyMap<string, { readonly shape: Shape; readonly values: Float32Array }>;

type Part = 'outputs' | 'losses' | 'gradients' | 'parameters';

interface ModelRun {
  readonly name: string;
  /** Logits of the first step, [N, classes], or of pixels as many, evenly spread. */
  readonly outputs: readonly number[];
  /** Of each step, before its update. */
  readonly losses: readonly number[];
  /** By PyTorch's names, in its order; gradients of the first step. */
  readonly gradients: Readonly<Record<string, Summary>>;
  /** After the last step. */
  readonly parameters: Readonly<Record<string, Summary>>;
  /** How far PyTorch's float32 is from its float64. */
  readonly float32Differences: Readonly<Record<Part, number>>;
}

interface GoldenModels {
  readonly side: number;
  readonly samples: number;
  readonly classes: number;
  readonly learningRate: number;
  readonly momentum: number;
  readonly imageTensor: number;
  readonly runs: readonly ModelRun[];
}

const golden: GoldenModels = JSON.parse(
  readFileSync(new URL('./models.json', import.meta.url), 'utf8'),
);
const { side, samples, classes } = golden;
/** Of 32 channels at the top 8 are left. */
const UNET_WIDTH = 0.25;
const INPUT: Shape = [side, side, 3];

/** Networks with a golden run. */
export const GOLDEN_MODELS = golden.runs.map(({ name }) => name);

/** Of the largest output, of the length of a gradient, and of the loss. */
const TOLERANCE = 1e-4;
/** Where rounding alone decides which relus are open, as many times PyTorch's own difference. */
const ROUNDING_FACTOR = 8;
const SUMMARY_TENSOR = 7;

/** As in model_runs.py: numbers from -1 to 1. */
function formula(tensor: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, place) => {
    let mixed = (Math.imul(place, 2654435761) + tensor * 40503) >>> 0;
    mixed = (mixed ^ (mixed >>> 15)) >>> 0;
    mixed = Math.imul(mixed, 2246822519) >>> 0;
    mixed = (mixed ^ (mixed >>> 13)) >>> 0;
    return mixed / 2 ** 31 - 1;
  });
}

function startValues({ torchName, shape, places }: TorchTensor, tensor: number): Float32Array {
  const values = formula(tensor, sizeOf(shape));
  if (shape.length > 1) {
    const scale = Math.sqrt(6 / (sizeOf(shape) / shape[shape.length - 1]!));
    return Float32Array.from(fromTorch(values, places), (value) => value * scale);
  }
  const start = torchName.endsWith('.weight') ? 0.3 : 0;
  return Float32Array.from(values, (value) => start + 0.1 * value);
}

/** The pixels, channels last. */
function images(): Float32Array {
  const values = formula(golden.imageTensor, samples * sizeOf(INPUT));
  const area = side * side;
  return Float32Array.from(values, (_, i) => {
    const [sample, at] = [Math.floor(i / (3 * area)), i % (3 * area)];
    return values[sample * 3 * area + (at % 3) * area + Math.floor(at / 3)]!;
  });
}

function toleranceOf({ float32Differences }: ModelRun, part: Part): number {
  return Math.max(TOLERANCE, ROUNDING_FACTOR * float32Differences[part]);
}

function expectSummary(
  { torchName, places }: TorchTensor,
  values: Float32Array | Float64Array,
  [length, product]: Summary,
  tolerance: number,
): void {
  const pattern = fromTorch(formula(SUMMARY_TENSOR, values.length), places);
  let [squares, dot] = [0, 0];
  for (const [i, value] of values.entries()) {
    squares += value * value;
    dot += value * pattern[i]!;
  }
  // Gradients of biases in front of a normalization are 0 but for rounding.
  const scale = Math.max(length, 1e-3);
  expect(Math.abs(Math.sqrt(squares) - length), torchName).toBeLessThan(tolerance * scale);
  expect(Math.abs(dot - product), torchName).toBeLessThan(tolerance * scale);
}

/** The label of each row of the logits: of the samples, or of all their pixels. */
function labelsOf(model: string): Int32Array {
  if (model !== 'unet') {
    return Int32Array.from({ length: samples }, (_, sample) => (sample * 3) % classes);
  }
  return Int32Array.from({ length: samples * side * side }, (_, pixel) => {
    return (Math.floor(pixel / 37) + Math.floor(pixel / side)) % classes;
  });
}

/** What is dropped is drawn otherwise in PyTorch. */
function withoutDropout(model: LayerSpec): LayerSpec {
  return mapLeaves(model, (leaf) =>
    leaf.kind === 'dropout' || leaf.kind === 'dropPath' ? sequential([]) : leaf,
  );
}

/** One pass forward and backward, and the steps of the run on two replicas. */
export async function expectTorchvision(model: string): Promise<void> {
  const run = golden.runs.find(({ name }) => name === model)!;
  const labels = labelsOf(model);
  const width = model === 'unet' ? UNET_WIDTH : 1;
  const named = namedModel(model, { inputShape: INPUT, classes, width });
  const spec = withoutDropout(convertNorm(named, { to: 'sync' }));
  const tensors = new Map(torchTensors(spec, INPUT).map((tensor) => [tensor.torchName, tensor]));
  const x = images();
  const weights = new Map(
    Object.keys(run.gradients).map((torchName, place) => {
      const tensor = tensors.get(torchName)!;
      const values = startValues(tensor, place);
      return [tensor.name, { shape: tensor.shape, values }] as const;
    }),
  );
  expectPass(run, spec, { x, labels }, { weights, tensors });
  const trainer = await trainerOf(spec, x, labels, weights);
  const losses: number[] = [];
  for await (const progress of trainer.fit({ epochs: run.losses.length })) {
    losses.push(progress.loss);
  }
  for (const [step, loss] of run.losses.entries()) {
    expect(Math.abs(losses[step]! - loss), `step ${step}`).toBeLessThan(
      toleranceOf(run, 'losses') * loss,
    );
  }
  const after = trainer.weights();
  await trainer.close();
  const tolerance = toleranceOf(run, 'parameters');
  for (const [torchName, summary] of Object.entries(run.parameters)) {
    const tensor = tensors.get(torchName)!;
    expectSummary(tensor, after.get(tensor.name)!.values, summary, tolerance);
  }
}

function expectPass(
  run: ModelRun,
  spec: LayerSpec,
  { x, labels }: { readonly x: Float32Array; readonly labels: Int32Array },
  { weights, tensors }: { weights: Weights; tensors: ReadonlyMap<string, TorchTensor> },
): void {
  const own: Tensors = Object.fromEntries(
    [...weights].map(([name, { values }]) => [`graph.${name}`, values]),
  );
  const pass = {
    spec,
    inputShape: INPUT,
    shards: [4, 4],
    x,
    parameters: own,
    mode: 'fast',
  } as const;
  const { y } = runLayer(pass);
  const largest = Math.max(...run.outputs.map(Math.abs));
  for (const [i, output] of run.outputs.entries()) {
    const at = i * (y.length / run.outputs.length);
    expect(Math.abs(y[at]! - output), `output ${i}`).toBeLessThan(
      toleranceOf(run, 'outputs') * largest,
    );
  }
  const { gradients } = runLayer({ ...pass, dy: crossEntropyGradient(y, labels) });
  for (const [torchName, summary] of Object.entries(run.gradients)) {
    const tensor = tensors.get(torchName)!;
    const values = gradients[`graph.${tensor.name}`]!;
    expectSummary(tensor, values, summary, toleranceOf(run, 'gradients'));
  }
}

/** Of the mean over the rows. */
function crossEntropyGradient(logits: Float32Array, labels: Int32Array): Float32Array {
  return logits.map((logit, i) => {
    const row = Math.floor(i / classes);
    const own = logits.subarray(row * classes, (row + 1) * classes);
    const share = Math.exp(logit) / own.reduce((sum, other) => sum + Math.exp(other), 0);
    return (share - (i % classes === labels[row] ? 1 : 0)) / labels.length;
  });
}

function trainerOf(
  model: LayerSpec,
  x: Float32Array,
  targets: Int32Array,
  weights: Weights,
): Promise<Trainer> {
  const data: Dataset = {
    name: 'golden',
    inputShape: INPUT,
    inputType: 'f32',
    task:
      targets.length === samples
        ? { kind: 'classification', classes }
        : { kind: 'segmentation', classes, targetShape: [side, side] },
    mean: [0, 0, 0],
    std: [1, 1, 1],
    train: { count: samples, inputs: x, targets },
    test: { count: 0, inputs: new Float32Array(0), targets: new Int32Array(0) },
  };
  return Trainer.start({
    model,
    data,
    optimizer: sgd({ lr: golden.learningRate, momentum: golden.momentum }),
    globalBatch: samples,
    replicas: 2,
    workers: 2,
    shuffle: false,
    weights,
    strictWeights: false,
  });
}
