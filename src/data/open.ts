// From a name or a folder to a dataset: the door for the command line and for people who do not
// mind which format their files have.

import { UsageError } from '../base/errors.ts';
import { optionsSchema, parseData, parseOptions } from '../base/parse.ts';
import { flag, oneOf, text } from '../base/values.ts';
import { looksLikeCifar, readCifarDataset } from './cifar.ts';
import type { Dataset } from './dataset.ts';
import { listFolder, showNames } from './files.ts';
import { looksLikeIdx, readIdxDataset } from './idx.ts';
import { DATA_LAYOUTS, type DataLayout } from './layout.ts';
import { mnist } from './mnist.ts';
import { looksLikeNpy, readNpyDataset } from './npy.ts';
import { scenes } from './scenes.ts';
import { synthetic } from './synthetic.ts';

interface Format {
  readonly name: string;
  /** The files by which it is known. */
  readonly files: string;
  readonly matches: (names: readonly string[]) => boolean;
  readonly read: (dir: string, options: OpenOptions) => Promise<Dataset>;
}

export interface OpenOptions {
  /** Where the channels lie in npy files; the other formats say it themselves. Channels first are
   * turned over once, while loading. Without it [N, H, W] are images of one channel. */
  readonly layout?: DataLayout;
  /** Whether float targets in npy files are standardized, as inputs are: the loss is then in
   * standardized units, and predictions are in those of the files. False keeps all float targets as
   * they are, also one-hot ones, which are taken as classes otherwise. Default true. */
  readonly standardizeTargets?: boolean;
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
];

const openSchema = optionsSchema<OpenOptions>()({
  layout: oneOf(DATA_LAYOUTS).exactOptional(),
  standardizeTargets: flag.exactOptional(),
});

/** Opens `mnist`, `synthetic` or `scenes` (with their defaults) or a folder, whose files decide the
 * format. A folder that is called `mnist` is meant by `./mnist`. Throws a UsageError that lists
 * what was found and what is understood. */
export async function openDataset(nameOrDir: string, options: OpenOptions = {}): Promise<Dataset> {
  parseData(text, nameOrDir, 'name or folder of openDataset');
  const example = "openDataset('./data', { layout: 'channelsFirst' })";
  const given = parseOptions('openDataset', openSchema, options, { example });
  if (nameOrDir === 'mnist') return mnist();
  if (nameOrDir === 'synthetic') return synthetic();
  if (nameOrDir === 'scenes') return scenes();
  const names = await listDataFolder(nameOrDir);
  const matching = FORMATS.filter((format) => format.matches(names));
  if (matching.length === 1) return matching[0]!.read(nameOrDir, given);
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

async function listDataFolder(dir: string): Promise<string[]> {
  try {
    return await listFolder(dir);
  } catch (error) {
    if (!(error instanceof UsageError && 'given' in error.details)) throw error;
    throw new UsageError({
      what: `the dataset ${dir}`,
      given: error.details.given,
      allowed: "'mnist', 'synthetic', 'scenes' or a folder of IDX, CIFAR-10 binary or npy files",
    });
  }
}
