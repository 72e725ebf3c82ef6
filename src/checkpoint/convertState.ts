// Converts the state of a run to its model with other normalizations: keeps what carries over,
// initializes the rest, and reports which is which and why. The models may differ only in their
// normalizations (nn/convert/convertNorm.ts).

import { UsageError } from '../base/errors.ts';
import { isObject, optionsSchema, parseData, parseOptions } from '../base/parse.ts';
import { type Shape, showShape, sizeOf } from '../base/shape.ts';
import { anything, listOf } from '../base/values.ts';
import { convertNorm } from '../nn/convert/convertNorm.ts';
import { isNorm } from '../nn/convert/normLeaf.ts';
import type { ConvertNormOptions } from '../nn/convert/normRequest.ts';
import { freezeGraph } from '../nn/graph/freeze.ts';
import { buildGraph, type Graph, type LayerOperation } from '../nn/graph/graph.ts';
import { parseModel } from '../nn/models/parse.ts';
import { initialize } from '../nn/specs/init.ts';
import { type AllowModules, loadModules } from '../nn/specs/modules.ts';
import { shapeOption } from '../nn/specs/options.ts';
import { customModulesOf, type LayerSpec } from '../nn/specs/spec.ts';
import { AVERAGE } from '../optim/bindOptimizer.ts';
import { trainCounts } from '../plan/config.ts';
import { smallestBatch } from '../plan/feasible.ts';
import { type BufferEntry, type ParameterEntry, planParameters } from '../plan/parameters.ts';
import type { Checkpoint } from './checkpoint.ts';
import { isTensor } from './namedTensor.ts';
import { alignLayers, type LayerPair } from './normAlignment.ts';
import type { StateTensor } from './state.ts';

/** A named tensor, as in checkpoints and `trainer.weights()`. */
export interface NamedTensor {
  /** `parameter 1.batchNorm.weight`, `buffer 1.batchNorm.runningMean`, `optimizer.0
   * 1.batchNorm.weight`. */
  readonly name: string;
  /** Its group: a parameter, a buffer such as running statistics, or optimizer state. */
  readonly group: StateTensor['group'];
  /** Channels last. */
  readonly shape: Shape;
  /** In row-major order: float32 for parameters, float64 for running statistics. */
  readonly values: Float32Array | Float64Array;
}

/** What happened to one tensor of a normalization. */
export interface CarriedTensor {
  /** `1.batchNorm`, as named in the new model; in the old one for a tensor that is left out. */
  readonly layer: string;
  /** `weight`, `runningMean`, `optimizer.0 weight`. */
  readonly tensor: string;
  /** Whether it was taken over. */
  readonly carried: boolean;
  /** The reason, for display. */
  readonly why: string;
}

/** The models that {@link convertState} converts between. */
export interface StateModels {
  /** The model that the state belongs to. */
  readonly from: LayerSpec;
  /** The model to convert the state for. */
  readonly to: LayerSpec;
  /** Input shape of both models. */
  readonly inputShape: Shape;
  /** Patterns of the parameters of `to` that do not train, so that they have no optimizer state;
   * default none. */
  readonly freeze?: readonly string[];
}

const GROUPS = ['parameter', 'buffer', 'optimizer', 'best'];
const namedTensors = listOf<NamedTensor>('a list of tensors, as in checkpoints', (given) => {
  if (!isObject(given) || !isTensor(given)) return false;
  return typeof given.name === 'string' && GROUPS.includes(given.group as string);
});
const modelsSchema = optionsSchema<StateModels>()({
  from: anything<LayerSpec>('the model that the state is of'),
  to: anything<LayerSpec>('the model that it is for'),
  inputShape: shapeOption,
  freeze: listOf<string>('a list of patterns', (item) => typeof item === 'string').exactOptional(),
});

/** A state for another model, and what happened to each tensor. */
export interface ConvertedState {
  /** Everything that the new model needs, in the order of a checkpoint. */
  readonly tensors: readonly NamedTensor[];
  /** What happened to the tensors of normalizations. All other layers keep all their tensors. */
  readonly report: readonly CarriedTensor[];
}

/** Carries the state of model `from` over to model `to`. Weight and bias carry over if both layers
 * have them: by channel, or from each channel to all its positions (layerNorm), and back if all
 * positions are equal. Running statistics carry over between batchNorm (also frozen) and
 * batchRenorm, and from instanceNorm to frozen. Optimizer state follows its parameter if the shape
 * stays the same. Tensors without a source get the values of a fresh model. Throws a {@link
 * UsageError} if the models differ in more than their normalizations, or tensors are missing.
 *
 * @example
 * convertState([...trainer.weights().values()], {
 *   from: model,
 *   to: nn.convertNorm(model, { to: 'group', inputShape: [8, 8, 1] }),
 *   inputShape: [8, 8, 1],
 * })
 */
