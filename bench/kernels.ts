// Kernel speed on one core, for the shapes of the benchmark's nets: GFLOP/s of convolutions, GB/s
// of normalizations, and the fraction of what simple loops reach at the same moment.

import { Bench as Tasks } from 'tinybench';
import { InvariantError } from '../src/base/errors.ts';
import type { Shape } from '../src/base/shape.ts';
import { compileKernels } from '../src/kernels/load.ts';
import { buildGraph, type LayerOperation } from '../src/nn/graph/graph.ts';
import { gradientsNeeded } from '../src/nn/graph/storage.ts';
import { type ConvShape, convCases } from './convCases.ts';
import type { CompiledModules, KernelCase } from './kernelCase.ts';
import { INPUT_SHAPES, type KernelNetName, modelOf } from './nets.ts';
import { normCases } from './normCases.ts';
import { compilePeak } from './peak.ts';
import type { Summary } from './stats.ts';

export interface KernelResult {
  readonly bench: 'kernels';
  readonly kernel: string;
  readonly shape: string;
  readonly unit: KernelCase['unit'];
  /** At the median. */
  readonly rate: number;
  /** The best rate of the loop that it is compared with. */
  readonly peak: number;
  /** rate / peak. */
  readonly share: number;
  /** Fraction of the peak of 128-bit operations, which packed pairs exceed; null if bytes are
   * counted. */
  readonly share128: number | null;
  readonly usMin: number;
  readonly usP50: number;
  readonly usP99: number;
}

const SAMPLES = 8;
const WARM_UP_SHARE = 0.3;
const PEAK_SHARE = 0.3;
const MIN_RUNS = 5;

/** Checks and measures every kernel on every shape; `report` gets each result immediately. */
export function measureKernels(
  nets: readonly KernelNetName[],
  seconds: number,
  report: (result: KernelResult) => void,
): readonly KernelResult[] {
  const results: KernelResult[] = [];
  for (const kernelCase of kernelCases(nets)) {
    const result = measureCase(kernelCase, seconds);
    report(result);
    results.push(result);
  }
  return results;
}

/** Every kernel on every shape, each with separate memory that is allocated when its turn comes. */
export function* kernelCases(nets: readonly KernelNetName[]): Generator<KernelCase> {
  const modules: CompiledModules = { kernels: compileKernels('fast'), peak: compilePeak() };
  const { convs, norms } = shapesOf(nets);
  for (const shape of convs) yield* convCases(modules, shape, SAMPLES);
  for (const [height, width, channels] of norms) {
    yield* normCases(modules, SAMPLES * height! * width!, channels!);
  }
}

function measureCase(kernelCase: KernelCase, seconds: number): KernelResult {
  kernelCase.check();
  const ms = timeRuns(kernelCase.run, seconds);
  const peakMs = timeRuns(kernelCase.peak, seconds * PEAK_SHARE);
  const { narrow } = kernelCase;
  const rate = kernelCase.work / ms.p50 / 1e6;
  const wide = kernelCase.peakWork / peakMs.min / 1e6;
  const peak128 = narrow && narrow.work / timeRuns(narrow.peak, seconds * PEAK_SHARE).min / 1e6;
  // Without packing, the loop with more registers is the slower one.
  const peak = Math.max(wide, peak128 ?? 0);
  return {
    bench: 'kernels',
    kernel: kernelCase.kernel,
    shape: kernelCase.shape,
    unit: kernelCase.unit,
    rate: round(rate),
    peak: round(peak),
    share: round(rate / peak),
    share128: peak128 === undefined ? null : round(rate / peak128),
    usMin: round(ms.min * 1000),
    usP50: round(ms.p50 * 1000),
    usP99: round(ms.p99 * 1000),
  };
}

/** Milliseconds per run. */
function timeRuns(run: () => void, seconds: number): Summary {
  const tasks = new Tasks({
    time: seconds * 1000,
    warmupTime: seconds * WARM_UP_SHARE * 1000,
    iterations: MIN_RUNS,
    warmupIterations: MIN_RUNS,
    throws: true,
  });
  tasks.add('run', run);
  const [task] = tasks.runSync();
  const result = task!.result;
  if (result.state !== 'completed') {
    throw new InvariantError('state of a measurement', result.state, 'completed');
  }
  return result.latency;
}

/** Every shape of a convolution and of a normalization in the nets, once. */
function shapesOf(nets: readonly KernelNetName[]): {
  convs: readonly ConvShape[];
  norms: readonly Shape[];
} {
  const convs = new Map<string, ConvShape>();
  const norms = new Map<string, Shape>();
  for (const name of nets) {
    const graph = buildGraph(modelOf(name), INPUT_SHAPES[name]);
    const isNeeded = gradientsNeeded(graph);
    const layers = graph.operations.filter(
      (operation): operation is LayerOperation => operation.op === 'layer',
    );
    for (const { spec, input } of layers) {
      const shape = graph.shapes[input]!;
      if (spec.kind === 'conv2d') {
        const conv = { spec, input: shape, needsInputGrad: isNeeded[input]! };
        convs.set(JSON.stringify({ ...conv, spec: { ...spec, init: '' } }), conv);
      } else if (spec.kind === 'batchNorm') {
        norms.set(shape.join(), shape);
      }
    }
  }
  return { convs: [...convs.values()], norms: [...norms.values()] };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
