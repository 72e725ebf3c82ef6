// The accuracy of the normalizations: the worst error of each, in float32 ulp of its tensor's
// largest magnitude, compared with the published formulas in float64 (the plain twins from the
// tests), over shapes, shards and both builds.

import { type Shape, sizeOf } from '../src/base/shape.ts';
import { batchNormSetsRef, setMomentsRef } from '../src/kernels/reference/norm.ts';
import { batchRenorm } from '../src/nn/specs/batchRenorm.ts';
import { filterResponseNorm } from '../src/nn/specs/filterResponseNorm.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../src/nn/specs/norms.ts';
import { rmsNorm } from '../src/nn/specs/rmsNorm.ts';
import type { LayerSpec } from '../src/nn/specs/spec.ts';
import { MODES } from '../test/support/kernelFixture.ts';
import { type LayerRun, runLayer, worstUlps } from '../test/support/layers/harness.ts';
import { runReference } from '../test/support/layers/references.ts';
import { normalValues } from './normalValues.ts';

/** A norm in the table. Add another one to {@link MEASURED_NORMS}. */
export interface MeasuredNorm {
  readonly name: string;
  specOf(channels: number, shape: Shape): LayerSpec;
  /** Whether all samples share their statistics, so that running ones can be computed here. */
  readonly hasRunning?: boolean;
  /** Whether samples of a single row have no statistics. */
  readonly needsRows?: boolean;
}

export const MEASURED_NORMS: readonly MeasuredNorm[] = [
  {
    name: 'batchNorm, sync',
    specOf: (channels) => batchNorm(channels, { sync: 'all' }),
    hasRunning: true,
  },
  { name: 'batchNorm, groups of 2', specOf: (channels) => batchNorm(channels, { sync: 2 }) },
  { name: 'batchRenorm', specOf: (channels) => batchRenorm(channels, { sync: 'all' }) },
  {
    name: 'groupNorm',
    specOf: (channels) => groupNorm(channels % 4 === 0 ? 4 : 1, channels),
    needsRows: true,
  },
  {
    name: 'instanceNorm',
    specOf: (channels) => instanceNorm(channels, { affine: true }),
    needsRows: true,
  },
  { name: 'layerNorm', specOf: (_channels, shape) => layerNorm(shape), needsRows: true },
  { name: 'rmsNorm', specOf: (_channels, shape) => rmsNorm(shape), needsRows: true },
  {
    name: 'filterResponseNorm',
    specOf: (channels) => filterResponseNorm(channels),
    needsRows: true,
  },
];

const SHAPES: readonly Shape[] = [
  [1, 1, 1],
  [1, 1, 13],
  [1, 1, 513],
  [3, 3, 13],
  [7, 5, 1],
  [4, 4, 513],
  [32, 32, 16],
  [16, 16, 64],
];
/** R = 1, 2, 3 and 8 replicas: even, uneven, and empty ones. */
const SHARDINGS: readonly (readonly number[])[] = [
  [8],
  [4, 4],
  [6, 2],
  [8, 0],
  [3, 3, 2],
  [5, 0, 3],
  [2, 2, 2, 2, 0, 0, 0, 0],
];
const SMOKE_SHAPES = 4;
/** Means in standard deviations. */
const MEANS = [0, 3];
/** PyTorch's default. */
const MOMENTUM = 0.1;

export interface AccuracyResult {
  readonly bench: 'accuracy';
  readonly norm: string;
  readonly runs: number;
  /** Worst errors in ulp; null if there is no such tensor. */
  readonly y: number;
  readonly dx: number;
  readonly parameterGradients: number | null;
  readonly running: number | null;
  readonly worstAt: string;
}

