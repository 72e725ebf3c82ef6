// Random shifts and flips of training images, and mixtures of samples: the options and their
// checks.

import { checkInteger, UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { type Shape, showShape } from '../../base/shape.ts';
import { flag, positive, wholeNumber } from '../../base/values.ts';

/** Augmentations of training images. Pixels that move in from outside have the dataset's mean,
 * which is 0 after normalization. A mask moves with its image; pixels from outside get the label
 * that the loss ignores, or class 0, the background, if it ignores none. Default of each: off. */
export interface Augmentation {
  /** The most pixels that an image moves by, in each direction. */
  readonly shift?: number;
  /** Mirrors images left to right, every other one on average. */
  readonly flip?: boolean;
  /** Pad by this many pixels on each side and cut out the old size at random. Another name for
   * `shift`, so give only one of the two. */
  readonly crop?: number;
  /** Mix each sample, inputs and target, with another one of its global batch: lambda times the
   * sample plus 1 - lambda times the other, with lambda from Beta(mixup, mixup) for each sample
   * (Zhang et al. 2018, "mixup: beyond empirical risk minimization"). Seed, step and position in
   * the global batch determine the other sample and lambda. Not for masks. Targets become shares of
   * classes; training accuracy counts the class with the largest share. Sample weights are mixed in
   * the same way. Above 0. */
  readonly mixup?: number;
  /** Replace a box of each image with that of another image in its global batch, and the target
   * according to the area: 1 - lambda of the image, with lambda from Beta(cutmix, cutmix), around a
   * random center, clipped at the border (Yun et al. 2019, "CutMix"). If `mixup` is given, too,
   * each sample gets one of the two with equal probability. Above 0. */
  readonly cutmix?: number;
}

/** Checked options, one name for each setting. */
export interface AugmentationPlan {
  /** The most pixels that an image moves by. */
  readonly maxShift: number;
  /** Whether images are mirrored. */
  readonly flip: boolean;
  /** Absent without mixup. */
  readonly mixup?: number;
  /** Absent without cutmix. */
  readonly cutmix?: number;
}

const augmentationSchema = optionsSchema<Augmentation>()({
  shift: wholeNumber(0).exactOptional(),
  flip: flag.exactOptional(),
  crop: wholeNumber(0).exactOptional(),
  mixup: positive.exactOptional(),
  cutmix: positive.exactOptional(),
});

/** Checks the options against the shape of one sample. Returns null if nothing is enabled. Throws a
 * UsageError for samples that are not images [H, W, C], for shift and crop together, and for a
 * shift that could move the whole image out. */
export function planAugmentation(
  options: Augmentation,
  inputShape: Shape,
): AugmentationPlan | null {
  const given = parseOptions('augmentation', augmentationSchema, options, {
    example: 'augmentation: { shift: 2, flip: true }',
  });
  const { shift, crop, flip = false, mixup, cutmix } = given;
  if (shift !== undefined && crop !== undefined) {
    throw new UsageError({
      what: 'augmentation',
      given: options,
      allowed: 'shift or crop, which are the same thing',
    });
  }
  const asked = shift ?? crop ?? 0;
  const mixes = { ...(mixup !== undefined && { mixup }), ...(cutmix !== undefined && { cutmix }) };
  const isMoved = asked !== 0 || flip;
  if (!isMoved && mixup === undefined && cutmix === undefined) return null;
  const [height = 0, width = 0] = inputShape;
  if (inputShape.length !== 3 && (isMoved || cutmix !== undefined)) {
    throw new UsageError({
      what: 'augmentation of samples of shape',
      given: showShape(inputShape),
      allowed: 'images [H, W, C]',
      ...(!isMoved && { hint: 'mixup, which takes any shape' }),
    });
  }
  if (!isMoved) return { maxShift: 0, flip, ...mixes };
  const name = shift === undefined ? 'crop' : 'shift';
  const maxShift = checkInteger(`augmentation ${name}`, asked, 0, Math.min(height, width) - 1);
  return { maxShift, flip, ...mixes };
}
