// Reads a whole set that `syncbn pack` has made: npy files, and set.json, which has their checksums
// and says what made them. A set that was changed is refused, so that a run's bits stay the same.

import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { checkDataset } from '../checkDataset.ts';
import type { Dataset } from '../dataset.ts';
import { readDataFile } from '../formats/files.ts';
import { type ArrayOptions, readArrays } from '../npy/arrayFiles.ts';
import { parseNpy } from '../npy/npy.ts';
import { parseNpyHeader } from '../npy/npy-header.ts';
import { NPY, SET_FILE } from './setContent.ts';
import { checksumOf, readSetFile, type SetFile } from './setFile.ts';

/** Reads a set. Throws a {@link UsageError} if a file is not the one that was packed. */
export async function readPackedSet(dir: string, options: ArrayOptions = {}): Promise<Dataset> {
  const set = await readSetFile(join(dir, SET_FILE));
  const { name, classes, classNames, files } = set;
  const path = (array: string): string => join(dir, `${array}${NPY}`);
  const dataset = await readArrays(
    {
      where: dir,
      name,
      names: Object.keys(files).map((file) => file.slice(0, -NPY.length)),
      label: (array) => `${array}${NPY}`,
      path,
      read: async (array) => {
        const file = path(array);
        const bytes = await readDataFile(file, () => undefined);
        if (isWhole(set, array, bytes, file)) return parseNpy(bytes, file);
        const hint = 'packing the images again';
        throw new UsageError({ what: file, problem: `does not match ${SET_FILE}`, hint });
      },
    },
    options,
  );
  const { task } = dataset;
  if (task.kind === 'regression') return dataset;
  return checkDataset({
    ...dataset,
    task: { ...task, classes },
    ...(classNames.length > 0 && { classNames }),
  });
}

/** Whether a whole file matches the checksums of set.json. */
function isWhole(set: SetFile, array: string, bytes: Uint8Array, file: string): boolean {
  if (set.version === 1) return checksumOf(bytes) === set.files[`${array}${NPY}`];
  const checksums = set.files[`${array}${NPY}`]!;
  const { shape, dataOffset } = parseNpyHeader(bytes, file);
  const rowBytes = (bytes.length - dataOffset) / (shape[0] ?? 1);
  const partBytes = rowBytes * set.chunkSamples;
  const parts = Math.ceil((bytes.length - dataOffset) / partBytes);
  return (
    parts === checksums.length &&
    checksums.every((checksum, i) => {
      const from = dataOffset + i * partBytes;
      return checksumOf(bytes.subarray(from, from + partBytes)) === checksum;
    })
  );
}
