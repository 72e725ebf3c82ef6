// Writes a trained net as an ONNX model of opset 17 that computes the same as evaluation. Inputs,
// and outputs that are images or sequences, are channels first: [N, C, H, W].

import { UsageError } from '../../base/errors.ts';
import { type Shape, showShape, sizeOf } from '../../base/shape.ts';
import { packageVersion } from '../../base/version.ts';
import type { NamedValues } from '../../checkpoint/foldNorm.ts';
import type { DatasetDescription } from '../../data/identity.ts';
import {
  buffersOf,
  buildGraph,
  type Graph,
  type LayerOperation,
  parametersOf,
  type ValueId,
} from '../../nn/graph/graph.ts';
import { type LayerSpec, MAIN_OUTPUT } from '../../nn/specs/spec.ts';
import type { OnnxModel, OnnxValueInfo } from '../format/model.ts';
import { transposed } from '../format/transpose.ts';
import { emitterOf } from './emitters.ts';
import {
  channelsFirst,
  channelVector,
  createWriter,
  type GraphWriter,
  type LayerPlace,
  layerNode,
  type OnnxValue,
} from './graphWriter.ts';
import { joinEmitters } from './shapes.ts';

/** The newest operator set; all layers are written with it. */
const OPSET = 17;
const INPUT = 'x';
const BYTE_RANGE = 255;

/** A net with its weights. */
export interface TrainedNet {
  /** The model. */
  readonly model: LayerSpec;
  /** By the names of `trainer.weights()`. */
  readonly weights: NamedValues;
  /** Shape of a sample, channels last. */
  readonly inputShape: Shape;
}

/** What converts the data's own units to the net's, and its outputs back. */
export type Units = Pick<DatasetDescription, 'inputType' | 'mean' | 'std' | 'shift' | 'task'>;

/** Throws a {@link UsageError} that names the layers that cannot be written, or a missing
 * tensor. */
export function writeNet(net: TrainedNet, units?: Units): OnnxModel {
  const { model, weights, inputShape } = net;
  const graph = buildGraph(model, inputShape);
  checkLayers(graph);
  const writer = createWriter();
  const values = new Map<ValueId, OnnxValue>();
  const given: OnnxValue = { name: INPUT, shape: inputShape, channels: 'first' };
  values.set(0, units === undefined ? given : standardized(writer, given, units));
  for (const operation of graph.operations) {
    const { path } = operation;
    const get = (id: ValueId): OnnxValue => values.get(id)!;
    if (operation.op === 'fork') {
      for (const output of operation.outputs) values.set(output, get(operation.input));
      continue;
    }
    const { output } = operation;
    const place = { writer, path, output: graph.shapes[output]! };
    if (operation.op === 'layer') {
      const own = { ...place, tensor: tensorsOf(operation, graph, weights) };
      const emitted = emitterOf(operation.spec)!.emit(operation.spec, get(operation.input), own);
      values.set(output, emitted);
      continue;
    }
    const kind = operation.op === 'add' ? 'add' : operation.kind.kind;
    values.set(output, joinEmitters[kind](operation.inputs.map(get), place));
  }
  const ends = [{ name: MAIN_OUTPUT, value: graph.output }, ...graph.heads];
  const outputs = ends.map(({ name, value }) => {
    return end(writer, name, values.get(value)!, units);
  });
  return {
    opset: OPSET,
    producer: { name: 'syncbn', version: packageVersion() },
    nodes: writer.nodes,
    constants: writer.constants,
    inputs: [valueInfo(given)],
    outputs,
  };
}

function checkLayers({ operations, shapes }: Graph): void {
  const refused = operations.flatMap((operation) => {
    if (operation.op !== 'layer') return [];
    const { spec, path, input } = operation;
    const emitter = emitterOf(spec);
    const why =
      emitter === undefined ? 'it runs custom code' : emitter.refuses?.(spec, shapes[input]!);
    return why === undefined ? [] : [`${path} (${why})`];
  });
  if (refused.length === 0) return;
  throw new UsageError({
    what: 'a net as ONNX',
    problem: `cannot have ${refused.join(', ')}`,
    hint: 'another layer there, such as one from convertNorm',
  });
}

/** The tensors of a layer, by their names in it. */
function tensorsOf(
  operation: LayerOperation,
  graph: Graph,
  weights: NamedValues,
): LayerPlace['tensor'] {
  const declared = [...parametersOf(operation, graph), ...buffersOf(operation, graph)];
  return (name) => {
    const shape = declared.find((one) => one.name === name)!.shape;
    const full = `${operation.path}.${name}`;
    const found = weights.get(full);
    if (found !== undefined && found.values.length === sizeOf(shape)) return found.values;
    throw new UsageError({
      what: `weights, ${full}`,
      given: found === undefined ? 'missing' : `shape ${showShape(found.shape)}`,
      allowed: `shape ${showShape(shape)}, as the model says`,
    });
  };
}

/** Converts the data's units to the net's; bytes are first divided by 255. */
function standardized(writer: GraphWriter, given: OnnxValue, units: Units): OnnxValue {
  const { inputType, mean, std, shift } = units;
  if (shift !== undefined) {
    throw new UsageError({
      what: 'inputs of this data as ONNX',
      problem: 'have digits that float32 cannot represent',
      hint: "units: 'net' (--standardized), which leaves it to the caller to standardize them",
    });
  }
  const range = inputType === 'u8' ? BYTE_RANGE : 1;
  const place = { writer, path: INPUT };
  const means = channelVector(
    place,
    'mean',
    mean.map((value) => value * range),
    given,
  );
  const factors = channelVector(
    place,
    'invStd',
    std.map((value) => 1 / (value * range)),
    given,
  );
  const centered = layerNode(place, 'Sub', [given.name, means]);
  return { ...given, name: layerNode(place, 'Mul', [centered, factors]) };
}

/** Names an output; a regression's outputs are converted back to the data's units. */
function end(
  writer: GraphWriter,
  name: string,
  value: OnnxValue,
  units: Units | undefined,
): OnnxValueInfo {
  let last = channelsFirst(writer, value);
  if (units?.task.kind === 'regression' && units.task.mean !== undefined) {
    const { mean, std } = units.task;
    const place = { writer, path: name };
    const scale = writer.floats(`${name}.std`, ...alike(std!, last.shape));
    const offset = writer.floats(`${name}.mean`, ...alike(mean, last.shape));
    const product = layerNode(place, 'Mul', [last.name, scale]);
    last = { ...last, name: layerNode(place, 'Add', [product, offset]) };
  }
  writer.end(last.name, name);
  return valueInfo({ ...last, name });
}

/** A constant with per-sample values, permuted from channels last to channels first. */
function alike(values: readonly number[], shape: Shape): readonly [Shape, Float64Array] {
  const rank = shape.length;
  const axes = [rank - 1, ...Array.from({ length: rank - 1 }, (_, i) => i)];
  return [sizesOf(shape), transposed(Float64Array.from(values), shape, axes)];
}

function valueInfo({ name, shape }: OnnxValue): OnnxValueInfo {
  return { name, type: 'float', shape: ['batch', ...sizesOf(shape)] };
}

/** Channels first. */
function sizesOf(shape: Shape): Shape {
  return shape.length === 0 ? [] : [shape.at(-1)!, ...shape.slice(0, -1)];
}
