// Scenes for segmentation: objects of an image dataset, MNIST by default, on a canvas with scraps
// of other objects and noise. Training scenes use training objects, test scenes test objects. All
// random draws are integers, so the bits are the same everywhere.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { Purpose, RandomStream } from '../../base/random.ts';
import { showShape } from '../../base/shape.ts';
import { anything, wholeNumber } from '../../base/values.ts';
import { checkDataset } from '../checkDataset.ts';
import type { Dataset, Split } from '../dataset.ts';
import { byteStatistics } from '../statistics.ts';
import { mnist } from './mnist.ts';

/** The options of {@link scenes}. */
export interface ScenesOptions {
  /** Training scenes. Default: 1000. */
  readonly train?: number;
  /** Test scenes. Default: 200. */
  readonly test?: number;
  /** Height and width of a scene, at least those of an object. Default: 64. */
  readonly size?: number;
  /** Objects per scene, with distinct classes as long as there are enough. Default: 5. */
  readonly objects?: number;
  /** Scraps cut out of other objects, which count as background. Default: 8. */
  readonly scraps?: number;
  /** The largest noise of a pixel, 0 to 255. Default: 64. */
  readonly noise?: number;
  /** Pixels of an object with at least this value, 1 to 255, have its class; darker ones are
   * background. Default: 96. */
  readonly ink?: number;
  /** Default: 1. */
  readonly seed?: number;
  /** The dataset of objects: bytes [H, W, 1] with classes, such as `await
   * openDataset('fashion-mnist')`. Default: `await mnist()`. */
  readonly from?: Dataset;
}

/** Each split and each scene has its own random numbers, so counts do not change scenes. */
const TRAIN_STREAM = 0;
const TEST_STREAM = 1;
/** Height and width of a scrap. */
const SCRAP = 7;
/** Up to 1 / MOST_BEYOND of an object may extend beyond an edge. */
const MOST_BEYOND = 4;
/** 1 GiB of inputs and masks. */
const MAX_PIXELS = 2 ** 30 / 5;

const scenesSchema = optionsSchema<ScenesOptions>()({
  train: wholeNumber(1).exactOptional(),
  test: wholeNumber(0).exactOptional(),
  size: wholeNumber(1).exactOptional(),
  objects: wholeNumber(1, 1000).exactOptional(),
  scraps: wholeNumber(0, 1000).exactOptional(),
  noise: wholeNumber(0, 255).exactOptional(),
  ink: wholeNumber(1, 255).exactOptional(),
  seed: wholeNumber(0, Number.MAX_SAFE_INTEGER).exactOptional(),
  from: anything<Dataset>().exactOptional(),
});

/** Makes scenes, bytes [size, size, 1], with masks: an object's class + 1 at its bright pixels, 0
 * for the background. Later objects cover earlier ones. Throws a {@link UsageError}.
 *
 * @example
 * await scenes({ train: 8, test: 4, size: 32, objects: 1 })
 */
export async function scenes(options: ScenesOptions = {}): Promise<Dataset> {
  const given = parseOptions('scenes', scenesSchema, options, {
    example: 'scenes({ train: 1000, size: 64 })',
  });
  const { train = 1000, test = 200, size = 64 } = given;
  const { objects = 5, scraps = 8, noise = 64, ink = 96, seed = 1 } = given;
  const countPixels = (train + test) * size * size;
  if (countPixels > MAX_PIXELS) {
    const allowed = `at most ${MAX_PIXELS}`;
    throw new UsageError({ what: 'pixels of scenes', given: countPixels, allowed });
  }
  const from = given.from === undefined ? await mnist() : checkDataset(given.from);
  const { task, inputShape } = from;
  if (task.kind !== 'classification') throw noObjects(from, `targets of a ${task.kind}`);
  const [height = 0, width = 0, channels] = inputShape;
  const isImage = inputShape.length === 3 && channels === 1 && from.inputType === 'u8';
  if (!isImage) throw noObjects(from, `${from.inputType} ${showShape(inputShape)}`);
  if (Math.max(height, width) > size) {
    const allowed = `at least ${Math.max(height, width)}, the size of an object of ${from.name}`;
    throw new UsageError({ what: 'size of scenes', given: size, allowed });
  }
  const recipe = { size, objects, scraps, noise, ink, seed, height, width };
  const drawn = {
    train: drawScenes(recipe, from.train, { count: train, stream: TRAIN_STREAM }),
    test: drawScenes(recipe, from.test, { count: test, stream: TEST_STREAM }),
  };
  return checkDataset({
    name: 'scenes',
    inputShape: [size, size, 1],
    inputType: 'u8',
    task: { kind: 'segmentation', classes: task.classes + 1, targetShape: [size, size] },
    ...byteStatistics(drawn.train.inputs as Uint8Array, 1),
    ...drawn,
  });
}

