// What the normalization layers should compute, with the plain-loop twins in float64.

import { type Shape, sizeOf } from '../../../src/base/shape.ts';
import {
  filterResponseGradRef,
  filterResponseRef,
} from '../../../src/kernels/reference/filterResponseNorm.ts';
import {
  batchNormSetsRef,
  groupNormSetsRef,
  layerNormSetsRef,
  type NormSetsRef,
  normalizeGradRef,
  normalizeRef,
  setMomentsRef,
} from '../../../src/kernels/reference/norm.ts';
import { rmsNormGradRef, rmsNormRef } from '../../../src/kernels/reference/rmsNorm.ts';
import type { BatchRenormSpec } from '../../../src/nn/specs/batchRenorm.ts';
import type { FilterResponseNormSpec } from '../../../src/nn/specs/filterResponseNorm.ts';
import type { SyncScope } from '../../../src/nn/specs/normOptions.ts';
import type { BatchNormSpec } from '../../../src/nn/specs/norms.ts';
import type { RmsNormSpec } from '../../../src/nn/specs/rmsNorm.ts';
import type { LeafSpec } from '../../../src/nn/specs/spec.ts';
import { RUN_STEP, shardEnds, type Tensors } from './harness.ts';

type Doubles = Float64Array;

export interface RefInput {
  readonly x: Float32Array | Doubles;
  readonly shape: Shape;
  readonly shards: readonly number[];
  /** By the names of the harness. */
  readonly parameters: Tensors;
  /** Where a layer reads running statistics in training. */
  readonly buffers?: Tensors | undefined;
}

/** What a forward pass leaves: the output, and how to run backward from a gradient of it. */
export interface RefOutput {
  readonly y: Doubles;
  readonly shape: Shape;
  /** Returns dx and writes the gradients of the parameters by name. */
  backward(dy: Float32Array | Doubles, gradients: Record<string, Doubles>): Doubles;
}

export type NormSpec = Extract<LeafSpec, { kind: `${string}${'Norm' | 'Renorm'}` }>;
type SetNormSpec = Exclude<NormSpec, RmsNormSpec | FilterResponseNormSpec | BatchRenormSpec>;

export function isNormSpec(spec: LeafSpec): spec is NormSpec {
  return /(Norm|Renorm)$/.test(spec.kind);
}

/** The samples of all shards. */
export function countOf(input: RefInput): number {
  return input.shards.reduce((sum, count) => sum + count, 0);
}

export function runNorm(spec: NormSpec, input: RefInput, path: string): RefOutput {
  switch (spec.kind) {
    case 'rmsNorm':
      return runRmsNorm(spec, input, path);
    case 'filterResponseNorm':
      return runFilterResponseNorm(spec, input, path);
    case 'batchRenorm':
      return runBatchRenorm(spec, input, path);
    case 'batchNorm':
      return spec.frozen ? runFrozen(spec, input, path) : runSets(spec, input, path);
    default:
      return runSets(spec, input, path);
  }
}

function affineOf(spec: { readonly eps: number }, input: RefInput, path: string) {
  return {
    eps: spec.eps,
    weight: input.parameters[`${path}.weight`],
    bias: input.parameters[`${path}.bias`],
  };
}

function runSets(spec: SetNormSpec, input: RefInput, path: string): RefOutput {
  const affine = affineOf(spec, input, path);
  const sets = setsOf(spec, input);
  return {
    y: normalizeRef(input.x, sets, affine),
    shape: input.shape,
    backward(dy, gradients) {
      const { dx, dweight, dbias } = normalizeGradRef(input.x, dy, sets, affine);
      if (spec.affine) {
        gradients[`${path}.weight`] = dweight;
        gradients[`${path}.bias`] = dbias;
      }
      return dx;
    },
  };
}

function setsOf(spec: SetNormSpec, input: RefInput): NormSetsRef {
  if (spec.kind === 'layerNorm') {
    const length = sizeOf(spec.normalizedShape);
    return layerNormSetsRef(input.x.length / length, length);
  }
  const rows = sizeOf(input.shape) / spec.channels;
  if (spec.kind !== 'batchNorm') {
    const numGroups = spec.kind === 'groupNorm' ? spec.numGroups : spec.channels;
    return groupNormSetsRef(countOf(input), rows, spec.channels, numGroups);
  }
  const ends =
    spec.virtualBatch === null
      ? groupEndsOf(spec.sync, input.shards)
      : virtualEndsOf(spec.virtualBatch, input.shards, rows);
  return batchNormSetsRef(
    spec.channels,
    ends.map((n) => n * rows),
  );
}

/** The samples at which the sync groups end. */
export function groupEndsOf(sync: SyncScope, shards: readonly number[]): readonly number[] {
  const ends = shardEnds(shards);
  if (sync === 'all') return [ends[ends.length - 1]!];
  const size = sync === 'local' ? 1 : sync;
  return ends.filter((_, replica) => (replica + 1) % size === 0 || replica === ends.length - 1);
}

/** The samples at which the virtual batches end: every so many of a shard, and at its end, unless
 * too few were left. */
function virtualEndsOf(size: number, shards: readonly number[], rows: number): readonly number[] {
  return shardEnds(shards).flatMap((end, replica) => {
    const start = end - shards[replica]!;
    const ends: number[] = [];
    for (let at = start + size; at < end; at += size) ends.push(at);
    const last = ends[ends.length - 1];
    if (last !== undefined && (end - last) * rows < 2) ends.pop();
    return [...ends, end];
  });
}

