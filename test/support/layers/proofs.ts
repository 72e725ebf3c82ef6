// Three of the four proofs of a layer, as tests from a table: it equals its plain-loop reference,
// it equals PyTorch's numbers, its gradients equal finite differences. The fourth, any number of
// workers equals one, is in workers.test.ts.

import { describe, expect, it } from 'vitest';
import { type Shape, sizeOf } from '../../../src/base/shape.ts';
import type { LayerSpec, LeafSpec } from '../../../src/nn/specs/spec.ts';
import { type GoldenCase, loadGoldenLayers } from '../golden/load.ts';
import { MODES, testValues } from '../kernelFixture.ts';
import {
  type LayerResult,
  type LayerRun,
  runLayer,
  type Tensors,
  worstRelative,
} from './harness.ts';
import { runReference } from './references.ts';

export interface ProofCase {
  readonly name: string;
  readonly spec: LayerSpec;
  readonly inputShape: Shape;
  /** By the names of the harness; what is missing starts as it does in training. */
  readonly buffers?: Tensors;
}

/** Largest differences over the largest magnitude of a tensor. */
export interface Tolerance {
  /** Of outputs and input gradients, which are float32. */
  readonly activations: number;
  /** Of gradients that are summed in float32, and of those in float64. */
  readonly weights: number;
  readonly wide: number;
}

/** Products and sums in float32: a few dozen roundings that hardly add up. */
export const FLOAT32_SUMS: Tolerance = { activations: 2e-6, weights: 2e-6, wide: 1e-6 };
const TWO_ULPS = 2 * 2 ** -23;
/** All in float64, rounded once. */
export const ROUNDED_ONCE: Tolerance = { activations: TWO_ULPS, weights: TWO_ULPS, wide: 1e-11 };
/** Golden gradients are float32. */
const GOLDEN_WIDE = TWO_ULPS;

/** Even, uneven, with empty shards behind, one sample to a shard. */
export const SHARDINGS: readonly (readonly number[])[] = [[5], [3, 2], [2, 2, 1, 0, 0], [2, 3, 2]];

/** A run with pseudorandom numbers. */
export function sampleRun(item: ProofCase, shards: readonly number[], seed = 1): LayerRun {
  const samples = shards.reduce((sum, count) => sum + count, 0);
  const x = testValues(samples * sizeOf(item.inputShape), 2, seed);
  const bare = runLayer({ ...item, shards, x });
  const parameters: Record<string, Float32Array> = {};
  for (const [i, [name, values]] of Object.entries(bare.parameters).entries()) {
    // Around 1 for norms, so that no gradient vanishes.
    const shift = values[0] === 1 ? 1 : 0;
    parameters[name] = testValues(values.length, 0.7, seed + 10 + i).map((v) => v + shift);
  }
  const dy = testValues(bare.y.length, 1, seed + 5);
  const { spec, inputShape, buffers = {} } = item;
  return { spec, inputShape, shards, x, dy, parameters, buffers };
}

function expectTensors(found: Tensors, exact: Tensors, tolerance: Tolerance): void {
  expect(Object.keys(found).toSorted()).toEqual(Object.keys(exact).toSorted());
  for (const [name, values] of Object.entries(found)) {
    const allowed = values instanceof Float64Array ? tolerance.wide : tolerance.weights;
    expect(worstRelative(values, exact[name]!), name).toBeLessThanOrEqual(allowed);
  }
}

/** Proof (a): equals its reference loop, for every way to shard, in both builds. */
export function describeReference(cases: readonly ProofCase[], tolerance: Tolerance): void {
  describe.each(MODES)('equals its plain-loop reference, %s build', (mode) => {
    it.each(cases.map((item) => [item.name, item] as const))('%s', (_name, item) => {
      for (const shards of SHARDINGS) {
        const run = { ...sampleRun(item, shards), mode };
        const found = runLayer(run);
        expectReference(run, found, tolerance);
      }
    });
  });
}

/** Compares a run with the twins. */
export function expectReference(run: LayerRun, found: LayerResult, tolerance: Tolerance): void {
  const { x, shards, inputShape, dy } = run;
  const parameters = run.parameters ?? found.parameters;
  const { buffers } = run;
  const exact = runReference(run.spec, { x, shards, shape: inputShape, parameters, buffers });
  expect(found.outputShape).toEqual(exact.shape);
  expect(worstRelative(found.y, exact.y), 'output').toBeLessThanOrEqual(tolerance.activations);
  if (dy === undefined) return;
  const gradients: Record<string, Float64Array> = {};
  const dx = exact.backward(dy, gradients);
  expect(worstRelative(found.dx, dx), 'dx').toBeLessThanOrEqual(tolerance.activations);
  expectTensors(found.gradients, gradients, tolerance);
}

/** Proof (b): equals PyTorch's numbers (test/support/golden), in both builds. `options` replace
 * those of all layers, which PyTorch knows nothing of. */
