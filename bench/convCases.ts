// The passes of a convolution as a worker runs them: the layer itself, bound to separate memory,
// with the copies and the packing that belong to each pass.

import { type Shape, sizeOf } from '../src/base/shape.ts';
import {
  conv2dInputGradRef,
  conv2dRef,
  conv2dWeightGradRef,
} from '../src/kernels/reference/conv.ts';
import { conv2dKind, convAxes } from '../src/nn/conv/conv2dKind.ts';
import { isDepthwise } from '../src/nn/conv/convSteps.ts';
import type { Binding, BoundLayer, StepState } from '../src/nn/layers/layer.ts';
import type { Conv2dSpec } from '../src/nn/specs/conv2d.ts';
import type { KernelCase } from './kernelCase.ts';
import {
  type Bench,
  type CompiledModules,
  checkNear,
  createBench,
  fillRandom,
} from './kernelCase.ts';
import { FLOP_PER_PACKED_TURN, FLOP_PER_TURN, SUM_BYTES } from './peak.ts';

export interface ConvShape {
  readonly spec: Conv2dSpec;
  /** Shape of a sample. */
  readonly input: Shape;
  /** Whether a net needs its input gradient; false if the input is the data. */
  readonly needsInputGrad: boolean;
}

/** About 0.1 ms at 40 GFLOP/s. */
const PEAK_TURNS = 40_000;
/** The checks compare a single sample: a plain loop takes a second for some. */
const CHECKED_SAMPLES = 1;

/** Forward, weight gradient and, if needed, input gradient of a batch of one replica. */
export function convCases(
  modules: CompiledModules,
  shape: ConvShape,
  samples: number,
): readonly KernelCase[] {
  const { spec, input } = shape;
  const output = conv2dKind.outputShape(spec, input, 'conv2d') as readonly number[];
  const [weight] = conv2dKind.parameters!(spec, input);
  const bench = createBench(modules, [
    { name: 'x', type: 'f32', shape: [samples, ...input] },
    { name: 'y', type: 'f32', shape: [samples, ...output] },
    { name: 'dy', type: 'f32', shape: [samples, ...output] },
    { name: 'dx', type: 'f32', shape: [samples, ...input] },
    { name: 'weight', type: 'f32', shape: weight!.shape },
    { name: 'dweight', type: 'f32', shape: weight!.shape },
    { name: 'peakSums', type: 'u8', shape: [SUM_BYTES] },
    ...conv2dKind.workspace!(spec, input, {
      capacity: samples,
      countGrains: 1,
      countGroups: () => 1,
    }),
  ]);
  for (const [stream, name] of ['x', 'dy', 'weight'].entries()) {
    fillRandom(bench.floats(name), stream);
  }
  const step: StepState = {
    training: true,
    step: 0,
    countSamples: samples,
    grainStart: new Int32Array([0, samples]),
    firstSample: 0,
    isSnapshot: false,
    globalCount: samples,
  };
  const { y, x: across } = convAxes(spec, input);
  const ref = {
    ...spec,
    ...{ countSamples: CHECKED_SAMPLES, height: y.input, width: across.input },
    padding: [y.before, across.before] as const,
  };
  const { kernel } = spec;
  const products = sizeOf(output) * (kernel[0] * kernel[1] * spec.inChannels);
  const measureOf = isDepthwise(spec) ? inBytes : inProducts;
  const measure = measureOf(bench, shape, samples, (2 * samples * products) / spec.groups);
  const caseOf = (name: ConvPass, run: () => void, exact: () => void): KernelCase => ({
    kernel: `conv ${name}`,
    shape: showConv(shape, samples),
    ...measure(name),
    run,
    check: () => {
      setSamples(step, CHECKED_SAMPLES);
      run();
      exact();
      setSamples(step, samples);
    },
  });
  const one = (name: string, length: readonly number[]): Float32Array =>
    bench.floats(name).subarray(0, CHECKED_SAMPLES * sizeOf(length));
  const x = one('x', input);
  const dy = one('dy', output);
  const weights = bench.floats('weight');
  const layerOf = (use: Parameters<typeof bindAlone>[2]): BoundLayer =>
    bindAlone(bench, { shape, output, step, samples }, use);
  const forward = layerOf({ weightGrad: false, inputGrad: false });
  const weightGrad = layerOf({ weightGrad: true, inputGrad: false });
  const inputGrad = layerOf({ weightGrad: false, inputGrad: true });
  const cases = [
    caseOf('forward', forward.forward, () =>
      checkNear('conv forward', one('y', output), conv2dRef(x, weights, undefined, ref)),
    ),
    caseOf('weight grad', weightGrad.backward, () =>
      checkNear('conv weight grad', bench.floats('dweight'), conv2dWeightGradRef(x, dy, ref)),
    ),
    caseOf('input grad', inputGrad.backward, () =>
      checkNear('conv input grad', one('dx', input), conv2dInputGradRef(dy, weights, ref)),
    ),
  ];
  return shape.needsInputGrad ? cases : cases.slice(0, 2);
}

