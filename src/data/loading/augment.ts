// Random shifts and flips of training images, and mixtures of samples: the options and their check.

import { checkInteger, UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { type Shape, showShape } from '../../base/shape.ts';
import { flag, positive, wholeNumber } from '../../base/values.ts';

/** What may happen to a training image. Pixels that come from outside are the dataset's mean, that
 * is, 0 after normalization. A mask moves with its image; pixels beyond it get the label that
 * the loss ignores, or class 0, the background, where it ignores none. Default of each: not
 * done. */
export interface Augmentation {
  /** Most pixels by which an image is moved, each way, in each direction. */
  readonly shift?: number;
  /** Mirror every other image, on average, left to right. */
  readonly flip?: boolean;
  /** Pad by this many pixels on each side and cut the old size out at random: the other name for
   * `shift`, so only one of the two. */
  readonly crop?: number;
  /** Mix each sample, inputs and target, with another one of its global batch: lambda of it and 1 -
   * lambda of the other, with lambda from Beta(mixup, mixup) for each sample (Zhang et al. 2018,
   * "mixup: beyond empirical risk minimization"). Seed, step and position in the global batch
   * choose the other one and lambda. Not with masks. Classes become shares of classes, of which the
   * training accuracy counts the largest one, and weights of samples mix likewise. Above 0. */
  readonly mixup?: number;
  /** Replace a box of each image by that of another one of its global batch, and the target
   * according to the area: 1 - lambda of the image with lambda from Beta(cutmix, cutmix), around a
   * random center, cut off at the border (Yun et al. 2019, "CutMix"). With `mixup` as well, each
   * sample has one of the two, with equal chances. Above 0. */
  readonly cutmix?: number;
}

/** Checked options, one name for each thing. */
export interface AugmentationPlan {
  /** Pixels that an image is moved by at most. */
  readonly maxShift: number;
  /** Whether images are mirrored. */
  readonly flip: boolean;
  /** Absent where samples are not mixed so. */
  readonly mixup?: number;
  /** Absent where no boxes are replaced. */
  readonly cutmix?: number;
}

const augmentationSchema = optionsSchema<Augmentation>()({
  shift: wholeNumber(0).exactOptional(),
  flip: flag.exactOptional(),
  crop: wholeNumber(0).exactOptional(),
  mixup: positive.exactOptional(),
  cutmix: positive.exactOptional(),
});

/** Checks the options against the shape of one sample. Null when there is nothing to do. Throws a
 * UsageError: for other things than images [H, W, C], for shift and crop together, and for a shift
 * that could move the whole image out. */
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
