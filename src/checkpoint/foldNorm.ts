// Folds batch normalization into the preceding convolution or linear layer, for inference, if it is
// an affine map of each channel. With s = weight / sqrt(runningVar + eps), the layer gets W' = W s
// and b' = (b - runningMean) s + bias. All norms folded into a layer are computed in float64 and
// rounded once. runtime/exportInference.ts measures whether a model's outputs stay close enough.

import { UsageError } from '../base/errors.ts';
import { parseData } from '../base/parse.ts';
import { type Shape, showShape, sizeOf } from '../base/shape.ts';
import { accept } from '../base/values.ts';
import { isNorm, traitsOf, usesRunningStatistics } from '../nn/convert/normLeaf.ts';
import {
  buffersOf,
  buildGraph,
  type Graph,
  type LayerOperation,
  parametersOf,
  type ValueId,
} from '../nn/graph/graph.ts';
import { WEIGHT_STANDARDIZATION_EPS } from '../nn/layers/weightStandardization.ts';
import { sequential } from '../nn/models/compose.ts';
import { parseModel } from '../nn/models/parse.ts';
import type { Conv1dSpec } from '../nn/specs/conv1d.ts';
import type { Conv2dSpec } from '../nn/specs/conv2d.ts';
import type { ConvTranspose2dSpec } from '../nn/specs/convTranspose2d.ts';
import type { LinearSpec } from '../nn/specs/linear.ts';
import { shapeOption } from '../nn/specs/options.ts';
import { type LayerSpec, type LeafSpec, mapLeaves } from '../nn/specs/spec.ts';
import { isTensor } from './namedTensor.ts';

/** Tensors by their names in a model, such as `0.conv2d.weight`, like those of
 * `trainer.weights()`. */
export type NamedValues = ReadonlyMap<string, NamedValue>;

/** A tensor without its name. */
export interface NamedValue {
  /** Channels last, without the sample axis. */
  readonly shape: Shape;
  /** In row-major order. */
  readonly values: Float32Array | Float64Array;
}

/** A caller's tensors by name. */
export const namedValues = accept<NamedValues>('a Map, such as trainer.weights()', (given) => {
  return given instanceof Map && [...given].every(isNamedTensor);
});

function isNamedTensor([name, tensor]: [unknown, unknown]): boolean {
  return typeof name === 'string' && isTensor(tensor);
}

/** A model whose batch norms are folded into the layers before them. */
export interface FoldedModel {
  /** The folded model. */
  readonly model: LayerSpec;
  /** All tensors of the folded model, by name. */
  readonly weights: NamedValues;
  /** Paths in the old model. */
  readonly folded: readonly { readonly layer: string; readonly into: string }[];
  /** Normalizations that were not folded, and why. */
  readonly left: readonly { readonly layer: string; readonly why: string }[];
}

type TargetSpec = Conv1dSpec | Conv2dSpec | ConvTranspose2dSpec | LinearSpec;

/** A layer that norms are folded into. */
interface Target {
  readonly operation: LayerOperation;
  readonly spec: TargetSpec;
  readonly weight: Float64Array;
  readonly bias: Float64Array;
}

/** The model as evaluation computes it, without the normalizations that can be folded. These use
 * running statistics (batchNorm, also frozen; batchRenorm; instanceNorm that tracks them), and are
 * the only reader of a convolution, transposed or not, or of a linear layer. Standardized weights
 * become plain ones when a norm is folded into them. All other normalizations stay and are listed
 * in `left`. Throws a {@link UsageError} if a tensor is missing.
 *
 * @example
 * foldBatchNorm(model, trainer.weights(), [8, 8, 1])
 */
export function foldBatchNorm(
  given: LayerSpec,
  weights: NamedValues,
  inputShape: Shape,
): FoldedModel {
  const model = parseModel(given, 'model of foldBatchNorm');
  parseData(namedValues, weights, 'weights of foldBatchNorm');
  parseData(shapeOption, inputShape, 'inputShape of foldBatchNorm');
  const graph = buildGraph(model, inputShape);
  /** The layer that makes each value, if something can be folded into it. */
  const makers = new Map<ValueId, Target | LayerOperation>();
  const targets = new Map<string, Target>();
  const folded: { layer: string; into: string }[] = [];
  const left: { layer: string; why: string }[] = [];
  for (const operation of graph.operations) {
    if (operation.op !== 'layer') continue;
    const { spec, path, input, output } = operation;
    const maker = makers.get(input);
    const obstacle = isNorm(spec) ? obstacleOf(spec, maker) : undefined;
    if (obstacle !== undefined) left.push({ layer: path, why: obstacle });
    if (operation.kind.weightMatrix !== undefined) makers.set(output, operation);
    if (!isNorm(spec) || obstacle !== undefined) continue;
    const target = 'weight' in maker! ? maker : targetOf(maker as LayerOperation, weights);
    applyNorm(target, operation, weights);
    targets.set(target.operation.path, target);
    makers.set(output, target);
    folded.push({ layer: path, into: target.operation.path });
  }
  const gone = new Set(folded.map(({ layer }) => layer));
  return { ...rebuild(model, graph, { weights, targets, gone }), folded, left };
}