function runRmsNorm(spec: RmsNormSpec, input: RefInput, path: string): RefOutput {
  const options = {
    length: sizeOf(spec.normalizedShape),
    eps: spec.eps,
    weight: input.parameters[`${path}.weight`],
  };
  return {
    y: rmsNormRef(input.x, options),
    shape: input.shape,
    backward(dy, gradients) {
      const { dx, dweight } = rmsNormGradRef(input.x, dy, options);
      if (spec.affine) gradients[`${path}.weight`] = dweight;
      return dx;
    },
  };
}

function runFilterResponseNorm(
  spec: FilterResponseNormSpec,
  input: RefInput,
  path: string,
): RefOutput {
  const options = {
    ...affineOf(spec, input, path),
    rows: sizeOf(input.shape) / spec.channels,
    channels: spec.channels,
    threshold: input.parameters[`${path}.threshold`],
  };
  return {
    y: filterResponseRef(input.x, options),
    shape: input.shape,
    backward(dy, gradients) {
      const found = filterResponseGradRef(input.x, dy, options);
      if (spec.affine) {
        gradients[`${path}.weight`] = found.dweight;
        gradients[`${path}.bias`] = found.dbias;
      }
      if (spec.tlu) gradients[`${path}.threshold`] = found.dthreshold;
      return found.dx;
    },
  };
}

/** Batch normalization with another weight and bias in each set: r weight, and bias + d weight. */
function runBatchRenorm(spec: BatchRenormSpec, input: RefInput, path: string): RefOutput {
  const { channels, eps, warmupSteps } = spec;
  const { weight, bias } = affineOf(spec, input, path);
  const ramp = warmupSteps === 0 ? 1 : Math.min(1, RUN_STEP / warmupSteps);
  const rMax = 1 + ramp * (spec.rMax - 1);
  const dMax = ramp * spec.dMax;
  const rows = sizeOf(input.shape) / channels;
  const ends = groupEndsOf(spec.sync, input.shards).map((n) => n * rows);
  const sets = batchNormSetsRef(channels, ends);
  const own = { ...sets, countWeights: sets.countSets, weightOf: sets.setOf };
  const moments = setMomentsRef(input.x, sets);
  const r = new Float64Array(sets.countSets);
  const d = new Float64Array(sets.countSets);
  for (const [set, { count, mean, m2 }] of moments.entries()) {
    if (count === 0) continue;
    const c = set % channels;
    const runningMean = input.buffers?.[`${path}.runningMean`]?.[c] ?? 0;
    const runningStd = Math.sqrt((input.buffers?.[`${path}.runningVar`]?.[c] ?? 1) + eps);
    const ratio = Math.sqrt(m2 / count + eps) / runningStd;
    r[set] = Math.min(rMax, Math.max(1 / rMax, ratio));
    d[set] = Math.min(dMax, Math.max(-dMax, (mean - runningMean) / runningStd));
  }
  const weightOf = (set: number): number => weight?.[set % channels] ?? 1;
  const affine = {
    eps,
    weight: r.map((value, set) => value * weightOf(set)),
    bias: d.map((value, set) => (bias?.[set % channels] ?? 0) + value * weightOf(set)),
  };
  return {
    y: normalizeRef(input.x, own, affine),
    shape: input.shape,
    backward(dy, gradients) {
      const { dx, dweight, dbias } = normalizeGradRef(input.x, dy, own, affine);
      if (spec.affine) {
        const sum = (values: Doubles): Doubles => {
          const sums = new Float64Array(channels);
          for (const [set, v] of values.entries()) sums[set % channels]! += v;
          return sums;
        };
        gradients[`${path}.weight`] = sum(
          dweight.map((v, set) => v * r[set]! + dbias[set]! * d[set]!),
        );
        gradients[`${path}.bias`] = sum(dbias);
      }
      return dx;
    },
  };
}

function runFrozen(spec: BatchNormSpec, input: RefInput, path: string): RefOutput {
  const { channels, eps } = spec;
  const at = (name: string, c: number, otherwise: number): number =>
    input.buffers?.[`${path}.${name}`]?.[c] ?? otherwise;
  const scaleOf = (c: number): number =>
    at('weight', c, 1) / Math.sqrt(at('runningVar', c, 1) + eps);
  return {
    y: Float64Array.from(input.x, (value, i) => {
      const c = i % channels;
      return (value - at('runningMean', c, 0)) * scaleOf(c) + at('bias', c, 0);
    }),
    shape: input.shape,
    backward: (dy) => Float64Array.from(dy, (value, i) => value * scaleOf(i % channels)),
  };
}

/** Standardized weights [fanIn, outputs], and their gradient carried back to the weights. */
export function standardizeRef(
  weight: Float32Array | Doubles,
  outputs: number,
  eps: number,
): { readonly weight: Doubles; backward(dweight: Doubles): Doubles } {
  const sets = batchNormSetsRef(outputs, [weight.length / outputs]);
  return {
    weight: normalizeRef(weight, sets, { eps }),
    backward: (dweight) => normalizeGradRef(weight, dweight, sets, { eps }).dx,
  };
}
