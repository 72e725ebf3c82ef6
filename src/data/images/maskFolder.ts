// Reads folders of images with masks in their usual form: `images` and `masks` with PNG files of
// the same names. A mask pixel's gray value or palette index is its class. All file headers are
// checked before any file is unpacked.

import { basename, join, resolve } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { type Shape, showShape, sizeOf } from '../../base/shape.ts';
import { showBytes } from '../../memory/layout.ts';
import { checkDataset } from '../checkDataset.ts';
import type { Dataset } from '../dataset.ts';
import { listFolder, readDataFile, readHead, showNames } from '../formats/files.ts';
import { countHeldOut, drawHeldOut } from '../heldOut.ts';
import { BYTE_NO_CLASS, byteMasks, checkByteMasks } from '../npy/byteMasks.ts';
import { largest } from '../parts.ts';
import { byteStatistics } from '../statistics.ts';
import { PNG_HEAD_BYTES, type PngHeader, type PngImage, parsePng, parsePngHeader } from './png.ts';

export interface MaskFolderOptions {
  /** Number of classes; default: the largest class in any mask + 1. */
  readonly classes?: number;
  /** A fraction (below 1) or a count of the images to test with, if the folder has no test
   * images. */
  readonly testSplit?: number;
}

/** The folders of images and masks. */
interface Places {
  readonly images: string;
  readonly masks: string;
}

/** The files of a sample. */
interface Pair {
  readonly image: string;
  readonly mask: string;
}

export const IMAGES = 'images';
export const MASKS = 'masks';
const EXTENSION = /\.png$/i;
const ALLOWED =
  'images and masks with PNG files of the same names; or train and test with such folders, or ' +
  'images and masks with folders train and test';
/** The same test images are chosen each time. */
const SPLIT_SEED = 1;
/** An image takes its bytes, a mask four per pixel. Together at most as much as one arena holds. */
const MAX_BYTES = 2 ** 32;
const LABEL_BYTES = 4;

/** Reads images of bytes, [H, W, C], with masks [H, W]: gray has one channel, colors and palettes
 * three, transparency one more. In masks, 255 means no class and becomes -100. Throws UsageErrors
 * before any pixel is read, except for values in the files. */
export async function readMaskFolder(
  dir: string,
  { classes, testSplit }: MaskFolderOptions = {},
): Promise<Dataset> {
  const { train, test } = await pairsOf(dir, testSplit);
  const inputShape = await checkHeads([...train, ...test]);
  const targetShape = inputShape.slice(0, 2);
  const trained = await readPairs(train, inputShape, classes);
  const tested = await readPairs(test, inputShape, classes);
  const hint = 'masks of 0 and 1, for two classes';
  checkByteMasks(trained.masks, { what: `the masks of ${dir}`, hint });
  const splits = { train: splitOf(trained), test: splitOf(tested) };
  const counted = 1 + Math.max(largest(splits.train.targets), largest(splits.test.targets));
  return checkDataset({
    name: basename(resolve(dir)),
    inputShape,
    inputType: 'u8',
    task: { kind: 'segmentation', classes: classes ?? counted, targetShape },
    ...byteStatistics(trained.inputs, inputShape[2]!),
    ...splits,
  });
}

/** The samples of both splits, sorted by name. */
async function pairsOf(
  dir: string,
  testSplit: number | undefined,
): Promise<{ readonly train: readonly Pair[]; readonly test: readonly Pair[] }> {
  const places = await placesOf(dir);
  const train = await listPairs(places.train);
  if (places.test !== undefined && testSplit !== undefined) {
    const problem = `cannot be combined with the folder test in ${dir}`;
    throw new UsageError({ what: 'testSplit', problem, hint: 'leaving out one of them' });
  }
  if (places.test !== undefined) return { train, test: await listPairs(places.test) };
  if (testSplit === undefined) return { train, test: [] };
  const count = countHeldOut('testSplit', train.length, testSplit);
  const task = { kind: 'segmentation', classes: 1, targetShape: [1, 1] } as const;
  const marks = drawHeldOut(
    { task, train: { count: train.length, targets: [] } },
    count,
    SPLIT_SEED,
  );
  return {
    train: train.filter((_, i) => marks[i] === 0),
    test: train.filter((_, i) => marks[i] === 1),
  };
}

