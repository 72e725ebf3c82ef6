// Finds the images of a folder, and their targets: the class that their subfolder is named after,
// or the mask with the same name.

import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { fileError } from '../../base/fileError.ts';
import { listFolder, showNames } from '../formats/files.ts';
import { IMAGES, MASKS, placesOf } from './maskFolder.ts';

/** An image and its target: the index of its class, or the file of its mask. */
export interface ImageFile {
  readonly file: string;
  readonly label: number | string;
}

/** The images of a folder, each split sorted by class and name. */
export interface ImageFiles {
  readonly kind: 'classes' | 'masks';
  readonly train: readonly ImageFile[];
  /** Undefined if the folder has no test images. */
  readonly test: readonly ImageFile[] | undefined;
  /** Empty for masks. */
  readonly classNames: readonly string[];
  /** Files that are not images, and folders that were not read. */
  readonly others: readonly string[];
}

const IMAGE = /\.(jpe?g|png|webp)$/i;
const TRAIN = 'train';
const FOLDERS_TRIED = 20;
/** The first one that exists is used. */
const TESTS = ['test', 'val', 'valid', 'validation'];

/** Lists the images of a folder: in class folders, optionally within train and test (or val), or in
 * images and masks. Throws a {@link UsageError} if they are arranged differently. */
export async function listImages(dir: string): Promise<ImageFiles> {
  const names = await listFolder(dir);
  const inside = names.includes(TRAIN) ? await listFolder(join(dir, TRAIN)) : names;
  const isMasks = inside.includes(IMAGES) && inside.includes(MASKS);
  try {
    return await (isMasks ? listMasks(dir) : listClasses(dir, names));
  } catch (error) {
    throw fileError(`the folder ${dir}`, error, 'folders that can be read');
  }
}

/** Whether a folder seems to have folders of images, judging by the first few. */
export async function looksLikeClasses(dir: string, names: readonly string[]): Promise<boolean> {
  for (const name of names.slice(0, FOLDERS_TRIED)) {
    const files = await readdir(join(dir, name)).catch(() => []);
    if (files.some((file) => IMAGE.test(file))) return true;
  }
  return false;
}

async function listClasses(dir: string, names: readonly string[]): Promise<ImageFiles> {
  const isSplit = names.includes(TRAIN);
  const trainDir = isSplit ? join(dir, TRAIN) : dir;
  const testName = isSplit ? TESTS.find((name) => names.includes(name)) : undefined;
  const train = await filesByClass(trainDir);
  const classNames = [...train.classes.keys()];
  if (classNames.length === 0) {
    throw new UsageError({
      what: `the folder ${trainDir}`,
      given: showNames(names),
      allowed: 'folders of JPEG, PNG or WebP images by class, or images and masks',
    });
  }
  const test = testName === undefined ? undefined : await filesByClass(join(dir, testName));
  const unknown = [...(test?.classes.keys() ?? [])].filter((name) => !train.classes.has(name));
  if (unknown.length > 0) {
    const what = `classes in ${join(dir, testName!)}`;
    throw new UsageError({ what, given: showNames(unknown), allowed: showNames(classNames) });
  }
  const unread = isSplit ? names.filter((name) => name !== TRAIN && name !== testName) : [];
  const labeled = ({ classes }: ByClass): ImageFile[] =>
    classNames.flatMap((name, label) => (classes.get(name) ?? []).map((file) => ({ file, label })));
  return {
    kind: 'classes',
    train: labeled(train),
    test: test === undefined ? undefined : labeled(test),
    classNames,
    others: [...unread, ...train.others, ...(test?.others ?? [])].filter(isSeen),
  };
}

interface ByClass {
  readonly classes: ReadonlyMap<string, readonly string[]>;
  readonly others: readonly string[];
}

async function filesByClass(dir: string): Promise<ByClass> {
  const classes = new Map<string, readonly string[]>();
  const others: string[] = [];
  for (const entry of await foldersIn(dir)) {
    if (!entry.isFolder) {
      others.push(entry.name);
      continue;
    }
    const found = await filesBelow(join(dir, entry.name));
    const images = found.filter((file) => IMAGE.test(file));
    if (images.length > 0) classes.set(entry.name, images);
    else others.push(entry.name);
    others.push(...found.filter((file) => !IMAGE.test(file)).map((file) => relative(dir, file)));
  }
  return { classes, others };
}

async function foldersIn(
  dir: string,
): Promise<readonly { readonly name: string; readonly isFolder: boolean }[]> {
  const names = (await readdir(dir)).filter(isSeen).sort();
  const found = await Promise.all(names.map((name) => stat(join(dir, name))));
  return names.map((name, i) => ({ name, isFolder: found[i]!.isDirectory() }));
}

async function filesBelow(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() && isSeen(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function isSeen(name: string): boolean {
  return !name.startsWith('.');
}

async function listMasks(dir: string): Promise<ImageFiles> {
  const places = await placesOf(dir);
  const others: string[] = [];
  const pairs = async ({ images, masks }: typeof places.train): Promise<readonly ImageFile[]> => {
    const [imageFiles, maskFiles] = [await filesByStem(images), await filesByStem(masks)];
    others.push(...imageFiles.others, ...maskFiles.others);
    const alone = [...imageFiles.files.keys()].filter((stem) => !maskFiles.files.has(stem));
    const lone = [...maskFiles.files.keys()].filter((stem) => !imageFiles.files.has(stem));
    if (alone.length + lone.length > 0 || imageFiles.files.size === 0) {
      throw new UsageError({
        what: `images of ${images} and masks of ${masks}`,
        given:
          imageFiles.files.size === 0
            ? 'no images'
            : `${showNames([...alone, ...lone])} in one of them`,
        allowed: 'an image and a mask of each name',
      });
    }
    return [...imageFiles.files].map(([stem, file]) => ({
      file: join(images, file),
      label: join(masks, maskFiles.files.get(stem)!),
    }));
  };
  const train = await pairs(places.train);
  const test = places.test === undefined ? undefined : await pairs(places.test);
  return { kind: 'masks', train, test, classNames: [], others };
}

/** The images of a folder, by their names without the extension. */
async function filesByStem(
  dir: string,
): Promise<{ readonly files: ReadonlyMap<string, string>; readonly others: readonly string[] }> {
  const names = (await listFolder(dir)).filter(isSeen);
  const files = new Map<string, string>();
  for (const name of names.filter((found) => IMAGE.test(found))) {
    const stem = name.replace(IMAGE, '');
    if (files.has(stem)) {
      const given = `${files.get(stem)} and ${name}`;
      throw new UsageError({ what: `the folder ${dir}`, given, allowed: 'one file of each name' });
    }
    files.set(stem, name);
  }
  return { files, others: names.filter((found) => !IMAGE.test(found)) };
}
