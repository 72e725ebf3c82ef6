// Random shifts and flips of training images: the options and their check.

import { checkInteger, UsageError } from '../base/errors.ts';
import { optionsSchema, parseOptions } from '../base/parse.ts';
import { type Shape, showShape } from '../base/shape.ts';
import { flag, wholeNumber } from '../base/values.ts';

/** What may happen to a training image. Pixels that come from outside are the dataset's mean, that
 * is, 0 after normalisation. Default of each: not done. */
export interface Augmentation {
  /** Most pixels by which an image is moved, each way, in each direction. */
  readonly shift?: number;
  /** Mirror every other image, on average, left to right. */
  readonly flip?: boolean;
  /** Pad by this many pixels on each side and cut the old size out at random: the other name for
   * `shift`, so only one of the two. */
  readonly crop?: number;
}

/** Checked options, one name for each thing. */
export interface AugmentationPlan {
  readonly maxShift: number;
  readonly flip: boolean;
}

const augmentationSchema = optionsSchema<Augmentation>()({
  shift: wholeNumber(0).exactOptional(),
  flip: flag.exactOptional(),
  crop: wholeNumber(0).exactOptional(),
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
  const { shift, crop, flip = false } = given;
  if (shift !== undefined && crop !== undefined) {
    throw new UsageError({
      what: 'augmentation',
      given: options,
      allowed: 'shift or crop, which are the same thing',
    });
  }
  const asked = shift ?? crop ?? 0;
  if (asked === 0 && !flip) return null;
  const [height = 0, width = 0] = inputShape;
  if (inputShape.length !== 3) {
    throw new UsageError({
      what: 'augmentation of samples of shape',
      given: showShape(inputShape),
      allowed: 'images [H, W, C]',
    });
  }
  const name = shift === undefined ? 'crop' : 'shift';
  const maxShift = checkInteger(`augmentation ${name}`, asked, 0, Math.min(height, width) - 1);
  return { maxShift, flip };
}