function noObjects({ name }: Dataset, given: string): UsageError {
  return new UsageError({
    what: `objects of ${name} for scenes`,
    given,
    allowed: 'images of bytes [H, W, 1] with a class each, such as those of MNIST',
  });
}

interface Recipe
  extends Readonly<Record<'size' | 'objects' | 'scraps' | 'noise' | 'ink' | 'seed', number>> {
  /** Size of an object. */
  readonly height: number;
  readonly width: number;
}

/** Scenes as small as their objects: 8000 + 400 of [32, 32, 1], one digit among three scraps. Nets
 * learn them in a few thousand steps of 8 images, and their statistics differ from one scene to the
 * next. */
export async function smallScenes(): Promise<Dataset> {
  const made = await scenes({ train: 8000, test: 400, size: 32, objects: 1, scraps: 3 });
  return { ...made, name: 'small-scenes' };
}

/** A canvas and its mask, in the arrays of a split. */
interface Canvas {
  readonly pixels: Uint8Array;
  readonly mask: Int32Array;
}

function drawScenes(
  recipe: Recipe,
  objects: Split,
  { count, stream }: { readonly count: number; readonly stream: number },
): Split {
  const area = recipe.size ** 2;
  const inputs = new Uint8Array(count * area);
  const targets = new Int32Array(count * area);
  const byClass = samplesByClass(objects);
  if (count > 0 && byClass.length === 0) {
    throw new UsageError({ what: 'scenes', problem: 'need objects with a class in each split' });
  }
  const random = new RandomStream();
  for (let scene = 0; scene < count; scene++) {
    random.reset(recipe.seed, Purpose.scenes, stream, scene);
    const [from, to] = [scene * area, (scene + 1) * area];
    const canvas = { pixels: inputs.subarray(from, to), mask: targets.subarray(from, to) };
    drawScraps(recipe, canvas, objects, random);
    drawObjects(recipe, canvas, { objects, byClass }, random);
    drawNoise(recipe, canvas, random);
  }
  return { count, inputs, targets };
}

/** The samples of each class that has samples. */
function samplesByClass({ targets }: Split): readonly (readonly number[])[] {
  const byClass = new Map<number, number[]>();
  for (const [sample, label] of targets.entries()) {
    if (label < 0) continue;
    const samples = byClass.get(label) ?? [];
    byClass.set(label, samples);
    samples.push(sample);
  }
  return [...byClass].sort(([a], [b]) => a - b).map(([, samples]) => samples);
}

/** Draws pieces of objects, which look like objects but count as background. */
function drawScraps(
  { scraps, size, height, width }: Recipe,
  { pixels }: Canvas,
  { inputs, count }: Split,
  random: RandomStream,
): void {
  const side = Math.min(SCRAP, height, width);
  for (let scrap = 0; scrap < scraps; scrap++) {
    const sample = random.nextBelow(count);
    const top = random.nextBelow(height - side + 1);
    const left = random.nextBelow(width - side + 1);
    const to = random.nextBelow(size - side + 1) * size + random.nextBelow(size - side + 1);
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const value = inputs[(sample * height + top + y) * width + left + x]!;
        const at = to + y * size + x;
        pixels[at] = Math.max(pixels[at]!, value);
      }
    }
  }
}

/** Draws objects of classes in random order, anywhere on the canvas or partly beyond its edge. */
function drawObjects(
  { objects: countObjects, size, ink, height, width }: Recipe,
  { pixels, mask }: Canvas,
  { objects, byClass }: { objects: Split; byClass: readonly (readonly number[])[] },
  random: RandomStream,
): void {
  let order: number[] = [];
  const placeOf = (length: number): number => {
    const beyond = Math.floor(length / MOST_BEYOND);
    return random.nextBelow(size - length + 2 * beyond + 1) - beyond;
  };
  for (let object = 0; object < countObjects; object++) {
    if (order.length === 0) order = [...byClass.keys()];
    const samples = byClass[order.splice(random.nextBelow(order.length), 1)[0]!]!;
    const sample = samples[random.nextBelow(samples.length)]!;
    const top = placeOf(height);
    const left = placeOf(width);
    for (let y = Math.max(0, -top); y < Math.min(height, size - top); y++) {
      for (let x = Math.max(0, -left); x < Math.min(width, size - left); x++) {
        const value = objects.inputs[(sample * height + y) * width + x]!;
        const at = (top + y) * size + left + x;
        const isInk = value >= ink;
        if (isInk) mask[at] = objects.targets[sample]! + 1;
        pixels[at] = isInk ? value : Math.max(pixels[at]!, value);
      }
    }
  }
}

function drawNoise({ noise }: Recipe, { pixels }: Canvas, random: RandomStream): void {
  // One random word provides the noise of four pixels.
  let word = 0;
  for (let i = 0; i < pixels.length; i++) {
    word = i % 4 === 0 ? random.nextUint32() : word >>> 8;
    const added = ((word & 0xff) * (noise + 1)) >> 8;
    pixels[i] = Math.min(255, pixels[i]! + added);
  }
}