/** The worst errors of each norm; `report` gets each result immediately. */
export function measureAccuracy(
  isSmoke: boolean,
  report: (result: AccuracyResult) => void,
): readonly AccuracyResult[] {
  const shapes = isSmoke ? SHAPES.slice(0, SMOKE_SHAPES) : SHAPES;
  return MEASURED_NORMS.map((norm) => {
    const worst = { y: 0, dx: 0, parameterGradients: -1, running: -1 };
    let runs = 0;
    let worstAt = '';
    for (const { run, title } of runsOf(norm, shapes)) {
      const errors = errorsOf(run, norm.hasRunning === true);
      runs++;
      if (errors.y > worst.y) worstAt = title;
      for (const name of Object.keys(worst) as (keyof typeof worst)[]) {
        worst[name] = Math.max(worst[name], errors[name]);
      }
    }
    const { parameterGradients, running } = worst;
    const result: AccuracyResult = {
      bench: 'accuracy',
      norm: norm.name,
      runs,
      y: round(worst.y),
      dx: round(worst.dx),
      parameterGradients: parameterGradients < 0 ? null : round(parameterGradients),
      running: running < 0 ? null : round(running),
      worstAt,
    };
    report(result);
    return result;
  });
}

function* runsOf(
  norm: MeasuredNorm,
  shapes: readonly Shape[],
): Generator<{ readonly run: LayerRun; readonly title: string }> {
  for (const shape of shapes) {
    const channels = shape.at(-1)!;
    // A single value has no variance, and neither has a set of one.
    if (norm.needsRows && sizeOf(shape) / channels < 2) continue;
    const spec = norm.specOf(channels, shape);
    for (const shards of SHARDINGS) {
      for (const mean of MEANS) {
        for (const mode of MODES) {
          const run = { ...runOf(spec, shape, shards, mean), mode };
          yield { run, title: `${shape.join('x')}, shards ${shards}, mean ${mean}, ${mode}` };
        }
      }
    }
  }
}

function runOf(
  spec: LayerSpec,
  inputShape: Shape,
  shards: readonly number[],
  mean: number,
): LayerRun & { dy: Float32Array } {
  const samples = shards.reduce((sum, count) => sum + count, 0);
  const length = samples * sizeOf(inputShape);
  const x = normalValues(length, 1).map((value) => value + mean);
  const bare = runLayer({ spec, inputShape, shards, x });
  const parameters = Object.fromEntries(
    Object.entries(bare.parameters).map(([name, values], i) => {
      const drawn = normalValues(values.length, 3 + i);
      return [name, drawn.map((value) => 0.3 * value + values[0]!)];
    }),
  );
  return { spec, inputShape, shards, x, dy: normalValues(length, 2), parameters };
}

type Errors = Record<'y' | 'dx' | 'parameterGradients' | 'running', number>;

/** -1 if there is no such tensor. */
function errorsOf(run: LayerRun, hasRunning: boolean): Errors {
  const found = runLayer(run);
  const { spec, x, shards, inputShape: shape, buffers } = run;
  const exact = runReference(spec, { x, shape, shards, parameters: found.parameters, buffers });
  const gradients: Record<string, Float64Array> = {};
  const dx = exact.backward(run.dy!, gradients);
  const errors = { y: worstUlps(found.y, exact.y), dx: worstUlps(found.dx, dx) };
  const ofGradients = Object.entries(gradients).map(([name, values]) =>
    worstUlps(found.gradients[name]!, values),
  );
  return {
    ...errors,
    parameterGradients: Math.max(-1, ...ofGradients),
    running: hasRunning ? runningError(run, found.buffers) : -1,
  };
}

/** The error of running statistics after one update from 0 and 1. */
function runningError(run: LayerRun, buffers: ReturnType<typeof runLayer>['buffers']): number {
  const channels = run.inputShape.at(-1)!;
  const moments = setMomentsRef(run.x, batchNormSetsRef(channels, [run.x.length / channels]));
  const means = moments.map(({ mean }) => MOMENTUM * mean);
  const variances = moments.map(({ m2, count }) => 1 - MOMENTUM + (MOMENTUM * m2) / (count - 1));
  return Math.max(
    worstUlps(buffers['batchNorm.runningMean']!, means),
    worstUlps(buffers['batchNorm.runningVar']!, variances),
  );
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
