// `syncbn predict`: the outputs of a checkpoint for the samples of a dataset, or for inputs alone,
// as a table or an array.

import { cleaningUp } from '../../base/cleanup.ts';
import { UsageError } from '../../base/errors.ts';
import { channelsOf, showShape, sizeOf } from '../../base/shape.ts';
import { checkWritable, writeWhole } from '../../base/wholeFile.ts';
import { openCheckpoint } from '../../checkpoint/checkpointFile.ts';
import type { DatasetDescription } from '../../data/identity.ts';
import { matchingInputs } from '../../data/matching.ts';
import { type NpyArray, readNpy } from '../../data/npy/npy.ts';
import { npyBytes } from '../../data/npy/npyWriter.ts';
import { storedInputs } from '../../data/shift.ts';
import type { Task } from '../../data/task.ts';
import { MAIN_OUTPUT } from '../../nn/specs/spec.ts';
import { largestOf } from '../../observe/classMetrics.ts';
import { outputSizeOf } from '../../plan/config.ts';
import { threadsFor } from '../../runtime/inferenceTeam.ts';
import { openModel } from '../../runtime/loadedModel.ts';
import { readModel } from '../../runtime/readModel.ts';
import { say, screen } from '../output/screen.ts';
import type { Flags } from '../settings/flags.ts';
import { isSameFile } from '../settings/separateFiles.ts';
import { allowModulesFrom, dataFrom } from '../settings/settings.ts';
import { refuseExisting } from '../settings/startingPoint.ts';

export async function runPredict(flags: Flags): Promise<number> {
  const [checkpoint, out] = ['checkpoint', 'out'].map((name) => needed(flags, name));
  const write = writerOf(out!);
  checkSeparate(flags, out!);
  const allowModules = allowModulesFrom(flags);
  const workers = flags.integer('workers', 1);
  const timeoutMs = flags.integer('timeout-ms', 1);
  if (!flags.isSet('overwrite')) refuseExisting(out!, '--out');
  const what = `file to write, ${out}`;
  await checkWritable(out!, what);
  const { head } = await openCheckpoint(checkpoint!);
  checkForm(out!, head.data.task);
  const inputs = await inputsFrom(flags, head.data);
  const saved = await readModel(checkpoint!, { allowModules });
  const place = threadsFor(saved.config, {
    ...(workers !== undefined && { workers }),
    ...(timeoutMs !== undefined && { timeoutMs }),
  });
  const model = await openModel(saved, { threads: place.workers, ...place });
  const run = async (): Promise<number> => {
    const outputs = (await model.outputs(inputs))[MAIN_OUTPUT]!;
    await writeWhole(out!, what, write(head.data.task, outputs));
    const samples = inputs.length / sizeOf(head.data.inputShape);
    if (flags.isSet('json')) screen.sayJson({ event: 'predicted', path: out, samples });
    else say(`Outputs for ${samples} samples written to ${out}.`);
    return 0;
  };
  return cleaningUp(run, () => model.close());
}

/** Throws a {@link UsageError} if the output would overwrite an input file. */
function checkSeparate(flags: Flags, out: string): void {
  const data = flags.text('data');
  if (data === undefined || !isSameFile(out, data)) return;
  throw new UsageError({
    what: `--out ${out}`,
    problem: `would write over the data of --data ${data}`,
    hint: 'a separate file',
  });
}

/** Inputs in the form that the model's arena holds. */
async function inputsFrom(
  flags: Flags,
  data: DatasetDescription,
): Promise<Uint8Array | Float32Array> {
  const path = flags.text('data');
  const split = flags.choice('split', ['test', 'train'] as const);
  if (path?.endsWith('.npy') === true) {
    if (split === undefined) return fromArray(path, await readNpy(path), data);
    throw new UsageError({ what: '--split', problem: 'requires data with splits in --data' });
  }
  return matchingInputs(data, await dataFrom(flags, data), split ?? 'test');
}

/** An array [n, ...inputShape]; the last axis may be missing if it is 1. */
function fromArray(
  path: string,
  { shape, values }: NpyArray,
  data: DatasetDescription,
): Uint8Array | Float32Array {
  const { inputShape, inputType } = data;
  const flat = channelsOf(inputShape) === 1 ? inputShape.slice(0, -1) : inputShape;
  const isShape = [inputShape, flat].some((own) => own.join() === shape.slice(1).join());
  const isBytes = values instanceof Uint8Array;
  if (isShape && isBytes === (inputType === 'u8')) {
    if (isBytes || values instanceof Float64Array) return storedInputs(data, values);
    return storedInputs(data, Float64Array.from(values));
  }
  throw new UsageError({
    what: `inputs in ${path}`,
    given: `${isBytes ? 'bytes' : 'numbers'} ${showShape(shape)}`,
    allowed: `${inputType === 'u8' ? 'bytes' : 'numbers'} [n, ${inputShape.join(', ')}]`,
  });
}

type Writer = (task: Task, outputs: Float32Array) => Uint8Array | string;

/** The writer of a file, by its name. */
function writerOf(path: string): Writer {
  if (path.endsWith('.csv')) return csvOf;
  if (path.endsWith('.npy')) return npyOf;
  throw new UsageError({ what: '--out', given: path, allowed: 'a file .csv or .npy' });
}

function checkForm(path: string, task: Task): void {
  if (task.kind !== 'segmentation' || !path.endsWith('.csv')) return;
  throw new UsageError({
    what: `--out ${path}`,
    problem: 'would need a column for each pixel and class',
    hint: '--out scores.npy',
  });
}

function npyOf(task: Task, outputs: Float32Array): Uint8Array {
  const shape =
    task.kind === 'segmentation' ? [...task.targetShape, task.classes] : [outputSizeOf(task)];
  return npyBytes([outputs.length / outputSizeOf(task), ...shape], outputs);
}

/** Enough digits to distinguish all float32 numbers. */
const DIGITS = 9;

/** One row per sample: for a classification, the class with the largest output, then all
 * outputs. */
function csvOf(task: Task, outputs: Float32Array): string {
  const size = outputSizeOf(task);
  const hasClass = task.kind === 'classification';
  const names = Array.from({ length: size }, (_, i) => `output${i}`);
  const lines = [[...(hasClass ? ['class'] : []), ...names].join(',')];
  for (let from = 0; from < outputs.length; from += size) {
    const row = outputs.subarray(from, from + size);
    const shown = Array.from(row, (value) => `${Number(value.toPrecision(DIGITS))}`);
    if (hasClass) shown.unshift(`${largestOf(outputs, from, size)}`);
    lines.push(shown.join(','));
  }
  return `${lines.join('\n')}\n`;
}

function needed(flags: Flags, name: string): string {
  const value = flags.text(name);
  if (value !== undefined) return value;
  throw new UsageError({
    what: 'syncbn predict',
    problem: `requires --${name}, ${name === 'out' ? 'a file to write' : 'a checkpoint'}`,
    hint: 'syncbn predict --checkpoint run.ckpt --out scores.csv',
  });
}