/** Finds a folder's images and masks. Throws a {@link UsageError}. */
export async function placesOf(
  dir: string,
): Promise<{ readonly train: Places; readonly test: Places | undefined }> {
  const names = await listFolder(dir);
  const inSplit = (split: string): Places => ({
    images: join(dir, split, IMAGES),
    masks: join(dir, split, MASKS),
  });
  if (names.includes('train')) {
    const found = await listFolder(join(dir, 'train'));
    if (!found.includes(IMAGES) || !found.includes(MASKS)) {
      const what = `the data folder ${join(dir, 'train')}`;
      const hint = `syncbn pack ${dir} OUT, for folders of images by class`;
      const allowed = `${IMAGES} and ${MASKS}`;
      throw new UsageError({ what, given: showNames(found), allowed, hint });
    }
    return { train: inSplit('train'), test: names.includes('test') ? inSplit('test') : undefined };
  }
  const [images, masks] = [join(dir, IMAGES), join(dir, MASKS)];
  const inside = await listFolder(images);
  if (!inside.includes('train')) return { train: { images, masks }, test: undefined };
  const ofSplit = (split: string): Places => ({
    images: join(images, split),
    masks: join(masks, split),
  });
  return { train: ofSplit('train'), test: inside.includes('test') ? ofSplit('test') : undefined };
}

/** The samples of two folders. Names that begin with a dot are skipped. */
async function listPairs({ images, masks }: Places): Promise<readonly Pair[]> {
  const imageNames = await listPngs(images);
  const maskNames = await listPngs(masks);
  checkPartners(imageNames, maskNames, { have: images, lack: masks });
  checkPartners(maskNames, imageNames, { have: masks, lack: images });
  return imageNames.map((name) => ({ image: join(images, name), mask: join(masks, name) }));
}

async function listPngs(dir: string): Promise<readonly string[]> {
  const names = (await listFolder(dir)).filter((name) => !name.startsWith('.'));
  const others = names.filter((name) => !EXTENSION.test(name));
  if (names.length > 0 && others.length === 0) return names;
  throw new UsageError({
    what: `the data folder ${dir}`,
    given: showNames(others),
    allowed: `only PNG files; in the whole folder: ${ALLOWED}`,
    ...(others.length > 0 && { hint: 'syncbn pack, which takes JPEG, PNG and WebP' }),
  });
}

function checkPartners(
  names: readonly string[],
  others: readonly string[],
  dirs: { readonly have: string; readonly lack: string },
): void {
  const known = new Set(others);
  const alone = names.filter((name) => !known.has(name));
  if (alone.length === 0) return;
  throw new UsageError({
    what: `${showNames(alone)} of ${dirs.have}`,
    problem: `${alone.length === 1 ? 'is' : 'are'} missing in ${dirs.lack}`,
    hint: 'the same name for an image and its mask',
  });
}

/** The shape that all images have; their masks must have the same size. */
async function checkHeads(pairs: readonly Pair[]): Promise<Shape> {
  let first: { readonly shape: Shape; readonly file: string } | undefined;
  for (const { image, mask } of pairs) {
    const header = await headOf(image);
    checkBits(image, header);
    const shape = [header.height, header.width, header.kind === 'palette' ? 3 : header.channels];
    first ??= { shape, file: image };
    checkSame(image, shape, first.shape, `as ${first.file} has`);
    const maskHeader = await headOf(mask);
    checkMaskKind(mask, maskHeader);
    const size = [maskHeader.height, maskHeader.width];
    checkSame(mask, size, first.shape.slice(0, 2), `as ${image} has`);
  }
  const { shape } = first!;
  const bytes = pairs.length * (sizeOf(shape) + shape[0]! * shape[1]! * LABEL_BYTES);
  if (bytes <= MAX_BYTES) return shape;
  throw new UsageError({
    what: `${pairs.length} images ${showShape(shape)} and masks`,
    given: showBytes(bytes),
    allowed: `at most ${showBytes(MAX_BYTES)}`,
    hint: 'smaller images, or fewer',
  });
}

