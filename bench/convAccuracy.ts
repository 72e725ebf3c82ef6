// The accuracy of 3x3 convolutions with stride 1, by algorithm: the errors of forward, input
// gradient and weight gradient compared with float64, in float32 ulp of the tensor's largest
// magnitude and as rms of the error over rms of the tensor. Inputs are normal numbers after a relu,
// weights are He-initialized.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  conv2dInputGradRef,
  conv2dRef,
  conv2dWeightGradRef,
} from '../src/kernels/reference/conv.ts';
import { type ConvAlgorithm, conv2d } from '../src/nn/specs/conv2d.ts';
import { MODES } from '../test/support/kernelFixture.ts';
import { runLayer, worstUlps } from '../test/support/layers/harness.ts';
import { normalValues } from './normalValues.ts';
import type { TorchLayers } from './torchLayers.ts';
import { convolveF2, inputGradF2, type SquareImages, weightGradF2 } from './winogradF2.ts';

const CHANNELS = [16, 32, 64];
/** 14 leaves two outputs per axis after whole tiles of F(4x4). */
const SIZES = [32, 16, 14, 8];
const SMOKE_SIZES = [14, 8];
const SAMPLES = 2;
const KERNEL = { kernel: 3, padding: 1, bias: false } as const;

const PASSES = ['forward', 'inputGradient', 'weightGradient'] as const;
export type ConvPass = (typeof PASSES)[number];
type Passes = Readonly<Record<ConvPass, ArrayLike<number>>>;

/** Over all image sizes. */
export interface ConvError {
  /** The worst. */
  readonly ulps: number;
  /** Rms of the error, over that of the tensor. */
  readonly rms: number;
}

export interface ConvAccuracyResult extends Readonly<Record<ConvPass, ConvError>> {
  readonly bench: 'convolution accuracy';
  readonly channels: number;
  readonly algorithm: string;
}

/** Each algorithm at each number of channels; `report` gets each result immediately. */
export async function measureConvAccuracy(
  isSmoke: boolean,
  torch: TorchLayers | undefined,
  report: (result: ConvAccuracyResult) => void,
): Promise<readonly ConvAccuracyResult[]> {
  const results: ConvAccuracyResult[] = [];
  for (const channels of isSmoke ? CHANNELS.slice(0, 1) : CHANNELS) {
    const errors = new Map<string, Record<ConvPass, ConvError>[]>();
    for (const size of isSmoke ? SMOKE_SIZES : SIZES) {
      const problem = problemOf({ samples: SAMPLES, size, channels });
      const exact = exactPasses(problem);
      for (const { algorithm, run } of algorithmsFor(torch)) {
        const found = await run(problem);
        if (found === undefined) continue;
        errors.set(algorithm, [...(errors.get(algorithm) ?? []), errorsOf(found, exact)]);
      }
    }
    for (const [algorithm, ofSizes] of errors) {
      const merged = mapPasses((pass) => mergeErrors(ofSizes.map((error) => error[pass])));
      const result = { bench: 'convolution accuracy', channels, algorithm, ...merged } as const;
      report(result);
      results.push(result);
    }
  }
  return results;
}

interface Problem {
  readonly images: SquareImages;
  readonly x: Float32Array;
  readonly weight: Float32Array;
  readonly dy: Float32Array;
}

function problemOf(images: SquareImages): Problem {
  const { samples, size, channels } = images;
  const length = samples * size * size * channels;
  const gain = Math.sqrt(2 / (9 * channels));
  return {
    images,
    x: normalValues(length, 1).map((value) => Math.max(value, 0)),
    weight: normalValues(9 * channels * channels, 2).map((value) => gain * value),
    dy: normalValues(length, 3),
  };
}

function exactPasses({ images, x, weight, dy }: Problem): Passes {
  const { samples, size, channels } = images;
  const spec = conv2d(channels, channels, KERNEL);
  const padding = [KERNEL.padding, KERNEL.padding] as const;
  const options = { ...spec, padding, countSamples: samples, height: size, width: size };
  return {
    forward: conv2dRef(x, weight, undefined, options),
    inputGradient: conv2dInputGradRef(dy, weight, options),
    weightGradient: conv2dWeightGradRef(x, dy, options),
  };
}

