// Weights in files that others read and write: safetensors with PyTorch's names and layouts. From a
// file to our names and layouts, and back; running statistics are float64 here and float32 there.

import { UsageError } from '../base/errors.ts';
import { isObject, optionsSchema, parseData, parseOptions } from '../base/parse.ts';
import { refuseExistingFile } from '../base/regularFile.ts';
import { type Shape, shapesDiffer, showShape } from '../base/shape.ts';
import { accept, anything } from '../base/values.ts';
import { openCheckpoint } from '../checkpoint/checkpointFile.ts';
import { type NamedValue, type NamedValues, namedValues } from '../checkpoint/foldNorm.ts';
import { namedWeights } from '../checkpoint/state.ts';
import { parseModel } from '../nn/models/parse.ts';
import { optionalFlag, shapeOption } from '../nn/specs/options.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';
import { ELEMENT_TYPES } from './elementTypes.ts';
import {
  type FileMetadata,
  type FileTensor,
  readSafetensors,
  type TensorToWrite,
  writeSafetensors,
} from './safetensors.ts';
import { unwrapper } from './torchNames.ts';
import { fromTorch, placesOf, type TorchTensor, torchTensors, toTorch } from './torchTensors.ts';

/** What a file's names and layouts are to be matched with. */
export interface WeightsModel {
  /** As it is trained, with its normalizations converted if they are to be. */
  readonly model: LayerSpec;
  /** Of a sample, channels last: what follows a flatten depends on it. */
  readonly inputShape: Shape;
}

export interface ReadWeightsOptions extends WeightsModel {
  /** Turns each name of a safetensors file into PyTorch's name in this model. Default: as it is,
   * without `module.`, `_orig_mod.` or `model.` where wrappers put these before all names. */
  readonly rename?: (name: string) => string;
}

export interface WriteWeightsOptions extends WeightsModel {
  /** What the file says of itself; default `{ format: 'pt' }`, without which Transformers reads no
   * file. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Lets it replace a file that is there; default false. */
  readonly overwrite?: boolean;
}

const aFunction = accept<(name: string) => string>('a function', (given) => {
  return typeof given === 'function';
});
const texts = accept<Readonly<Record<string, string>>>('an object of strings', (given) => {
  return isObject(given) && Object.values(given).every((value) => typeof value === 'string');
});
const readSchema = optionsSchema<ReadWeightsOptions>()({
  model: anything<LayerSpec>(),
  inputShape: shapeOption,
  rename: aFunction.exactOptional(),
});
const writeSchema = optionsSchema<WriteWeightsOptions>()({
  model: anything<LayerSpec>(),
  inputShape: shapeOption,
  metadata: texts.exactOptional(),
  overwrite: optionalFlag,
});
const path = accept<string>('the path of a file', (given) => {
  return typeof given === 'string' && given !== '';
});

const ENDING = '.safetensors';
const PYTORCH: FileMetadata = { format: 'pt' };

/** Whether a file is taken for one of safetensors, which its name says. */
export function isSafetensorsPath(file: string): boolean {
  return file.toLowerCase().endsWith(ENDING);
}

/** Reads weights and running statistics for a model: from a checkpoint, or from a safetensors file
 * with PyTorch's names and layouts. They come by our names in our layouts, as `trainer.weights()`
 * gives them and `Trainer.start({ weights })` takes them; float16 and bfloat16 are widened. What
 * the model does not have keeps its name, and what has another shape keeps that, so that the run
 * which starts from them can say so. A `num_batches_tracked` that is missing beside running
 * statistics is 0. Throws a {@link UsageError} for anything but a whole file of these kinds. */
export async function readWeights(file: string, options: ReadWeightsOptions): Promise<NamedValues> {
  const {
    model: given,
    inputShape,
    rename,
  } = parseOptions('readWeights', readSchema, options, {
    example: "readWeights('resnet18.safetensors', { model, inputShape: [224, 224, 3] })",
  });
  parseData(path, file, 'file of readWeights');
  const model = parseModel(given, 'model of readWeights');
  return weightsIn(file, { model, inputShape, ...(rename !== undefined && { rename }) });
}

/** The same for a model that is checked. */
export async function weightsIn(
  file: string,
  { model, inputShape, rename }: ReadWeightsOptions,
): Promise<NamedValues> {
  if (!isSafetensorsPath(file)) {
    const { tensors } = await (await openCheckpoint(file)).load();
    return namedWeights(tensors);
  }
  const expected = torchTensors(model, inputShape);
  const what = `weights of ${file}`;
  return toOurs(what, await readSafetensors(file, what), { expected, rename });
}