/** Why a normalization cannot be folded; undefined if it can. */
function obstacleOf(
  spec: LeafSpec,
  maker: Target | LayerOperation | undefined,
): string | undefined {
  const { kind } = spec;
  if (!usesRunningStatistics(spec)) {
    return isNorm(spec) && traitsOf(spec).usesRunningStatistics !== undefined && 'sync' in spec
      ? 'it has no running statistics and evaluates with those of the batch'
      : `${kind} evaluates with the statistics of each sample`;
  }
  if (maker === undefined)
    return 'its input is not the output of a convolution or linear layer that it alone reads';
  return undefined;
}

function tensorOf(weights: NamedValues, name: string, length: number): Float32Array | Float64Array {
  const found = weights.get(name);
  if (found !== undefined && found.values.length === length) return found.values;
  throw new UsageError({
    what: `foldBatchNorm, ${name}`,
    given: found === undefined ? 'missing' : `shape ${showShape(found.shape)}`,
    allowed: `${length} values, as the model says`,
    hint: 'trainer.weights() of the same model',
  });
}

function targetOf(operation: LayerOperation, weights: NamedValues): Target {
  const { path } = operation;
  const spec = operation.spec as TargetSpec;
  const { fanIn, outputs } = operation.kind.weightMatrix!(spec);
  const weight = Float64Array.from(tensorOf(weights, `${path}.weight`, fanIn * outputs));
  if (isStandardized(spec)) standardize(weight, outputs);
  const bias = spec.bias
    ? Float64Array.from(tensorOf(weights, `${path}.bias`, outputs))
    : new Float64Array(outputs);
  return { operation, spec, weight, bias };
}

function isStandardized(spec: TargetSpec): boolean {
  return 'weightStandardization' in spec && spec.weightStandardization;
}

/** Like nn/layers/weightStandardization.ts, in float64. */
export function standardize(weight: Float64Array, outputs: number): void {
  const fanIn = weight.length / outputs;
  for (let o = 0; o < outputs; o++) {
    let mean = 0;
    for (let i = o; i < weight.length; i += outputs) mean += weight[i]! / fanIn;
    let variance = 0;
    for (let i = o; i < weight.length; i += outputs) variance += (weight[i]! - mean) ** 2 / fanIn;
    const invStd = 1 / Math.sqrt(variance + WEIGHT_STANDARDIZATION_EPS);
    for (let i = o; i < weight.length; i += outputs) weight[i] = (weight[i]! - mean) * invStd;
  }
}

/** Applies a normalization with running statistics to a layer's weight and bias. */
function applyNorm(target: Target, operation: LayerOperation, weights: NamedValues): void {
  const { spec, path } = operation;
  if (!usesRunningStatistics(spec)) return;
  const { channels } = spec;
  const own = (name: string): Float32Array | Float64Array =>
    tensorOf(weights, `${path}.${name}`, channels);
  const [mean, variance] = [own('runningMean'), own('runningVar')];
  const gain = spec.affine ? own('weight') : undefined;
  const shift = spec.affine ? own('bias') : undefined;
  const { weight, bias } = target;
  const scale = Float64Array.from(
    variance,
    (value, c) => (gain?.[c] ?? 1) / Math.sqrt(value + spec.eps),
  );
  const { outputOf = (i: number) => i % channels } = target.operation.kind.weightMatrix!(
    target.spec,
  );
  for (let i = 0; i < weight.length; i++) weight[i] = weight[i]! * scale[outputOf(i)]!;
  for (let c = 0; c < channels; c++) {
    bias[c] = (bias[c]! - mean[c]!) * scale[c]! + (shift?.[c] ?? 0);
  }
}

/** The model without the folded layers, and its tensors. */
function rebuild(
  model: LayerSpec,
  graph: Graph,
  change: {
    readonly weights: NamedValues;
    readonly targets: ReadonlyMap<string, Target>;
    readonly gone: ReadonlySet<string>;
  },
): { readonly model: LayerSpec; readonly weights: NamedValues } {
  const { weights, targets, gone } = change;
  const layers = graph.operations.filter((operation) => operation.op === 'layer');
  let index = 0;
  const rebuilt = mapLeaves(model, (leaf) => {
    const { path } = layers[index++]!;
    if (gone.has(path)) return sequential([]);
    if (!targets.has(path)) return leaf;
    const biased = { ...(leaf as TargetSpec), bias: true };
    return 'weightStandardization' in biased ? { ...biased, weightStandardization: false } : biased;
  });
  const kept = layers.filter(({ path }) => !gone.has(path));
  const result = new Map<string, { shape: Shape; values: Float32Array | Float64Array }>();
  const built = buildGraph(rebuilt, graph.shapes[0]!);
  for (const operation of built.operations) {
    if (operation.op !== 'layer') continue;
    const before = kept[operation.index]!.path;
    const target = targets.get(before);
    const { path } = operation;
    for (const { name, shape } of [
      ...parametersOf(operation, built),
      ...buffersOf(operation, built),
    ]) {
      const values =
        target === undefined
          ? tensorOf(weights, `${before}.${name}`, sizeOf(shape)).slice()
          : Float32Array.from(name === 'weight' ? target.weight : target.bias);
      result.set(`${path}.${name}`, { shape, values });
    }
  }
  return { model: rebuilt, weights: result };
}
