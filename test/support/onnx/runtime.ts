// Runs ONNX files by ONNX Runtime, which the outputs of ours are compared with. Its WebAssembly
// build needs no binaries and no install script.

import * as ort from 'onnxruntime-web';
import { type Shape, sizeOf } from '../../../src/base/shape.ts';
import type { NamedValues } from '../../../src/checkpoint/foldNorm.ts';
import { buildGraph } from '../../../src/nn/graph/graph.ts';
import { initialize } from '../../../src/nn/specs/init.ts';
import type { LayerSpec } from '../../../src/nn/specs/spec.ts';
import { transposed } from '../../../src/onnx/format/transpose.ts';
import { planParameters } from '../../../src/plan/parameters.ts';
import { testValues } from '../kernelFixture.ts';
import { runLayer, type Tensors } from '../layers/harness.ts';

const SEED = 5;

// Threads of its own would outlive a test.
ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

/** Outputs by name, as the file has them. */
export async function runOnnx(
  bytes: Uint8Array,
  x: Float32Array,
  shape: readonly number[],
): Promise<Readonly<Record<string, { dims: readonly number[]; values: Float32Array }>>> {
  const session = await ort.InferenceSession.create(bytes);
  try {
    const input = new ort.Tensor('float32', x, shape);
    const found = await session.run({ [session.inputNames[0]!]: input });
    return Object.fromEntries(
      Object.entries(found).map(([name, { dims, data }]) => {
        return [name, { dims, values: data as Float32Array }];
      }),
    );
  } finally {
    await session.release();
  }
}

/** Samples with their channels first. */
export function toChannelsFirst(values: Float32Array, sample: Shape): Float32Array {
  const rank = sample.length;
  const shape = [values.length / sizeOf(sample), ...sample];
  return transposed(values, shape, [0, rank, ...sample.slice(1).map((_, i) => i + 1)]);
}

/** The axes of a sample with the channels first. */
export function channelsFirstShape(sample: Shape): Shape {
  return [sample.at(-1)!, ...sample.slice(0, -1)];
}

/** Weights for a model, the same in each call: its initial ones, and norms near to theirs, with
 * running variances around the given one. */
export function someWeights(model: LayerSpec, inputShape: Shape, variance = 1): NamedValues {
  const { entries, buffers } = planParameters(buildGraph(model, inputShape));
  const weights = new Map<string, { shape: Shape; values: Float32Array | Float64Array }>();
  for (const [i, { name, shape, role, init }] of entries.entries()) {
    const values = new Float32Array(sizeOf(shape));
    initialize(values, init, SEED, i);
    const start = init.kind === 'constant' ? init.value : 0;
    const near = testValues(values.length, 0.3, i).map((value) => start + value);
    weights.set(name, { shape, values: role === 'weight' ? values : near });
  }
  for (const [i, { name, shape, initial }] of buffers.entries()) {
    const scale = name.includes('Var') ? variance : 1;
    const near = testValues(sizeOf(shape), 0.3, i).map((value) => (initial + value) * scale);
    weights.set(name, { shape, values: Float64Array.from(near) });
  }
  return weights;
}

/** Samples that differ in size, so that means over their pixels differ, too. */
export function someSamples(count: number, inputShape: Shape): Float32Array {
  const size = sizeOf(inputShape);
  return testValues(count * size, 1, 2).map((value, i) => (value + 0.5) * Math.floor(i / size + 1));
}

/** In the harness the model stands within another one. */
function prefixOf({ kind }: LayerSpec): string {
  return kind === 'graph' ? 'graph.' : '';
}

/** Parameters are float32, buffers float64. */
function tensorsOf(model: LayerSpec, weights: NamedValues) {
  const prefix = prefixOf(model);
  const tensors = (wide: boolean): Tensors =>
    Object.fromEntries(
      [...weights]
        .filter(([, { values }]) => values instanceof Float64Array === wide)
        .map(([name, { values }]) => [`${prefix}${name}`, values]),
    );
  return { parameters: tensors(false), buffers: tensors(true) };
}

/** What this library computes in evaluation. */
export function ourOutputs(
  model: LayerSpec,
  weights: NamedValues,
  { inputShape, x }: { readonly inputShape: Shape; readonly x: Float32Array },
): { readonly y: Float32Array; readonly outputShape: Shape } {
  const shards = [x.length / sizeOf(inputShape)];
  const run = { spec: model, inputShape, shards, x, training: false };
  return runLayer({ ...run, ...tensorsOf(model, weights) });
}
