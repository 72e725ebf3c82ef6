// Upsampling of images [H, W, C], PyTorch's Upsample: spec and builder, checked. The implementation
// is in upsampleKind.ts.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { oneOf } from '../../base/values.ts';
import { layerForm } from './form.ts';
import { optionalFlag, type Pair, type PairOption, pairOf, toPair } from './options.ts';

export const UPSAMPLE_MODES = ['nearest', 'bilinear'] as const;
/** How pixels are interpolated. */
export type UpsampleMode = (typeof UPSAMPLE_MODES)[number];

/** An upsampling as plain data. */
export interface UpsampleSpec {
  /** The kind of layer. */
  readonly kind: 'upsample';
  /** As {@link UpsampleOptions.mode}. */
  readonly mode: UpsampleMode;
  /** The scale factors, [height, width]; absent if `size` is given. */
  readonly scale?: Pair;
  /** The size of the output, [height, width]; absent if `scale` is given. */
  readonly size?: Pair;
  /** As {@link UpsampleOptions.alignCorners}. */
  readonly alignCorners: boolean;
}

/** The options of `nn.upsample`. */
export interface UpsampleOptions {
  /** How many times larger the output is; a number stands for both axes. Give either this or
   * `size`; there is no default. */
  readonly scale?: PairOption;
  /** The size of the output, instead of `scale`. There is no default. */
  readonly size?: PairOption;
  /** `nearest` copies the pixel at floor(position / scale), `bilinear` takes the weighted mean of
   * the four around the position. Default `nearest`. */
  readonly mode?: UpsampleMode;
  /** For `bilinear`: whether the centers of the outermost pixels stay in place, which makes a
   * pixel's weights depend on the size of the image; default false, as in PyTorch. */
  readonly alignCorners?: boolean;
}

export const upsampleSchema = optionsSchema<UpsampleOptions>()({
  scale: pairOf(1).exactOptional(),
  size: pairOf(1).exactOptional(),
  mode: oneOf(UPSAMPLE_MODES).exactOptional(),
  alignCorners: optionalFlag,
});

/** Resizes images to `scale` times their size, or to `size`. Throws a {@link UsageError} unless
 * exactly one of them is given, and for options that are unknown or out of range.
 *
 * @example
 * nn.upsample({ scale: 2, mode: 'bilinear' }) // [7, 7, 8] -> [14, 14, 8] */
export function upsample(options: UpsampleOptions): UpsampleSpec {
  const given = parseOptions('upsample', upsampleSchema, options, {
    example: "upsample({ scale: 2, mode: 'bilinear' })",
  });
  const { scale, size, mode = 'nearest', alignCorners = false } = given;
  if ((scale === undefined) === (size === undefined)) {
    throw new UsageError({
      what: 'upsample',
      problem: `needs scale or size${scale === undefined ? '' : ', and not both'}`,
      hint: 'upsample({ scale: 2 })',
    });
  }
  if (alignCorners && mode !== 'bilinear') {
    throw new UsageError({
      what: `upsample alignCorners with mode '${mode}'`,
      given: alignCorners,
      allowed: 'false',
      hint: "mode 'bilinear'",
    });
  }
  return {
    kind: 'upsample',
    mode,
    ...(scale !== undefined && { scale: toPair(scale) }),
    ...(size !== undefined && { size: toPair(size) }),
    alignCorners,
  };
}

export const upsampleForm = layerForm(
  'upsample',
  upsampleSchema.shape,
  (options) => upsample(options),
  { scale: 2 },
);
