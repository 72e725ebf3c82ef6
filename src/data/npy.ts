// NumPy's .npy files (format versions 1 to 3, numpy/lib/format.py documents them) and folders with
// a pair of them for training and one for testing. Little-endian numbers in C order; no pickles.

import { basename, join, resolve } from 'node:path';
import { UsageError } from '../base/errors.ts';
import { showShape } from '../base/shape.ts';
import { listed } from '../base/show.ts';
import { byteMasks, checkByteMasks } from './byteMasks.ts';
import { checkDataset, type Dataset, type Split } from './dataset.ts';
import { listFolder, readDataFile, showNames, trailing, truncated } from './files.ts';
import { checkLayout, type DataLayout, toChannelsLast } from './layout.ts';
import { parseNpyHeader } from './npy-header.ts';
import { shiftFor, subtractShift } from './shift.ts';
import { byteStatistics, floatStatistics } from './statistics.ts';
import { oneHotClasses, standardTargets } from './targets.ts';
import type { Task } from './task.ts';

/** The contents of a .npy file; `values` in C order. int64 was checked to fit int32. */
export interface NpyArray {
  readonly shape: readonly number[];
  readonly values: Uint8Array | Int32Array | Float32Array | Float64Array;
}

const ITEM_BYTES = { u1: 1, i4: 4, i8: 8, f4: 4, f8: 8 } as const;
const MIN_INT32 = -(2n ** 31n);
const MAX_INT32 = 2n ** 31n - 1n;
const X_TRAIN = 'x_train.npy';
const FILES = [X_TRAIN, 'y_train.npy', 'x_test.npy', 'y_test.npy'];
/** May be missing. */
const DOMAINS_TRAIN = 'domains_train.npy';
const WEIGHT_FILES = { train: 'weights_train.npy', test: 'weights_test.npy' } as const;

/** Parses a .npy file of dtype |u1, <i4, <i8, <f4 or <f8; `file` is for messages. Throws a
 * UsageError for any other dtype, Fortran order, a header that cannot be read or a length that it
 * does not say. */
export function parseNpy(bytes: Uint8Array, file: string): NpyArray {
  const { dtype, shape, dataOffset } = parseNpyHeader(bytes, file);
  // Compared before anything is allocated: a header cannot ask for more than the file brings.
  const wantedBytes = npyWantedBytes(bytes, file);
  if (bytes.length < wantedBytes) throw truncated(file, bytes.length, wantedBytes);
  if (bytes.length > wantedBytes) throw trailing(file, bytes.length, wantedBytes);
  // Copied, because a view needs an address that is a multiple of the item size.
  const data = new Uint8Array(wantedBytes - dataOffset);
  data.set(bytes.subarray(dataOffset));
  if (dtype === 'u1') return { shape, values: data };
  if (dtype === 'i4') return { shape, values: new Int32Array(data.buffer) };
  if (dtype === 'f4') return { shape, values: new Float32Array(data.buffer) };
  if (dtype === 'f8') return { shape, values: new Float64Array(data.buffer) };
  return { shape, values: narrow(new BigInt64Array(data.buffer), file) };
}

/** What the header says of the file's length. */
function npyWantedBytes(head: Uint8Array, file: string): number {
  const { dtype, shape, dataOffset } = parseNpyHeader(head, file);
  return dataOffset + shape.reduce((product, size) => product * size, 1) * ITEM_BYTES[dtype];
}

/** Reads x_train.npy, y_train.npy, x_test.npy and y_test.npy of a folder. x: uint8 or float, [N,
 * F], [N, H, W] (one channel) or [N, H, W, C]; with a `layout` what {@link DataLayout} says, where
 * three axes are sequences, and channels first are turned over while loading. y: whole numbers [N],
 * or one-hot floats [N, K], are classes (as many as the largest label + 1, or K), other floats [N]
 * or [N, D] are regression targets of shape [1] or [D], standardized unless that is turned off.
 * domains_train.npy, whole numbers [N], may say where each training sample is from. Whole numbers
 * [N, D] are classes where rows are one-hot, else targets of shape [D] as they are, such as 0 and 1
 * for labels. Whole numbers [N, H, W] are masks, a class for each pixel; in bytes 255 stands for no
 * class there, and becomes -100. weights_train.npy and weights_test.npy, [N], may be there: how
 * much each sample counts. Statistics are those of x_train, per channel. Throws UsageErrors. */
