// Pooling over images [H, W, C]: maximum, average, and the average over all pixels: specs and
// builders, checked. Conventions are PyTorch's (MaxPool2d, AvgPool2d; sizes rounded down). The
// implementation is in poolKinds.ts.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { showShape } from '../../base/shape.ts';
import { type LayerForm, layerForm } from './form.ts';
import {
  isPair,
  optionalFlag,
  type Padding,
  type PaddingOption,
  type Pair,
  type PairOption,
  paddingOption,
  pairOf,
  toPadding,
  toPair,
} from './options.ts';

/** The window of a pool. */
export interface PoolWindow {
  /** Window size, [height, width]. */
  readonly kernel: Pair;
  /** Distance between windows, [height, width]. */
  readonly stride: Pair;
  /** Positions outside the image on each side. */
  readonly padding: Padding;
}

/** A maximum pool as plain data. */
export interface MaxPoolSpec extends PoolWindow {
  /** The kind of layer. */
  readonly kind: 'maxPool';
}

/** An average pool as plain data. */
export interface AvgPoolSpec extends PoolWindow {
  /** The kind of layer. */
  readonly kind: 'avgPool';
  /** Whether the padding's zeros count in the divisor. */
  readonly countIncludePad: boolean;
}

/** [H, W, C] to [C]. */
export interface GlobalAvgPoolSpec {
  /** The kind of layer. */
  readonly kind: 'globalAvgPool';
}

/** [H, W, C] to [C]. */
export interface GlobalMaxPoolSpec {
  /** The kind of layer. */
  readonly kind: 'globalMaxPool';
}

/** The options of `nn.maxPool`. */
export interface MaxPoolOptions {
  /** Window size; a number stands for both axes. */
  readonly kernel: PairOption;
  /** Distance between windows; default: the kernel size. */
  readonly stride?: PairOption;
  /** Positions outside the image on each side: a number or [height, width], at most half the
   * kernel, or one number for each of the four sides, less than the kernel. `same` adds as many as
   * ceil(size / stride) outputs need, the larger half at the bottom and on the right. Default 0. */
  readonly padding?: PaddingOption;
}

/** The options of `nn.avgPool`. */
export interface AvgPoolOptions extends MaxPoolOptions {
  /** Whether the padding's zeros count in the divisor; default true, as in PyTorch. TensorFlow and
   * Keras never count them. */
  readonly countIncludePad?: boolean;
}

const windowOptions = {
  kernel: pairOf(1),
  stride: pairOf(1).exactOptional(),
  padding: paddingOption.exactOptional(),
};
export const maxPoolSchema = optionsSchema<MaxPoolOptions>()(windowOptions);
export const avgPoolSchema = optionsSchema<AvgPoolOptions>()({
  ...windowOptions,
  countIncludePad: optionalFlag,
});

/** The maximum of each window. Throws a {@link UsageError} for sizes that do not make a window.
 *
 * @example
 * nn.maxPool({ kernel: 3, stride: 2, padding: 1 }) // [28, 28, 8] -> [14, 14, 8] */
export function maxPool(options: MaxPoolOptions): MaxPoolSpec {
  const example = 'maxPool({ kernel: 2 })';
  const given = parseOptions('maxPool', maxPoolSchema, options, { example });
  return { kind: 'maxPool', ...checkWindow('maxPool', given) };
}

/** The mean of each window. Throws a {@link UsageError} for sizes that do not make a window.
 *
 * @example
 * nn.avgPool({ kernel: 2 }) // [28, 28, 8] -> [14, 14, 8] */
export function avgPool(options: AvgPoolOptions): AvgPoolSpec {
  const example = 'avgPool({ kernel: 2 })';
  const given = parseOptions('avgPool', avgPoolSchema, options, { example });
  const { countIncludePad = true } = given;
  return { kind: 'avgPool', ...checkWindow('avgPool', given), countIncludePad };
}

/** The mean over all pixels of each channel: [H, W, C] to [C].
 *
 * @example
 * nn.globalAvgPool() // [7, 7, 16] -> [16]
 */
export function globalAvgPool(): GlobalAvgPoolSpec {
  return { kind: 'globalAvgPool' };
}

/** The maximum over all pixels of each channel: [H, W, C] to [C].
 *
 * @example
 * nn.globalMaxPool() // [7, 7, 16] -> [16]
 */
export function globalMaxPool(): GlobalMaxPoolSpec {
  return { kind: 'globalMaxPool' };
}

function checkWindow(name: string, options: MaxPoolOptions): PoolWindow {
  const kernel = toPair(options.kernel);
  const stride = toPair(options.stride ?? kernel);
  const padding = toPadding(options.padding ?? 0);
  const hint = 'a larger kernel, so that every window meets the image';
  const [what, size] = [`${name} padding`, showShape(kernel)];
  if (padding === 'same') return { kernel, stride, padding };
  if (isPair(padding)) {
    if (padding.every((zeros, i) => 2 * zeros <= kernel[i]!)) return { kernel, stride, padding };
    throw new UsageError({
      what,
      given: padding,
      allowed: `at most half the kernel ${size}`,
      hint,
    });
  }
  const { top, bottom, left, right } = padding;
  if (Math.max(top, bottom) < kernel[0] && Math.max(left, right) < kernel[1]) {
    return { kernel, stride, padding };
  }
  throw new UsageError({ what, given: padding, allowed: `less than the kernel ${size}`, hint });
}

/** The JSON forms of pools. */
export const poolForms: readonly LayerForm<
  MaxPoolSpec | AvgPoolSpec | GlobalAvgPoolSpec | GlobalMaxPoolSpec
>[] = [
  layerForm('avgPool', avgPoolSchema.shape, (options) => avgPool(options)),
  layerForm('globalAvgPool', {}, () => globalAvgPool()),
  layerForm('globalMaxPool', {}, () => globalMaxPool()),
  layerForm('maxPool', maxPoolSchema.shape, (options) => maxPool(options)),
];
