// Gaussian samples with exactly known statistics, for tests, benchmarks and experiments. Classes
// differ by a shift of the mean that is the same for every value of a sample, so that they can be
// told apart in vectors, and in images after any pooling. Layers that remove each sample's own mean
// remove the shift, too: a model that begins with instance norm learns nothing here.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { Purpose, RandomStream } from '../../base/random.ts';
import { channelsOf, type Shape, sizeOf } from '../../base/shape.ts';
import { accept, listOf, share, wholeNumber } from '../../base/values.ts';
import { checkDataset } from '../checkDataset.ts';
import type { Dataset, Split } from '../dataset.ts';

/** The options of {@link synthetic}. */
export interface SyntheticOptions {
  /** Training samples. Default: 2000. */
  readonly train?: number;
  /** Test samples. Default: 500. */
  readonly test?: number;
  /** Shape of one sample: [H, W, C] or [F]. Default: [12, 12, 3]. */
  readonly shape?: Shape;
  /** Number of classes, at least 2. Default: 10. */
  readonly classes?: number;
  /** Population mean, one number or one per channel. Default: 0. */
  readonly mean?: number | readonly number[];
  /** Population standard deviation, above 0, one number or one per channel. Default: 1. */
  readonly std?: number | readonly number[];
  /** The fraction of the standard deviation that is between classes, from 0 (classes are
   * indistinguishable) to 1 (each sample is constant in each channel). Default: 0.5. */
  readonly separation?: number;
  /** Default: 1. */
  readonly seed?: number;
}

/** Each split has its own random numbers, so its sample count does not affect the other. */
const TRAIN_STREAM = 0;
const TEST_STREAM = 1;

/** 1 GiB of floats. */
const MAX_VALUES = 2 ** 28;

const sizes = listOf<number>('[H, W, C] or [F], whole numbers above 0', (one) => {
  return wholeNumber(1).safeParse(one).success;
});
const perChannelValue = accept<number | readonly number[]>(
  'a number, or a list of one per channel',
  (value) => Array.isArray(value) || Number.isFinite(value),
);
const syntheticSchema = optionsSchema<SyntheticOptions>()({
  train: wholeNumber(1).exactOptional(),
  test: wholeNumber(0).exactOptional(),
  shape: sizes.exactOptional(),
  classes: wholeNumber(2).exactOptional(),
  mean: perChannelValue.exactOptional(),
  std: perChannelValue.exactOptional(),
  separation: share.exactOptional(),
  seed: wholeNumber(0, Number.MAX_SAFE_INTEGER).exactOptional(),
});

/** Makes a dataset of float32 samples. Sample i is of class k = i mod K. With z standard normal and
 * independent for every value, s the separation and c the channel,
 *
 *     x = mean_c + std_c (s t_k + sqrt(1 - s^2) z),   t_k = (2k - (K - 1)) / sqrt((K^2 - 1) / 3).
 *
 * Over K equally frequent classes t has mean 0 and mean square 1, so every value of channel c has
 * population mean `mean_c` and population standard deviation `std_c` exactly; within one class they
 * are mean_c + std_c s t_k and std_c sqrt(1 - s^2). Samples are then rounded to float32. The
 * dataset's `mean` and `std` are these exact values. Throws a UsageError.
 *
 * @example
 * synthetic({ train: 256, test: 64, shape: [8, 8, 1] })
 */
export function synthetic(options: SyntheticOptions = {}): Dataset {
  const given = parseOptions('synthetic', syntheticSchema, options, {
    example: 'synthetic({ train: 2000, classes: 10 })',
  });
  const { train = 2000, test = 500, shape = [12, 12, 3], classes = 10, seed = 1 } = given;
  const { separation = 0.5 } = given;
  const countValues = (train + test) * sizeOf(shape);
  if (countValues > MAX_VALUES) {
    const allowed = `at most ${MAX_VALUES}`;
    throw new UsageError({ what: 'values of synthetic samples', given: countValues, allowed });
  }
  const recipe: Recipe = {
    size: sizeOf(shape),
    classes,
    mean: perChannel('mean', given.mean ?? 0, channelsOf(shape)),
    std: perChannel('std', given.std ?? 1, channelsOf(shape)),
    separation,
    seed,
  };
  return checkDataset({
    name: 'synthetic',
    inputShape: shape,
    inputType: 'f32',
    task: { kind: 'classification', classes },
    mean: recipe.mean,
    std: recipe.std,
    train: draw(recipe, train, TRAIN_STREAM),
    test: draw(recipe, test, TEST_STREAM),
  });
}

interface Recipe {
  readonly size: number;
  readonly classes: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly separation: number;
  readonly seed: number;
}

function draw(recipe: Recipe, count: number, split: number): Split {
  const { size, classes, mean, std, separation, seed } = recipe;
  const inputs = new Float32Array(count * size);
  const targets = new Int32Array(count);
  const random = new RandomStream();
  const within = Math.sqrt(1 - separation * separation);
  const spread = Math.sqrt((classes * classes - 1) / 3);
  for (let i = 0; i < count; i++) {
    const label = i % classes;
    targets[i] = label;
    const shift = (separation * (2 * label - (classes - 1))) / spread;
    random.reset(seed, Purpose.synthetic, split, i);
    for (let j = 0; j < size; j++) {
      const c = j % mean.length;
      inputs[i * size + j] = mean[c]! + std[c]! * (shift + within * random.nextNormal());
    }
  }
  return { count, inputs, targets };
}

function perChannel(
  what: 'mean' | 'std',
  given: number | readonly number[],
  channels: number,
): readonly number[] {
  const values = typeof given === 'number' ? new Array<number>(channels).fill(given) : given;
  const least = what === 'std' ? Number.MIN_VALUE : -Number.MAX_VALUE;
  const good = Array.from(values).every((value) => Number.isFinite(value) && value >= least);
  if (values.length === channels && good) return values;
  const kind = what === 'std' ? 'finite and above 0' : 'finite';
  const allowed = `one number, or ${channels} (one per channel), ${kind}`;
  throw new UsageError({ what: `synthetic ${what}`, given, allowed });
}