export async function readNpyDataset(
  dir: string,
  options: { readonly layout?: DataLayout; readonly standardizeTargets?: boolean } = {},
): Promise<Dataset> {
  const layout = options.layout === undefined ? undefined : checkLayout(options.layout);
  const names = await listFolder(dir);
  const missing = FILES.filter((name) => !names.includes(name));
  if (missing.length > 0) {
    const what = `${missing.join(', ')} missing in ${dir}`;
    throw new UsageError({ what, given: showNames(names), allowed: FILES.join(', ') });
  }
  const train = await readPart(dir, 'train', layout);
  const domains = names.includes(DOMAINS_TRAIN) ? await readDomains(dir, train.count) : undefined;
  const test = await readPart(dir, 'test', layout);
  const trainWeights = await readWeights(dir, names, 'train', train.count);
  const testWeights = await readWeights(dir, names, 'test', test.count);
  checkAlike(train, test, {
    inputs: { train: 'x_train.npy', test: 'x_test.npy', where: ` in ${dir}` },
    targets: { train: 'y_train.npy', test: 'y_test.npy', where: ` in ${dir}` },
  });
  const name = basename(resolve(dir));
  const dataset = datasetOf(name, train, test, options.standardizeTargets ?? true);
  return checkDataset({
    ...dataset,
    train: { ...dataset.train, ...(domains !== undefined && { domains }), ...trainWeights },
    test: { ...dataset.test, ...testWeights },
  });
}

/** The dataset of two parts that are alike, with the statistics of the first. */
export function datasetOf(
  name: string,
  train: Part,
  test: Part,
  isStandardizing: boolean,
): Dataset {
  const { inputShape } = train;
  const inputs = inputsOf(train, test);
  const targets = targetsOf(train, test, isStandardizing);
  const notices = [...inputs.notices, ...targets.notices];
  return checkDataset({
    name,
    inputShape,
    task: targets.task,
    ...inputs.fields,
    ...(notices.length > 0 && { notices }),
    train: { count: train.count, inputs: inputs.train, targets: targets.train },
    test: { count: test.count, inputs: inputs.test, targets: targets.test },
  });
}

/** Whether a folder with these names is meant to be read by {@link readNpyDataset}. */
export function looksLikeNpy(names: readonly string[]): boolean {
  return names.includes(X_TRAIN);
}

/** The samples of one split, before it is known how a run keeps them. */
export interface Part {
  readonly count: number;
  readonly inputShape: readonly number[];
  /** Of one sample; [1] for class indices, too, and [H, W] for masks. */
  readonly targetShape: readonly number[];
  readonly inputs: Uint8Array | Float32Array | Float64Array;
  readonly targets: Int32Array | Float32Array | Float64Array;
}

function kindOf(values: Part['inputs'] | Part['targets']): 'integers' | 'floats' {
  return values instanceof Uint8Array || values instanceof Int32Array ? 'integers' : 'floats';
}

/** The inputs of both splits as a run stores them, and what belongs to them. */
function inputsOf(
  train: Part,
  test: Part,
): {
  readonly train: Split['inputs'];
  readonly test: Split['inputs'];
  readonly fields: Pick<Dataset, 'inputType' | 'shift' | 'mean' | 'std'>;
  readonly notices: readonly string[];
} {
  const channels = train.inputShape.at(-1)!;
  if (train.inputs instanceof Uint8Array) {
    const fields = { inputType: 'u8', ...byteStatistics(train.inputs, channels) } as const;
    return { train: train.inputs, test: test.inputs as Uint8Array, fields, notices: [] };
  }
  const isWide = train.inputs instanceof Float64Array;
  const shift = isWide ? shiftFor(train.inputs, channels) : undefined;
  const store = ({ inputs }: Part): Float32Array => {
    if (shift !== undefined) return subtractShift(inputs as Float32Array | Float64Array, shift);
    return inputs instanceof Float32Array ? inputs : Float32Array.from(inputs);
  };
  const inputs = store(train);
  const fields = {
    inputType: 'f32',
    ...(shift !== undefined && { shift }),
    ...floatStatistics(inputs, channels),
  } as const;
  return { train: inputs, test: store(test), fields, notices: shiftNotices(shift) };
}

function shiftNotices(shift: readonly number[] | undefined): readonly string[] {
  if (shift === undefined) return [];
  const shown = shift.flatMap((value, c) => (value === 0 ? [] : [`${c} (by ${value})`]));
  return [
    `Inputs have values whose digits float32 cannot hold; their columns are shifted towards 0 ` +
      `before they are rounded: ${listed(shown)}. predict takes such inputs as a Float64Array.`,
  ];
}