interface Algorithm {
  readonly algorithm: string;
  run(problem: Problem): Passes | Promise<Passes | undefined>;
}

function algorithmsFor(torch: TorchLayers | undefined): readonly Algorithm[] {
  const ours = (name: string, algorithm: ConvAlgorithm): readonly Algorithm[] =>
    MODES.map((mode) => ({
      algorithm: `${name}, ${mode}`,
      run: (problem) => layerPasses(problem, algorithm, mode),
    }));
  return [
    ...ours('direct', 'direct'),
    ...ours('F(4x4)', 'auto'),
    { algorithm: 'F(2x2), plain loops', run: f2Passes },
    ...(torch === undefined
      ? []
      : [{ algorithm: 'PyTorch', run: (problem: Problem) => torchPasses(torch, problem) }]),
  ];
}

/** The layer as a worker runs it. */
function layerPasses(
  { images, x, weight, dy }: Problem,
  algorithm: ConvAlgorithm,
  mode: (typeof MODES)[number],
): Passes {
  const { samples, size, channels } = images;
  const { y, dx, gradients } = runLayer({
    spec: conv2d(channels, channels, { ...KERNEL, algorithm }),
    inputShape: [size, size, channels],
    shards: [samples],
    ...{ x, dy, mode, parameters: { 'conv2d.weight': weight } },
  });
  return { forward: y, inputGradient: dx, weightGradient: gradients['conv2d.weight']! };
}

function f2Passes({ images, x, weight, dy }: Problem): Passes {
  return {
    forward: convolveF2(x, weight, images),
    inputGradient: inputGradF2(dy, weight, images),
    weightGradient: weightGradF2(x, dy, images),
  };
}

async function torchPasses(torch: TorchLayers, problem: Problem): Promise<Passes | undefined> {
  const { images, x, weight, dy } = problem;
  const { samples, size, channels } = images;
  const folder = mkdtempSync(join(tmpdir(), 'syncbn-accuracy-'));
  const fileOf = (name: string): string => join(folder, `${name}.f32`);
  const read = (name: string): Float32Array =>
    new Float32Array(Uint8Array.from(readFileSync(fileOf(name))).buffer);
  try {
    for (const [name, values] of Object.entries({ x, weight, dy })) {
      writeFileSync(fileOf(name), values);
    }
    const answer = await torch.convolve({
      shape: [samples, size, size, channels],
      outChannels: channels,
      ...{ x: fileOf('x'), weight: fileOf('weight'), dy: fileOf('dy') },
      ...{ y: fileOf('y'), dx: fileOf('dx'), dweight: fileOf('dweight') },
    });
    if (answer === undefined) return undefined;
    return { forward: read('y'), inputGradient: read('dx'), weightGradient: read('dweight') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function errorsOf(found: Passes, exact: Passes): Record<ConvPass, ConvError> {
  return mapPasses((pass) => ({
    ulps: worstUlps(found[pass], exact[pass]),
    rms: rmsRelative(found[pass], exact[pass]),
  }));
}

function rmsRelative(found: ArrayLike<number>, exact: ArrayLike<number>): number {
  let ofErrors = 0;
  let ofValues = 0;
  for (let i = 0; i < exact.length; i++) {
    ofErrors += (found[i]! - exact[i]!) ** 2;
    ofValues += exact[i]! ** 2;
  }
  return Math.sqrt(ofErrors / ofValues);
}

function mergeErrors(errors: readonly ConvError[]): ConvError {
  const squares = errors.reduce((sum, { rms }) => sum + rms * rms, 0);
  return {
    ulps: round(Math.max(...errors.map(({ ulps }) => ulps))),
    rms: round(Math.sqrt(squares / errors.length)),
  };
}

function mapPasses<T>(make: (pass: ConvPass) => T): Record<ConvPass, T> {
  const [forward, inputGradient, weightGradient] = PASSES.map(make) as [T, T, T];
  return { forward, inputGradient, weightGradient };
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