async function headOf(file: string): Promise<PngHeader> {
  return parsePngHeader(await readHead(file, PNG_HEAD_BYTES), file);
}

function checkBits(file: string, { bits }: PngHeader): void {
  if (bits <= 8) return;
  const hint = 'convert it to 8 bits, or npy files for more';
  throw new UsageError({ what: `bits of ${file}`, given: bits, allowed: 'at most 8', hint });
}

function checkMaskKind(file: string, header: PngHeader): void {
  const { kind, bits } = header;
  if ((kind === 'gray' || kind === 'palette') && bits <= 8) return;
  const names = { gray: 'gray', palette: 'a palette', rgb: 'RGB', grayAlpha: 'gray with alpha' };
  throw new UsageError({
    what: `the mask ${file}`,
    given: `${kind === 'rgba' ? 'RGBA' : names[kind]} of ${bits} bits`,
    allowed: 'gray or a palette of at most 8 bits, whose values are the classes',
    hint: "a number for each color, in Pillow's mode L or P",
  });
}

function checkSame(file: string, found: Shape, wanted: Shape, as: string): void {
  if (showShape(found) === showShape(wanted)) return;
  throw new UsageError({
    what: `the size of ${file}`,
    given: showShape(found),
    allowed: `${showShape(wanted)}, ${as}`,
    hint: 'images and masks of one size, masks resized to the nearest pixel',
  });
}

/** The bytes of samples. */
interface Pixels {
  readonly count: number;
  readonly inputs: Uint8Array;
  readonly masks: Uint8Array;
}

function splitOf({ count, inputs, masks }: Pixels) {
  return { count, inputs, targets: byteMasks(masks) };
}

async function readPairs(
  pairs: readonly Pair[],
  inputShape: Shape,
  classes: number | undefined,
): Promise<Pixels> {
  const size = sizeOf(inputShape);
  const area = inputShape[0]! * inputShape[1]!;
  const inputs = new Uint8Array(pairs.length * size);
  const masks = new Uint8Array(pairs.length * area);
  for (const [i, { image, mask }] of pairs.entries()) {
    inputs.set(colorsOf(await readPng(image), image), i * size);
    const { values } = await readPng(mask);
    checkClasses(mask, values, classes);
    masks.set(values, i * area);
  }
  return { count: pairs.length, inputs, masks };
}

async function readPng(file: string): Promise<PngImage> {
  return parsePng(await readDataFile(file, () => undefined), file);
}

/** The bytes of an image's channels; grays with fewer bits are scaled to 0 to 255. */
function colorsOf(image: PngImage, file: string): Uint8Array {
  const { kind, bits, values, palette, hasTransparentColors } = image;
  if (hasTransparentColors) {
    const hint = 'save it without transparency';
    throw new UsageError({ what: file, problem: 'has transparent colors', hint });
  }
  if (kind !== 'palette') {
    const scale = 255 / (2 ** bits - 1);
    return bits === 8 ? values : values.map((value) => value * scale);
  }
  const colors = new Uint8Array(values.length * 3);
  for (const [i, index] of values.entries()) {
    if (3 * index >= palette.length) {
      const allowed = `below ${palette.length / 3}, the size of the palette`;
      throw new UsageError({ what: `color of pixel ${i} in ${file}`, given: index, allowed });
    }
    colors.set(palette.subarray(3 * index, 3 * index + 3), 3 * i);
  }
  return colors;
}

function checkClasses(file: string, values: Uint8Array, classes: number | undefined): void {
  if (classes === undefined) return;
  const wrong = values.findIndex((value) => value >= classes && value !== BYTE_NO_CLASS);
  if (wrong < 0) return;
  throw new UsageError({
    what: `class of pixel ${wrong} in ${file}`,
    given: values[wrong],
    allowed: `0 to ${classes - 1} for ${classes} classes, or ${BYTE_NO_CLASS} for none`,
  });
}