/** The targets of both splits as a run stores them, and what is to be learned. */
function targetsOf(
  train: Part,
  test: Part,
  isStandardizing: boolean,
): {
  readonly train: Split['targets'];
  readonly test: Split['targets'];
  readonly task: Task;
  readonly notices: readonly string[];
} {
  const { targets, targetShape } = train;
  const tested = test.targets;
  const size = targetShape[0]!;
  if ((targets instanceof Int32Array || tested instanceof Int32Array) && size === 1) {
    const both = { train: targets as Int32Array, test: tested as Int32Array };
    const classes = 1 + Math.max(largest(both.train), largest(both.test));
    return { ...both, task: { kind: 'classification', classes }, notices: [] };
  }
  if (targets instanceof Int32Array && tested instanceof Int32Array && targetShape.length > 1) {
    const classes = 1 + Math.max(largest(targets), largest(tested));
    const masks = { kind: 'segmentation', classes, targetShape } as const;
    return { train: targets, test: tested, task: masks, notices: [] };
  }
  const task = { kind: 'regression', targetShape } as const;
  const asTheyAre = () => {
    const [kept, keptTest] = [Float32Array.from(targets), Float32Array.from(tested)];
    return { train: kept, test: keptTest, task, notices: [] };
  };
  if (!isStandardizing) return asTheyAre();
  const hot = oneHotClasses(targets, size);
  const hotTest = oneHotClasses(tested, size);
  if (hot !== undefined && hotTest !== undefined) {
    const notice =
      `Each target is one-hot, a single 1 among ${size} values, and is taken as one of ` +
      `${size} classes (standardizeTargets: false keeps the numbers).`;
    const classification = { kind: 'classification', classes: size } as const;
    return { train: hot, test: hotTest, task: classification, notices: [notice] };
  }
  if (targets instanceof Int32Array || tested instanceof Int32Array) return asTheyAre();
  const { mean, std, ...standard } = standardTargets(targets, tested, size);
  return { ...standard, task: { ...task, mean, std }, notices: [] };
}

/** Reads a .npy file. Throws a {@link UsageError}. */
export async function readNpy(file: string): Promise<NpyArray> {
  return parseNpy(await readDataFile(file, (head) => npyWantedBytes(head, file)), file);
}

/** The domain of each training sample. */
async function readDomains(dir: string, count: number): Promise<Int32Array> {
  const file = join(dir, DOMAINS_TRAIN);
  const { values, shape } = await readNpy(file);
  const isWhole = values instanceof Uint8Array || values instanceof Int32Array;
  if (isWhole && shape.length === 1 && shape[0] === count) return Int32Array.from(values);
  throw new UsageError({
    what: `domains in ${file}`,
    given: `${isWhole ? 'whole numbers' : 'floats'} of shape ${showShape(shape)}`,
    allowed: `whole numbers [${count}], one for each sample of ${X_TRAIN}`,
    hint: 'array.astype(np.int32) before np.save',
  });
}

/** The weights of a split; no field where the folder has none. */
async function readWeights(
  dir: string,
  names: readonly string[],
  part: 'train' | 'test',
  count: number,
): Promise<Pick<Split, 'weights'>> {
  if (!names.includes(WEIGHT_FILES[part])) return {};
  const file = join(dir, WEIGHT_FILES[part]);
  const { shape, values } = await readNpy(file);
  if (shape.length !== 1 || shape[0] !== count) {
    const allowed = `[${count}], a weight for each sample of x_${part}.npy`;
    throw new UsageError({ what: `shape of ${file}`, given: shape, allowed });
  }
  return { weights: Float32Array.from(values) };
}

