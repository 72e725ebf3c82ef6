// Datasets of named arrays: x_train, y_train and optionally x_test, y_test, domains and weights,
// from any source (npyFolder.ts, npz.ts). Shapes and number types mean the same in all of them.

import { UsageError } from '../../base/errors.ts';
import { showShape } from '../../base/shape.ts';
import { checkDataset } from '../checkDataset.ts';
import type { Dataset, Split } from '../dataset.ts';
import { showNames } from '../formats/files.ts';
import { countHeldOut } from '../heldOut.ts';
import { checkAlike, datasetOf, type Part, splitPart, takeRows } from '../parts.ts';
import { byteMasks, checkByteMasks } from './byteMasks.ts';
import { checkLayout, type DataLayout, toChannelsLast } from './layout.ts';
import type { NpyArray } from './npy.ts';

export interface ArrayOptions {
  readonly layout?: DataLayout;
  readonly standardizeTargets?: boolean;
  /** Whether integer targets are numbers to predict rather than classes. */
  readonly regression?: boolean;
  /** A fraction (below 1) or count of the samples to test with, if there are no others. */
  readonly testSplit?: number;
}

/** Named arrays and their source. */
export interface ArraySource {
  /** The folder or the file. */
  readonly where: string;
  /** Name for display. */
  readonly name: string;
  readonly names: readonly string[];
  /** How errors name an array: by its name alone, or with its place. */
  label(name: string): string;
  path(name: string): string;
  read(name: string): Promise<NpyArray>;
}

/** Possible names of an array, the usual name first: ours and Keras', then scikit-learn's, then
 * MedMNIST's. */
const ROLES = {
  xTrain: ['x_train', 'X_train', 'train_images', 'x', 'X', 'images'],
  yTrain: ['y_train', 'Y_train', 'train_labels', 'y', 'Y', 'labels'],
  xTest: ['x_test', 'X_test', 'test_images'],
  yTest: ['y_test', 'Y_test', 'test_labels'],
  domains: ['domains_train'],
  weightsTrain: ['weights_train'],
  weightsTest: ['weights_test'],
} as const;

type Role = keyof typeof ROLES;

/** Whether arrays of these names are a dataset. */
export function looksLikeArrays(names: readonly string[]): boolean {
  return ROLES.xTrain.some((name) => names.includes(name));
}

/** The dataset of named arrays. x: [N, F], [N, H, W] (one channel) or [N, H, W, C]; with a
 * `layout`, as {@link DataLayout} says: three axes are then sequences, and channels first are
 * transposed. Bytes and bools stay bytes, everything else becomes float32. y: integers [N] or [N,
 * 1] or one-hot rows [N, K] are classes (as many as the largest label + 1, or K), other floats [N]
 * or [N, D] are regression targets of shape [1] or [D], standardized unless that is turned off.
 * Other integers [N, D] are unchanged targets of shape [D], such as 0 and 1 for labels. Integers
 * [N, H, W] are masks, a class for each pixel; in bytes, 255 means no class and becomes -100.
 * Optionally, domains_train, integers [N], has the origin of each training sample, and
 * weights_train and weights_test, [N], the weight of each sample. Statistics are those of the
 * training samples, per channel. Throws UsageErrors. */
export async function readArrays(source: ArraySource, options: ArrayOptions): Promise<Dataset> {
  const layout = options.layout === undefined ? undefined : checkLayout(options.layout);
  const found = rolesOf(source);
  const { xTrain, yTrain, xTest, yTest } = found;
  const asked = { layout, isRegression: options.regression === true };
  const whole = await readPart(source, xTrain!, yTrain!, asked);
  const given = xTest === undefined ? undefined : await readPart(source, xTest, yTest!, asked);
  if (given !== undefined && options.testSplit !== undefined) {
    const problem = `cannot be combined with ${source.label(xTest!)} in ${source.where}`;
    throw new UsageError({ what: 'testSplit', problem, hint: 'leaving it out' });
  }
  const extras = await readExtras(source, found, whole.count, given?.count);
  const isSplit = options.testSplit !== undefined;
  if (isSplit && (extras.domains ?? extras.train.weights) !== undefined) {
    const problem = 'cannot be combined with domains or weights of samples';
    throw new UsageError({ what: 'testSplit', problem, hint: 'test samples in files' });
  }
  const { train, test } = isSplit
    ? splitPart(whole, countHeldOut('testSplit', whole.count, options.testSplit), {})
    : { train: whole, test: given ?? takeRows(whole, new Int32Array()) };
  const where = ` in ${source.where}`;
  const named = (trained: string, tested = trained) => {
    return { train: source.label(trained), test: source.label(tested), where };
  };
  checkAlike(train, test, { inputs: named(xTrain!, xTest), targets: named(yTrain!, yTest) });
  const dataset = datasetOf(source.name, train, test, options.standardizeTargets ?? true);
  const notices = [...(dataset.notices ?? []), ...unreadNotices(source, found)];
  return checkDataset({
    ...dataset,
    ...(notices.length > 0 && { notices }),
    train: {
      ...dataset.train,
      ...(extras.domains !== undefined && { domains: extras.domains }),
      ...extras.train,
    },
    test: { ...dataset.test, ...extras.test },
  });
}

