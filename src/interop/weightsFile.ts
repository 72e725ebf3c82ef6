// Converts a safetensors file to our names and layouts, and back. Running statistics are float64
// here and float32 in the file. weights.ts documents the functions.

import { UsageError } from '../base/errors.ts';
import { shapesDiffer, showShape } from '../base/shape.ts';
import { openCheckpoint } from '../checkpoint/checkpointFile.ts';
import type { NamedValue, NamedValues } from '../checkpoint/foldNorm.ts';
import { namedWeights } from '../checkpoint/state.ts';
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
import { isSafetensorsPath, type ReadWeightsOptions, type WriteWeightsOptions } from './weights.ts';

const PYTORCH: FileMetadata = { format: 'pt' };

/** Reads a file for a model: see readWeights. */
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
    if (typeof name !== 'string') {
      throw new UsageError({ what: `rename of ${tensor.name}`, given: name, allowed: 'a name' });
    }
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

/** Writes the tensors of a model: see writeWeights. */
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
