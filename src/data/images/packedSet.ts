// A set that `syncbn pack` has made: npy files, and set.json, which has their checksums and says
// what made them. A set that was changed is refused, so that the bits of a run stay.

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { UsageError } from '../../base/errors.ts';
import { fileError } from '../../base/fileError.ts';
import { parseData } from '../../base/parse.ts';
import { packageVersion } from '../../base/version.ts';
import { checkDataset, type Dataset } from '../dataset.ts';
import { readDataFile } from '../formats/files.ts';
import { type ArrayOptions, readArrays } from '../npy/arrayFiles.ts';
import { parseNpy } from '../npy/npy.ts';
import { SET_FILE } from '../npy/npyFolder.ts';
import { npyBytes } from '../npy/npyWriter.ts';

/** What is packed. */
export interface PackedSet {
  readonly name: string;
  readonly classes: number;
  /** None of masks. */
  readonly classNames: readonly string[];
  /** What decides the bytes besides the files: decoder, size and so on. */
  readonly made: Readonly<Record<string, string>>;
  /** By name: x_train and so on. */
  readonly arrays: Readonly<Record<string, PackedArray>>;
}

export interface PackedArray {
  readonly shape: readonly number[];
  readonly values: Uint8Array | Int32Array;
}

const FORMAT = 'syncbn set';
const VERSION = 1;
const EXTENSION = '.npy';

const manifestSchema = z.looseObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  name: z.string(),
  classes: z.number(),
  classNames: z.array(z.string()),
  files: z.record(z.string().regex(/^[xy]_(train|test)\.npy$/), z.string()),
});

/** Writes a set to a folder that is not there yet, and which is whole when it is. Throws a
 * {@link UsageError}. */
export async function writePackedSet(dir: string, set: PackedSet): Promise<void> {
  const { arrays, ...rest } = set;
  try {
    await mkdir(dirname(resolve(dir)), { recursive: true });
    const work = await mkdtemp(`${resolve(dir)}.`);
    const made = join(work, 'set');
    try {
      await mkdir(made);
      const files: Record<string, string> = {};
      for (const [name, { shape, values }] of Object.entries(arrays)) {
        const bytes = npyBytes(shape, values);
        files[`${name}${EXTENSION}`] = checksumOf(bytes);
        await writeFile(join(made, `${name}${EXTENSION}`), bytes);
      }
      const head = { format: FORMAT, version: VERSION, syncbn: packageVersion() };
      const manifest = JSON.stringify({ ...head, ...rest, files }, null, 2);
      await writeFile(join(made, SET_FILE), `${manifest}\n`);
      await rename(made, dir);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  } catch (error) {
    throw fileError(`the folder ${dir}`, error, 'a folder that can be made');
  }
}

/** Throws a {@link UsageError} where something is at the place of a new set. */
export async function checkNewSet(dir: string): Promise<void> {
  const found = await stat(dir).catch(() => undefined);
  if (found === undefined) return;
  throw new UsageError({
    what: `the folder ${dir}`,
    problem: 'is there already',
    hint: 'another name, or removing it',
  });
}

/** Reads a set. Throws a {@link UsageError} where a file is not what was packed. */
export async function readPackedSet(dir: string, options: ArrayOptions = {}): Promise<Dataset> {
  const { name, classes, classNames, files } = await readManifest(join(dir, SET_FILE));
  const path = (array: string): string => join(dir, `${array}${EXTENSION}`);
  const dataset = await readArrays(
    {
      where: dir,
      name,
      names: Object.keys(files).map((file) => file.slice(0, -EXTENSION.length)),
      label: (array) => `${array}${EXTENSION}`,
      path,
      read: async (array) => {
        const file = path(array);
        const bytes = await readDataFile(file, () => undefined);
        if (checksumOf(bytes) === files[`${array}${EXTENSION}`]) return parseNpy(bytes, file);
        const hint = 'packing the images again';
        throw new UsageError({ what: file, problem: `is not what ${SET_FILE} says`, hint });
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

async function readManifest(file: string): Promise<z.infer<typeof manifestSchema>> {
  const text = new TextDecoder().decode(await readDataFile(file, () => undefined));
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    throw new UsageError({ what: file, given: text.slice(0, 40), allowed: 'JSON' });
  }
  return parseData(manifestSchema, data, file);
}

function checksumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
