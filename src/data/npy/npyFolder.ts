// Folders of .npy files: x_train.npy, y_train.npy and the others that arrayFiles.ts describes.

import { basename, join, resolve } from 'node:path';
import type { Dataset } from '../dataset.ts';
import { listFolder } from '../formats/files.ts';
import { SET_FILE } from '../images/setContent.ts';
import { type ArrayOptions, looksLikeArrays, readArrays } from './arrayFiles.ts';
import { readNpy } from './npy.ts';

const EXTENSION = '.npy';

/** Reads the arrays of a folder. Throws UsageErrors. */
export async function readNpyDataset(dir: string, options: ArrayOptions = {}): Promise<Dataset> {
  const path = (name: string): string => join(dir, `${name}${EXTENSION}`);
  const source = {
    where: dir,
    name: basename(resolve(dir)),
    names: arraysIn(await listFolder(dir)),
    label: (name: string) => `${name}${EXTENSION}`,
    path,
    read: (name: string) => readNpy(path(name)),
  };
  return readArrays(source, options);
}

/** Whether the names in a folder are for {@link readNpyDataset}. */
export function looksLikeNpy(names: readonly string[]): boolean {
  return looksLikeArrays(arraysIn(names)) && !looksPacked(names);
}

/** Whether a folder with these names is a packed set. */
export function looksPacked(names: readonly string[]): boolean {
  return names.includes(SET_FILE);
}

function arraysIn(names: readonly string[]): readonly string[] {
  return names
    .filter((name) => name.endsWith(EXTENSION))
    .map((name) => name.slice(0, -EXTENSION.length));
}
