// Packs folders of photos into a set of bytes. They are decoded once, so that everyone who trains
// on the set has the same bits, regardless of the decoder.

import { basename, resolve } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { type Shape, showShape, sizeOf } from '../../base/shape.ts';
import { showNames } from '../formats/files.ts';
import { countHeldOut, drawHeldOut } from '../heldOut.ts';
import { BYTE_NO_CLASS } from '../npy/byteMasks.ts';
import { type Decoder, type Fit, type ImageHead, openDecoder } from './decode.ts';
import { type ImageFile, type ImageFiles, listImages } from './imageFolders.ts';
import { packMask } from './packMask.ts';
import { checkNewSet, chunkSamplesFor, type PackedSplit, writePackedSet } from './writeSet.ts';

export interface PackOptions {
  /** Height and width of all images. Default: those of all images, if they are equal. */
  readonly size?: readonly [height: number, width: number];
  /** How images are resized; default `cover`. For images with masks, `fill` is the default and the
   * only possibility. */
  readonly fit?: Fit;
  /** Whether to store one channel. Default: if all images are gray. */
  readonly isGray?: boolean;
  /** A fraction (below 1) or count of the images to test with, if the folder has no test images. */
  readonly testSplit?: number;
  /** For masks: bright pixels are class 1, all others class 0. Default: gray value or palette index
   * is the class. */
  readonly hasBinaryMasks?: boolean;
}

export interface PackReport {
  readonly kind: ImageFiles['kind'];
  readonly inputShape: Shape;
  readonly train: number;
  readonly test: number;
  readonly classes: number;
  readonly classNames: readonly string[];
  readonly decoder: string;
  readonly notices: readonly string[];
}

/** How many images are decoded at a time. */
const AT_ONCE = 4;
const SPLIT_SEED = 1;

/** Packs a folder's images into another folder, which `openDataset` reads. Throws a {@link
 * UsageError}; sizes and file types are checked before the first image is unpacked. */
export async function packImages(
  dir: string,
  out: string,
  options: PackOptions = {},
): Promise<PackReport> {
  await checkNewSet(out);
  const decoder = openDecoder();
  const found = await listImages(dir);
  const { train, test } = splitFiles(dir, found, options.testSplit);
  const heads = await readAll([...train, ...test], ({ file }) => decoder.head(file));
  const fit = fitOf(found, options);
  const shape = shapeOf([...train, ...test], heads, options);
  if (found.kind === 'masks') refuseTurned([...train, ...test], heads);
  const isMasks = found.kind === 'masks';
  const [height = 1, width = 1] = shape;
  const classesSeen = { most: 0 };
  const splitOf = (files: readonly ImageFile[]): PackedSplit => ({
    count: files.length,
    inputs: packInputs(files, shape, fit, decoder),
    targets: isMasks
      ? packMasks(files, shape, { decoder, options, classesSeen })
      : packLabels(files, chunkSamplesFor(shape)),
  });
  const { classNames } = found;
  const chunkSamples = chunkSamplesFor(shape);
  const countClasses = () => (isMasks ? classesSeen.most + 1 : classNames.length);
  await writePackedSet(out, {
    ...{ name: basename(resolve(out)), inputShape: shape, classNames, countClasses },
    made: { decoder: decoder.name, fit, size: showShape(shape) },
    ...{ targetShape: isMasks ? [height, width] : [], chunkSamples },
    train: splitOf(train),
    ...(test.length > 0 && { test: splitOf(test) }),
  });
  return {
    kind: found.kind,
    inputShape: shape,
    train: train.length,
    test: test.length,
    classes: countClasses(),
    classNames,
    decoder: decoder.name,
    notices: noticesOf(found, heads),
  };
}

interface SplitFiles {
  readonly train: readonly ImageFile[];
  readonly test: readonly ImageFile[];
}

function splitFiles(dir: string, files: ImageFiles, testSplit: number | undefined): SplitFiles {
  const { train, test, classNames } = files;
  if (test !== undefined && testSplit !== undefined) {
    const problem = `cannot be combined with the test images in ${dir}`;
    throw new UsageError({ what: 'testSplit', problem, hint: 'leaving out one of them' });
  }
  if (testSplit === undefined) return { train, test: test ?? [] };
  const count = countHeldOut('testSplit', train.length, testSplit);
  const isClass = files.kind === 'classes';
  const task = isClass
    ? ({ kind: 'classification', classes: classNames.length } as const)
    : ({ kind: 'segmentation', classes: 1, targetShape: [1, 1] } as const);
  const targets = isClass ? train.map(({ label }) => label as number) : [];
  const marks = drawHeldOut({ task, train: { count: train.length, targets } }, count, SPLIT_SEED);
  return {
    train: train.filter((_, i) => marks[i] === 0),
    test: train.filter((_, i) => marks[i] === 1),
  };
}