export function describeGoldenLayer<Kind extends LeafSpec['kind']>(
  kind: Kind,
  tolerance: Tolerance,
  options: Partial<Extract<LeafSpec, { readonly kind: Kind }>> = {},
): void {
  const cases = loadGoldenLayers().cases.filter(({ spec }) => spec.kind === kind);
  describe.each(MODES)("equals PyTorch's numbers, %s build", (mode) => {
    it.each(cases.map((golden) => [golden.name, golden] as const))('%s', (_name, golden) => {
      const run = goldenRun(golden);
      const found = runLayer({ ...run, spec: { ...run.spec, ...options }, mode });
      const allowed = { ...tolerance, wide: Math.max(tolerance.wide, GOLDEN_WIDE) };
      const outputError = worstRelative(found.y, golden.output.data);
      expect(outputError, 'output').toBeLessThanOrEqual(allowed.activations);
      // Nothing is trained in evaluation.
      if (!golden.training) return;
      const dxError = worstRelative(found.dx, golden.inputGradient.data);
      expect(dxError, 'dx').toBeLessThanOrEqual(allowed.activations);
      expectTensors(found.gradients, named(golden, golden.gradients), allowed);
      const { [`${kind}.numBatchesTracked`]: tracked, ...buffers } = found.buffers;
      expectTensors(buffers, named(golden, golden.buffers), allowed);
      // A frozen layer observes nothing.
      const observed = golden.spec.frozen === true ? 0 : 1;
      if (tracked === undefined) return;
      expect(tracked[0]).toBe((golden.batchesTrackedBefore ?? 0) + observed);
    });
  });
}

function named(golden: GoldenCase, tensors: GoldenCase['gradients']): Tensors {
  const entries = Object.entries(tensors);
  return Object.fromEntries(
    entries.map(([name, { data }]) => [`${golden.spec.kind}.${name}`, data]),
  );
}

function goldenRun(golden: GoldenCase): LayerRun {
  const spec = golden.spec as unknown as LeafSpec;
  const inputShape = golden.input.shape.slice(1);
  const tracked = golden.batchesTrackedBefore ?? 0;
  return {
    spec,
    inputShape,
    shards: [golden.input.shape[0]!],
    x: golden.input.data,
    ...(golden.training && { dy: golden.outputGradient.data }),
    parameters: named(golden, golden.parameters),
    buffers: {
      ...named(golden, golden.buffersBefore),
      [`${golden.spec.kind}.numBatchesTracked`]: Float64Array.of(tracked),
    },
    training: golden.training,
  };
}

const DIFFERENCE_STEP = 2 ** -7;
const COUNT_DIRECTIONS = 3;
/** Float32 noise over the step, and the curvature times its square. */
const DIFFERENCE_TOLERANCE = 2e-3;

/** Proof (c): along random directions of input and parameters together, the output changes as the
 * gradients say. `inputOf` makes inputs that keep away from kinks. */
export function describeDifferences(
  cases: readonly ProofCase[],
  inputOf?: (length: number) => Float32Array,
): void {
  describe('has gradients that match finite differences', () => {
    it.each(cases.map((item) => [item.name, item] as const))('%s', (_name, item) => {
      const run = sampleRun(item, [3, 2]);
      const x = inputOf?.(run.x.length) ?? run.x;
      for (let seed = 0; seed < COUNT_DIRECTIONS; seed++) {
        expectDirection({ ...run, x }, seed);
      }
    });
  });
}

function expectDirection(run: LayerRun, seed: number): void {
  const { dx, gradients } = runLayer(run);
  const moved = (values: Tensors[string], direction: number, step: number): Float32Array => {
    const towards = testValues(values.length, step, direction);
    return Float32Array.from(values, (value, i) => value + towards[i]!);
  };
  const at = (step: number) => ({
    x: moved(run.x, 100 + seed, step),
    parameters: Object.fromEntries(
      Object.entries(run.parameters ?? {}).map(([name, values], i) => [
        name,
        moved(values, 200 + 10 * i + seed, step),
      ]),
    ),
  });
  const [ahead, behind] = [at(DIFFERENCE_STEP), at(-DIFFERENCE_STEP)];
  const loss = (moved: typeof ahead): number =>
    runLayer({ ...run, ...moved }).y.reduce((sum, value, i) => sum + value * run.dy![i]!, 0);
  let predicted = 0;
  let magnitude = 0;
  const add = (gradient: Tensors[string], a: Float32Array, b: Float32Array): void => {
    for (const [i, g] of gradient.entries()) {
      predicted += g * (a[i]! - b[i]!);
      magnitude = Math.hypot(magnitude, g * (a[i]! - b[i]!));
    }
  };
  add(dx, ahead.x, behind.x);
  for (const [name, gradient] of Object.entries(gradients)) {
    add(gradient, ahead.parameters[name]!, behind.parameters[name]!);
  }
  const found = loss(ahead) - loss(behind);
  expect(magnitude).toBeGreaterThan(0);
  expect(Math.abs(found - predicted)).toBeLessThanOrEqual(DIFFERENCE_TOLERANCE * magnitude);
}