export function convertState(state: readonly NamedTensor[], models: StateModels): ConvertedState {
  parseData(namedTensors, state, 'state of convertState');
  const {
    from,
    to,
    inputShape,
    freeze = [],
  } = parseOptions('convertState', modelsSchema, models, {
    example: 'convertState(checkpoint.tensors, { from, to, inputShape })',
  });
  return carryState(state, {
    from: parseModel(from, 'from of convertState'),
    to: parseModel(to, 'to of convertState'),
    inputShape,
    freeze,
  });
}

function carryState(state: readonly NamedTensor[], models: Required<StateModels>): ConvertedState {
  const saved = new Map(state.map((tensor) => [tensor.name, tensor]));
  const slots = new Set(
    state.flatMap(({ name, group }) => (group === 'optimizer' ? [name.split(' ')[0]!] : [])),
  );
  const from = buildGraph(models.from, models.inputShape);
  const to = freezeGraph(buildGraph(models.to, models.inputShape), models.freeze);
  const pairs = alignLayers(models, { from: layersOf(from), to: layersOf(to) });
  const sources = new Map(pairs.flatMap((pair) => (pair.to ? [[pair.to.path, pair]] : [])));
  const [before, after] = [planParameters(from), planParameters(to)];
  const report: CarriedTensor[] = [];
  const context = { saved, sources, report, tables: [...before.entries, ...before.buffers] };
  const taken = { parameter: [] as NamedTensor[], buffer: [] as NamedTensor[] };
  const optimizer = new Map([...slots].map((slot) => [slot, [] as NamedTensor[]]));
  for (const entry of after.entries) {
    const parameter = carry(context, 'parameter', entry);
    taken.parameter.push(parameter);
    if (!entry.isTrained) continue;
    for (const [slot, kept] of optimizer) kept.push(carrySlot(context, slot, entry, parameter));
  }
  for (const entry of after.buffers) taken.buffer.push(carry(context, 'buffer', entry));
  reportLost(pairs, context.tables, after, report);
  return {
    tensors: [...taken.parameter, ...taken.buffer, ...[...optimizer.values()].flat()],
    report,
  };
}

/** A checkpoint with other normalizations. The run's input shape and replicas are added to the
 * request. Returns the same checkpoint if nothing changes. `what` names it in errors. */
export async function convertCheckpoint(
  what: string,
  saved: Checkpoint,
  request: ConvertNormOptions,
  allowModules: AllowModules | undefined,
): Promise<{ readonly saved: Checkpoint; readonly report: readonly CarriedTensor[] }> {
  const from = parseModel(saved.model, `the model of ${what}`);
  await loadModules(customModulesOf(from), allowModules);
  const { replicas } = saved.run;
  const { inputShape } = saved.data;
  const replicaBatch =
    smallestBatch(trainCounts(saved.data.countTrain, saved.run.validationSplit), saved.run) /
    replicas;
  const run = { inputShape, replicas, replicaBatch };
  const to = convertNorm(from, { ...run, ...request });
  if (JSON.stringify(to) === JSON.stringify(from)) return { saved, report: [] };
  const freeze = saved.run.freeze ?? [];
  const { tensors, report } = convertState(saved.tensors, { from, to, inputShape, freeze });
  // Decisions from validations of the old model do not apply to the new one.
  const { monitored: _monitored, ...rest } = saved;
  return { saved: { ...rest, model: { ...to }, tensors }, report };
}

interface Context {
  readonly saved: ReadonlyMap<string, NamedTensor>;
  /** Pairs of layers, by the path of the new layer. */
  readonly sources: ReadonlyMap<string, LayerPair>;
  readonly tables: readonly (ParameterEntry | BufferEntry)[];
  readonly report: CarriedTensor[];
}

function layersOf(graph: Graph): readonly LayerOperation[] {
  return graph.operations.filter((operation) => operation.op === 'layer');
}

/** Makes the tensor of a new layer, from the old one or initialized. */
function carry(
  context: Context,
  group: 'parameter' | 'buffer',
  entry: ParameterEntry | BufferEntry,
): NamedTensor {
  const { layerPath, shape } = entry;
  const tensor = entry.name.slice(layerPath.length + 1);
  const fresh = freshValues(entry);
  const { from, to } = context.sources.get(layerPath)!;
  const tell = (carried: boolean, why: string): void => {
    if (isNorm(to!.spec)) context.report.push({ layer: layerPath, tensor, carried, why });
  };
  const result = { name: `${group} ${entry.name}`, group, shape, values: fresh };
  if (from === undefined) {
    tell(false, 'the layer is new');
    return result;
  }
  const source = sourceOf(context, from, tensor);
  if (source === undefined) {
    tell(false, `${from.spec.kind} has none; starts at ${fresh[0]}`);
    return result;
  }
  const isRunning = group === 'buffer' && tensor !== 'weight' && tensor !== 'bias';
  if (isRunning && !sharesStatistics(from, to!)) {
    tell(false, `${from.spec.kind} averages statistics of single samples; starts at ${fresh[0]}`);
    return result;
  }
  const why = fillFrom(fresh, shape, source);
  if (typeof why === 'string') tell(true, why);
  else tell(false, why.reason);
  return result;
}