function fitOf({ kind }: ImageFiles, { fit }: PackOptions): Fit {
  if (kind === 'classes') return fit ?? 'cover';
  if (fit === undefined || fit === 'fill') return 'fill';
  const allowed = "'fill' for images with masks, so that both are resized in the same way";
  throw new UsageError({ what: 'fit', given: fit, allowed });
}

/** The common shape of all images. */
function shapeOf(
  files: readonly ImageFile[],
  heads: readonly ImageHead[],
  { size, isGray }: PackOptions,
): Shape {
  const [first] = heads;
  const other = heads.findIndex((head) => {
    return head.height !== first!.height || head.width !== first!.width;
  });
  if (size === undefined && other > 0) {
    const shown = ({ height, width }: ImageHead): string => `${height}x${width}`;
    throw new UsageError({
      what: `the size of ${files[other]!.file}`,
      given: shown(heads[other]!),
      allowed: `${shown(first!)}, as ${files[0]!.file} has`,
      hint: '--size 64x64, to resize all images',
    });
  }
  const [height, width] = size ?? [first!.height, first!.width];
  const channels = (isGray ?? heads.every((head) => head.isGray)) ? 1 : 3;
  return [height, width, channels];
}

/** A mask does not say how its image is rotated. */
function refuseTurned(files: readonly ImageFile[], heads: readonly ImageHead[]): void {
  const turned = heads.findIndex((head) => head.isTurned);
  if (turned < 0) return;
  throw new UsageError({
    what: files[turned]!.file,
    problem: 'is rotated for display (EXIF), which its mask does not say',
    hint: 'saving images as they are displayed',
  });
}

async function* packInputs(
  files: readonly ImageFile[],
  shape: Shape,
  fit: Fit,
  decoder: Decoder,
): AsyncGenerator<Uint8Array> {
  const [height = 1, width = 1, channels] = shape;
  const size = sizeOf(shape);
  const wanted = { height, width, channels: channels === 1 ? 1 : 3, fit } as const;
  for (const part of partsOf(files, chunkSamplesFor(shape))) {
    const values = new Uint8Array(part.length * size);
    await readAll(part, async ({ file }, i) => {
      values.set(await decoder.pixels(file, wanted), i * size);
    });
    yield values;
  }
}

function* packLabels(files: readonly ImageFile[], chunkSamples: number): Generator<Int32Array> {
  for (const part of partsOf(files, chunkSamples)) {
    yield Int32Array.from(part, ({ label }) => label as number);
  }
}

interface MaskPacking {
  readonly decoder: Decoder;
  readonly options: PackOptions;
  /** Records the largest class in any mask. */
  readonly classesSeen: { most: number };
}

async function* packMasks(
  files: readonly ImageFile[],
  shape: Shape,
  { decoder, options, classesSeen }: MaskPacking,
): AsyncGenerator<Uint8Array> {
  const { hasBinaryMasks = false } = options;
  const [height = 1, width = 1] = shape;
  for (const part of partsOf(files, chunkSamplesFor(shape))) {
    const values = new Uint8Array(part.length * height * width);
    await readAll(part, async ({ file, label }, i) => {
      const image = await decoder.head(file);
      const to = { image, height, width, decoder, hasBinaryMasks };
      values.set(await packMask(label as string, to), i * height * width);
    });
    for (const label of values) {
      if (label !== BYTE_NO_CLASS && label > classesSeen.most) classesSeen.most = label;
    }
    yield values;
  }
}

function* partsOf(
  files: readonly ImageFile[],
  chunkSamples: number,
): Generator<readonly ImageFile[]> {
  for (let i = 0; i < files.length; i += chunkSamples) yield files.slice(i, i + chunkSamples);
}

/** Results in item order, computed a few at a time. */
async function readAll<Item, Result>(
  items: readonly Item[],
  read: (item: Item, index: number) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (let i = 0; i < items.length; i += AT_ONCE) {
    const some = items.slice(i, i + AT_ONCE);
    results.push(...(await Promise.all(some.map((item, at) => read(item, i + at)))));
  }
  return results;
}

function noticesOf({ others }: ImageFiles, heads: readonly ImageHead[]): readonly string[] {
  const countAlpha = heads.filter(({ hasAlpha }) => hasAlpha).length;
  return [
    ...(others.length > 0 ? [`Not read: ${showNames(others)}.`] : []),
    ...(countAlpha > 0 ? [`The transparency of ${countAlpha} images is dropped.`] : []),
  ];
}