function toOurs(
  what: string,
  given: readonly FileTensor[],
  { expected, rename }: { expected: readonly TorchTensor[]; rename: ReadWeightsOptions['rename'] },
): NamedValues {
  const known = new Map(expected.map((tensor) => [tensor.torchName, tensor]));
  const names = given.map(({ name }) => name);
  const renamed = rename ?? unwrapper(names, (name) => known.has(name));
  const weights = new Map<string, NamedValue>();
  for (const tensor of given) {
    const name = renamed(tensor.name);
    const own = known.get(name);
    const ours = own?.name ?? name;
    if (weights.has(ours)) {
      throw new UsageError({ what: `${what}, ${tensor.name}`, problem: `is the second ${name}` });
    }
    weights.set(ours, own === undefined ? tensor : inOurLayout(what, tensor, own));
  }
  for (const { name, torchName, isCount, shape } of expected) {
    const mean = known.get(torchName.replace(/[^.]*$/, 'running_mean'))?.name;
    if (!isCount || weights.has(name) || mean === undefined || !weights.has(mean)) continue;
    weights.set(name, { shape, values: new Float64Array(1) });
  }
  return weights;
}

function inOurLayout(
  what: string,
  { name, type, shape, values }: FileTensor,
  own: TorchTensor,
): NamedValue {
  if (own.isCount) {
    return { shape: values.length === 1 ? own.shape : shape, values };
  }
  if (!ELEMENT_TYPES[type].isFloat) {
    const floats = Object.entries(ELEMENT_TYPES).flatMap(([float, { isFloat }]) =>
      isFloat ? [float] : [],
    );
    const allowed = floats.join(', ');
    throw new UsageError({ what: `dtype of ${what}, ${name}`, given: type, allowed });
  }
  if (!shapesDiffer(shape, own.torchShape)) {
    return { shape: own.shape, values: fromTorch(values, own.places) };
  }
  if (shape.length !== own.axes.length) return { shape, values };
  const ours = own.axes.map((_, axis) => shape[own.axes.indexOf(axis)]!);
  return { shape: ours, values: fromTorch(values, placesOf(ours, own.axes)) };
}

/** Writes the weights and running statistics of a model to a safetensors file, with PyTorch's names
 * and layouts, all as float32 and counts as int64: `trainer.weights()`, or those that
 * {@link readWeights} gave. Throws a {@link UsageError} where tensors are missing, left over or of
 * other shapes, and where the file is there or cannot be written. */
export async function writeWeights(
  file: string,
  weights: NamedValues,
  options: WriteWeightsOptions,
): Promise<void> {
  const parsed = parseOptions('writeWeights', writeSchema, options, {
    example: "writeWeights('net.safetensors', trainer.weights(), { model, inputShape })",
  });
  parseData(path, file, 'file of writeWeights');
  parseData(namedValues, weights, 'weights of writeWeights');
  if (!isSafetensorsPath(file)) {
    throw new UsageError({
      what: 'file of writeWeights',
      given: file,
      allowed: `a name that ends in ${ENDING}`,
    });
  }
  if (parsed.overwrite !== true) {
    refuseExistingFile(file, `file of writeWeights, ${file},`, 'overwrite: true to replace it');
  }
  const model = parseModel(parsed.model, 'model of writeWeights');
  await exportWeights(file, weights, { ...parsed, model });
}

/** The same for options that are checked. */
export async function exportWeights(
  file: string,
  weights: NamedValues,
  { model, inputShape, metadata = PYTORCH }: WriteWeightsOptions,
): Promise<readonly TensorToWrite[]> {
  const expected = torchTensors(model, inputShape);
  const names = new Set(expected.map(({ name }) => name));
  const extra = [...weights.keys()].find((name) => !names.has(name));
  if (extra !== undefined) {
    throw new UsageError({ what: `weights to write, ${extra}`, problem: 'is not in the model' });
  }
  const tensors = expected.map((tensor) => toTheirs(tensor, weights.get(tensor.name)));
  await writeSafetensors(file, `weights to write, ${file}`, { tensors, metadata });
  return tensors;
}

function toTheirs(
  { name, shape, torchName, torchShape, isCount, places }: TorchTensor,
  given: NamedValue | undefined,
): TensorToWrite {
  if (given === undefined || shapesDiffer(given.shape, shape)) {
    throw new UsageError({
      what: `weights to write, ${name}`,
      given: given === undefined ? 'missing' : showShape(given.shape),
      allowed: `shape ${showShape(shape)}, as the model says`,
    });
  }
  const described = { name: torchName, shape: torchShape };
  if (!isCount) return { ...described, type: 'F32', values: toTorch(given.values, places) };
  const [count] = given.values as ArrayLike<number> as [number];
  if (!Number.isSafeInteger(count)) {
    throw new UsageError({
      what: `weights to write, ${name}`,
      given: count,
      allowed: 'a whole number',
    });
  }
  return { ...described, type: 'I64', values: BigInt64Array.of(BigInt(count)) };
}