/** Optimizer state of a parameter: kept if the parameter kept its shape, otherwise zeros. An
 * average starts from the current parameter. */
function carrySlot(
  context: Context,
  slot: string,
  entry: ParameterEntry,
  parameter: NamedTensor,
): NamedTensor {
  const { layerPath, shape, length } = entry;
  const short = entry.name.slice(layerPath.length + 1);
  const { from, to } = context.sources.get(layerPath)!;
  const values = new Float32Array(length);
  const source = from && context.saved.get(`${slot} ${from.path}.${short}`);
  const isSame = source !== undefined && showShape(source.shape) === showShape(shape);
  const isAverage = slot === `optimizer.${AVERAGE}`;
  if (isSame) values.set(source.values);
  else if (isAverage) values.set(parameter.values);
  if (isNorm(to!.spec)) {
    const start = isAverage ? 'its value' : '0';
    const why = isSame
      ? 'the same parameter'
      : `the parameter is a different one; starts at ${start}`;
    const tensor = `${slot} ${short}`;
    context.report.push({ layer: layerPath, tensor, carried: isSame, why });
  }
  return { name: `${slot} ${entry.name}`, group: 'optimizer', shape, values };
}

function freshValues(entry: ParameterEntry | BufferEntry): Float32Array | Float64Array {
  if ('initial' in entry) return new Float64Array(entry.length).fill(entry.initial);
  const values = new Float32Array(entry.length);
  // Every layer except normalizations has a source, and their initial values are constants, which
  // need no seed.
  if (entry.init.kind === 'constant') initialize(values, entry.init, 0, 0);
  return values;
}

/** The tensor of an old layer, in any group; undefined if the layer has none. */
function sourceOf(context: Context, from: LayerOperation, tensor: string): NamedTensor | undefined {
  const name = `${from.path}.${tensor}`;
  const entry = context.tables.find((candidate) => candidate.name === name);
  if (entry === undefined) return undefined;
  const group = 'initial' in entry ? 'buffer' : 'parameter';
  const found = context.saved.get(`${group} ${name}`);
  if (found !== undefined && found.values.length === entry.length) return found;
  throw new UsageError({
    what: `state to convert, ${group} ${name}`,
    given: found === undefined ? 'missing' : `${found.values.length} values`,
    allowed: `shape ${showShape(entry.shape)}, as the model says`,
  });
}

/** Whether running statistics mean the same in both layers. Those of an instanceNorm average the
 * variances of single samples. Its evaluation uses these, but they are not what a batch has. */
function sharesStatistics(from: LayerOperation, to: LayerOperation): boolean {
  const ofSamples = ({ kind }: LayerOperation): boolean => kind.norm?.tracksSamples === true;
  if (!ofSamples(from) || ofSamples(to)) return true;
  return to.kind.norm?.normKind(to.spec) === 'frozenBatchNorm';
}

/** Fills `values` from a tensor by channel. Returns how it did so, or why it cannot. */
function fillFrom(
  values: Float32Array | Float64Array,
  shape: Shape,
  source: NamedTensor,
): string | { readonly reason: string } {
  if (showShape(source.shape) === showShape(shape)) {
    values.set(source.values);
    return 'the same values';
  }
  const channels = shape[shape.length - 1]!;
  const given = source.shape[source.shape.length - 1]!;
  const isUniform = source.values.every((value, i) => Object.is(value, source.values[i % given]));
  if (channels !== given || !isUniform) {
    const reason = `${showShape(source.shape)} differs between positions; starts at ${values[0]}`;
    return { reason };
  }
  for (let i = 0; i < values.length; i++) values[i] = source.values[i % channels]!;
  return sizeOf(shape) > channels ? 'each position from its channel' : 'all positions were equal';
}

/** Reports the tensors of old normalizations that no new layer has. */
function reportLost(
  pairs: readonly LayerPair[],
  tables: readonly (ParameterEntry | BufferEntry)[],
  after: { readonly entries: readonly ParameterEntry[]; readonly buffers: readonly BufferEntry[] },
  report: CarriedTensor[],
): void {
  const kept = new Set([...after.entries, ...after.buffers].map(({ name }) => name));
  for (const { from, to } of pairs) {
    if (from === undefined) continue;
    for (const { name, layerPath } of tables) {
      if (layerPath !== from.path) continue;
      const tensor = name.slice(layerPath.length + 1);
      if (to !== undefined && kept.has(`${to.path}.${tensor}`)) continue;
      const why = to === undefined ? 'the layer is removed' : `${to.spec.kind} has none`;
      report.push({ layer: from.path, tensor, carried: false, why });
    }
  }
}