type ConvPass = 'forward' | 'weight grad' | 'input grad';
type Measure = Pick<KernelCase, 'unit' | 'work' | 'peakWork' | 'peak' | 'narrow'>;

/** A pass as floating-point operations, compared with multiply-adds on registers. */
function inProducts(
  { peak, ptr }: Bench,
  _shape: ConvShape,
  _samples: number,
  work: number,
): (pass: ConvPass) => Measure {
  return () => ({
    unit: 'GFLOP/s',
    work,
    peakWork: PEAK_TURNS * FLOP_PER_PACKED_TURN,
    peak: () => peak.fmaPairs(PEAK_TURNS, 1, 1, ptr('peakSums')),
    narrow: {
      work: PEAK_TURNS * FLOP_PER_TURN,
      peak: () => peak.fmaRegisters(PEAK_TURNS, 1, 1),
    },
  });
}

/** A pass with few products per value, measured in bytes of its tensors, each once, and compared
 * with a loop over them that computes almost nothing. They come from the cache that they fit in,
 * not from memory. Nine multiply-adds for 8 bytes can't reach half of that rate. */
function inBytes(
  { peak, ptr }: Bench,
  { input }: ConvShape,
  samples: number,
): (pass: ConvPass) => Measure {
  const bytes = samples * sizeOf(input) * 4;
  const loops: Readonly<Record<ConvPass, () => void>> = {
    forward: () => peak.copy(ptr('x'), ptr('y'), bytes),
    'weight grad': () => peak.readTwo(ptr('x'), ptr('dy'), bytes, ptr('peakSums')),
    'input grad': () => peak.copy(ptr('dy'), ptr('dx'), bytes),
  };
  return (pass) => ({ unit: 'GB/s', work: 2 * bytes, peakWork: 2 * bytes, peak: loops[pass] });
}

/** Binds the layer so that its backward pass computes only one of the two gradients: a layer skips
 * the input's if nothing needs it, and the weight's for replicas that it does not have. */
function bindAlone(
  bench: Bench,
  place: {
    readonly shape: ConvShape;
    readonly output: Shape;
    readonly step: StepState;
    readonly samples: number;
  },
  use: { readonly weightGrad: boolean; readonly inputGrad: boolean },
): BoundLayer {
  const { spec, input } = place.shape;
  const binding: Binding = {
    path: 'conv2d',
    index: 0,
    kernels: bench.kernels,
    memory: bench.memory,
    step: place.step,
    countGrains: use.weightGrad ? 1 : 0,
    countGroups: () => 1,
    firstGrain: 0,
    capacity: place.samples,
    seed: 1,
    input: { shape: input, ptr: bench.ptr('x'), gradPtr: use.inputGrad ? bench.ptr('dx') : 0 },
    output: { shape: place.output, ptr: bench.ptr('y'), gradPtr: bench.ptr('dy') },
    parameterPtr: bench.ptr,
    // Folding over grains is not part of the convolution.
    gradient: () => ({ leafPtr: () => bench.ptr('dweight'), fold: () => {} }),
    bufferPtr: bench.ptr,
    workspacePtr: bench.ptr,
    reduction: () => {
      throw new Error('a convolution reduces nothing');
    },
  };
  return conv2dKind.bind(spec, binding);
}

function setSamples(step: StepState, samples: number): void {
  step.countSamples = samples;
  step.globalCount = samples;
  step.grainStart[1] = samples;
}

function showConv({ spec, input }: ConvShape, samples: number): string {
  const { kernel, stride, outChannels } = spec;
  const steps = stride[0] === 1 ? '' : ` /${stride[0]}`;
  return `${samples}x${input.join('x')} -> ${outChannels}, ${kernel.join('x')}${steps}`;
}
