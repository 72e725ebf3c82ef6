// NumPy's .npz files: zip archives of .npy files, as np.savez and np.savez_compressed write them.

import { basename } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import type { Dataset } from '../dataset.ts';
import { readDataFile } from '../formats/files.ts';
import { type ArrayOptions, readArrays } from './arrayFiles.ts';
import { type NpyArray, parseNpy } from './npy.ts';
import { unzip, type ZipEntry, zipEntries } from './zip.ts';

const EXTENSION = '.npy';

/** The arrays of a file; each is unpacked when it is read. */
export interface NpzFile {
  readonly names: readonly string[];
  read(name: string): NpyArray;
}

/** Parses the list of a .npz file; `file` is for messages. Throws a {@link UsageError} for anything
 * but a whole archive, and for a damaged array when it is read. */
export function parseNpz(bytes: Uint8Array, file: string): NpzFile {
  const arrays = new Map<string, ZipEntry>();
  for (const entry of zipEntries(bytes, file)) {
    if (entry.name.endsWith(EXTENSION)) {
      arrays.set(entry.name.slice(0, -EXTENSION.length), entry);
    }
  }
  return {
    names: [...arrays.keys()],
    read(name) {
      const entry = arrays.get(name);
      if (entry !== undefined) return parseNpy(unzip(bytes, entry, file), `${name} in ${file}`);
      const allowed = [...arrays.keys()].join(', ');
      throw new UsageError({ what: `array of ${file}`, given: name, allowed });
    },
  };
}

/** Reads the arrays of a .npz file, with the same names as in a folder or with MedMNIST's. Throws
 * UsageErrors. */
export async function readNpzDataset(file: string, options: ArrayOptions = {}): Promise<Dataset> {
  const npz = parseNpz(await readDataFile(file, () => undefined), file);
  const source = {
    where: file,
    name: basename(file).replace(/\.npz$/i, ''),
    names: npz.names,
    label: (name: string) => name,
    path: (name: string) => `${name} in ${file}`,
    read: async (name: string) => npz.read(name),
  };
  return readArrays(source, options);
}