async function readPart(
  dir: string,
  part: 'train' | 'test',
  layout: DataLayout | undefined,
): Promise<Part> {
  const xFile = join(dir, `x_${part}.npy`);
  const yFile = join(dir, `y_${part}.npy`);
  const x = await readNpy(xFile);
  const y = await readNpy(yFile);
  if (x.values instanceof Int32Array) {
    throw new UsageError({
      what: `dtype of ${xFile}`,
      given: 'integers',
      allowed: '|u1, <f4, <f8',
      hint: 'array.astype(np.float32) before np.save',
    });
  }
  const { values: inputs, inputShape } = samplesOf(x.values, x.shape, layout, xFile);
  const count = x.shape[0]!;
  const isMask = y.shape.length === 3;
  const targets =
    y.values instanceof Uint8Array ? labelsOfBytes(y.values, isMask, yFile) : y.values;
  const isWhole = targets instanceof Int32Array;
  const [, columns] = y.shape;
  const mostAxes = isWhole ? 3 : 2;
  if (y.shape.length < 1 || y.shape.length > mostAxes || (isWhole && !isMask && columns === 1)) {
    const allowed = isWhole
      ? '[N] for class indices, [N, D] for D > 1 numbers, [N, H, W] for masks'
      : '[N] or [N, D] for floats';
    throw new UsageError({ what: `shape of ${yFile}`, given: y.shape, allowed });
  }
  if (y.shape[0] !== count) {
    const allowed = `${count}, as in ${xFile}`;
    throw new UsageError({ what: `samples in ${yFile}`, given: y.shape[0], allowed });
  }
  return {
    count,
    inputShape,
    targetShape: y.shape.length < 2 ? [1] : y.shape.slice(1),
    inputs,
    targets,
  };
}

function labelsOfBytes(values: Uint8Array, isMask: boolean, file: string): Int32Array {
  if (!isMask) return Int32Array.from(values);
  const hint = 'masks // 255 before np.save, for two classes';
  checkByteMasks(values, { what: `masks in ${file}`, hint });
  return byteMasks(values);
}

/** The inputs, channels last, and the shape of one of them. */
function samplesOf(
  values: Part['inputs'],
  shape: readonly number[],
  layout: DataLayout | undefined,
  file: string,
): { readonly values: Part['inputs']; readonly inputShape: readonly number[] } {
  const axes = shape.length - 1;
  const mostAxes = layout === undefined ? 3 : 4;
  if (axes < 1 || axes > mostAxes) {
    const allowed = {
      none: '[N, F], [N, H, W] or [N, H, W, C]',
      channelsLast: '[N, F], [N, L, C], [N, H, W, C] or [N, D, H, W, C]',
      channelsFirst: '[N, F], [N, C, L], [N, C, H, W] or [N, C, D, H, W]',
    }[layout ?? 'none'];
    const hint = "layout 'channelsLast' or 'channelsFirst' for samples of four axes";
    throw new UsageError({
      what: `shape of ${file}`,
      given: shape,
      allowed,
      ...(axes === 4 && { hint }),
    });
  }
  if (layout === 'channelsFirst') {
    const turned = toChannelsLast(values, shape);
    return { values: turned.values, inputShape: turned.shape.slice(1) };
  }
  const inputShape = shape.slice(1);
  if (layout === undefined && axes === 2) return { values, inputShape: [...inputShape, 1] };
  return { values, inputShape };
}

function narrow(wide: BigInt64Array, file: string): Int32Array {
  const values = new Int32Array(wide.length);
  for (let i = 0; i < wide.length; i++) {
    const value = wide[i]!;
    if (value < MIN_INT32 || value > MAX_INT32) {
      const what = `value ${i} of ${file}`;
      throw new UsageError({ what, given: `${value}`, allowed: 'whole numbers of 32 bits' });
    }
    values[i] = Number(value);
  }
  return values;
}

/** What errors call the inputs or targets of both splits. */
interface PartNames {
  readonly train: string;
  readonly test: string;
  readonly where: string;
}

/** Throws a {@link UsageError} unless both parts have the same shapes and kinds of numbers. */
export function checkAlike(
  train: Part,
  test: Part,
  names: { readonly inputs: PartNames; readonly targets: PartNames },
): void {
  const { inputs, targets } = names;
  checkSame(`sample shape of ${inputs.test}${inputs.where}`, test.inputShape, train.inputShape);
  checkSame(`target shape of ${targets.test}${targets.where}`, test.targetShape, train.targetShape);
  for (const part of ['inputs', 'targets'] as const) {
    if (kindOf(test[part]) === kindOf(train[part])) continue;
    throw new UsageError({
      what: `dtypes of ${names[part].train} and ${names[part].test}${names[part].where}`,
      given: 'integers in one, floats in the other',
      allowed: 'the same kind in both',
    });
  }
}

function checkSame(what: string, found: readonly number[], wanted: readonly number[]): void {
  if (showShape(found) === showShape(wanted)) return;
  const allowed = `${showShape(wanted)}, as for training`;
  throw new UsageError({ what, given: showShape(found), allowed });
}

/** The largest of numbers from 0; 0 of none. */
export function largest(values: Int32Array): number {
  let most = 0;
  for (const value of values) if (value > most) most = value;
  return most;
}