/** The arrays by role. Throws a {@link UsageError} if a required one is missing. */
function rolesOf({ names, where, label }: ArraySource): Partial<Record<Role, string>> {
  const found: Partial<Record<Role, string>> = {};
  for (const role of Object.keys(ROLES) as Role[]) {
    const name = ROLES[role].find((known) => names.includes(known));
    if (name !== undefined) found[role] = name;
  }
  const hasTest = found.xTest !== undefined || found.yTest !== undefined;
  const needed: readonly Role[] = hasTest
    ? ['xTrain', 'yTrain', 'xTest', 'yTest']
    : ['xTrain', 'yTrain'];
  const missing = needed.filter((role) => found[role] === undefined);
  if (missing.length === 0) return found;
  const usual = (role: Role): string => label(ROLES[role][0]);
  throw new UsageError({
    what: `${missing.map(usual).join(', ')} missing in ${where}`,
    given: showNames(names.map(label)),
    allowed: `${usual('xTrain')}, ${usual('yTrain')}, with ${usual('xTest')}, ${usual('yTest')}`,
  });
}

/** Arrays that have no role. */
function unreadNotices(
  { names, label, where }: ArraySource,
  found: Partial<Record<Role, string>>,
): readonly string[] {
  const known = new Set(Object.values(found));
  const unread = names.filter((name) => !known.has(name));
  if (unread.length === 0) return [];
  return [`Not read in ${where}: ${showNames(unread.map(label))}.`];
}

interface Extras {
  readonly domains: Int32Array | undefined;
  readonly train: Pick<Split, 'weights'>;
  readonly test: Pick<Split, 'weights'>;
}

async function readExtras(
  source: ArraySource,
  { xTrain, xTest, domains, weightsTrain, weightsTest }: Partial<Record<Role, string>>,
  trained: number,
  tested: number | undefined,
): Promise<Extras> {
  const weightsOf = async (
    name: string | undefined,
    inputs: string | undefined,
    count = 0,
  ): Promise<Pick<Split, 'weights'>> => {
    if (name === undefined) return {};
    return { weights: await readWeights(source, name, inputs, count) };
  };
  return {
    domains:
      domains === undefined ? undefined : await readDomains(source, domains, xTrain!, trained),
    train: await weightsOf(weightsTrain, xTrain, trained),
    test: await weightsOf(weightsTest, xTest, tested),
  };
}

/** The domain of each training sample. */
async function readDomains(
  source: ArraySource,
  name: string,
  inputs: string,
  count: number,
): Promise<Int32Array> {
  const { values, shape } = await source.read(name);
  const isWhole = values instanceof Uint8Array || values instanceof Int32Array;
  if (isWhole && shape.length === 1 && shape[0] === count) return Int32Array.from(values);
  throw new UsageError({
    what: `domains in ${source.path(name)}`,
    given: `${isWhole ? 'whole numbers' : 'floats'} of shape ${showShape(shape)}`,
    allowed: `whole numbers [${count}], one for each sample of ${source.label(inputs)}`,
    hint: 'array.astype(np.int32) before np.save',
  });
}

async function readWeights(
  source: ArraySource,
  name: string,
  inputs: string | undefined,
  count: number,
): Promise<Float32Array> {
  const { shape, values } = await source.read(name);
  if (shape.length === 1 && shape[0] === count) return Float32Array.from(values);
  const of = inputs === undefined ? 'without inputs' : `of ${source.label(inputs)}`;
  const allowed = `[${count}], a weight for each sample ${of}`;
  throw new UsageError({ what: `shape of ${source.path(name)}`, given: shape, allowed });
}

async function readPart(
  source: ArraySource,
  xName: string,
  yName: string,
  asked: { readonly layout: DataLayout | undefined; readonly isRegression: boolean },
): Promise<Part> {
  const [xFile, yFile] = [source.path(xName), source.path(yName)];
  const x = await source.read(xName);
  const y = await source.read(yName);
  const numbers = x.values instanceof Int32Array ? Float64Array.from(x.values) : x.values;
  const { values: inputs, inputShape } = samplesOf(numbers, x.shape, asked.layout, xFile);
  const count = x.shape[0]!;
  const isMask = y.shape.length === 3 && !asked.isRegression;
  const labels = y.values instanceof Uint8Array ? labelsOfBytes(y.values, isMask, yFile) : y.values;
  const isWhole = labels instanceof Int32Array && !asked.isRegression;
  const targets = labels instanceof Int32Array && !isWhole ? Float64Array.from(labels) : labels;
  const mostAxes = isWhole ? 3 : 2;
  if (y.shape.length < 1 || y.shape.length > mostAxes) {
    const allowed = isWhole
      ? '[N] or [N, 1] for class indices, [N, D] for numbers, [N, H, W] for masks'
      : '[N] or [N, D] for floats';
    throw new UsageError({ what: `shape of ${yFile}`, given: y.shape, allowed });
  }
  if (y.shape[0] !== count) {
    const allowed = `${count}, as in ${xFile}`;
    throw new UsageError({ what: `samples in ${yFile}`, given: y.shape[0], allowed });
  }
  const targetShape = y.shape.length < 2 ? [1] : y.shape.slice(1);
  return { count, inputShape, targetShape, inputs, targets };
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
