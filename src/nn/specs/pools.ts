// Pooling over images [H, W, C]: maximum, average, and the average over all pixels: specs and
// builders, checked. Conventions are PyTorch's (MaxPool2d, AvgPool2d; sizes rounded down). What the
// layers do is in poolKinds.ts.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { showShape } from '../../base/shape.ts';
import { type LayerForm, layerForm } from './form.ts';
import { optionalFlag, type Pair, type PairOption, pairOf, toPair } from './options.ts';

/** Where a pool looks. */
export interface PoolWindow {
  /** [height, width], as are the two below. */
  readonly kernel: Pair;
  readonly stride: Pair;
  /** Positions outside the image on each side. */
  readonly padding: Pair;
}

export interface MaxPoolSpec extends PoolWindow {
  readonly kind: 'maxPool';
}

export interface AvgPoolSpec extends PoolWindow {
  readonly kind: 'avgPool';
  /** Whether the padding's zeros count in the divisor. */
  readonly countIncludePad: boolean;
}

/** [H, W, C] to [C]. */
export interface GlobalAvgPoolSpec {
  readonly kind: 'globalAvgPool';
}

export interface MaxPoolOptions {
  /** Window size; a number stands for both axes. */
  readonly kernel: PairOption;
  /** Distance of windows; default: the kernel size. */
  readonly stride?: PairOption;
  /** Positions outside the image on each side, at most half the kernel; default 0. */
  readonly padding?: PairOption;
}

export interface AvgPoolOptions extends MaxPoolOptions {
  /** Whether the padding's zeros count in the divisor; default true, as in PyTorch. */
  readonly countIncludePad?: boolean;
}

const windowOptions = {
  kernel: pairOf(1),
  stride: pairOf(1).exactOptional(),
  padding: pairOf(0).exactOptional(),
};
export const maxPoolSchema = optionsSchema<MaxPoolOptions>()(windowOptions);
export const avgPoolSchema = optionsSchema<AvgPoolOptions>()({
  ...windowOptions,
  countIncludePad: optionalFlag,
});

/** The maximum of each window. Throws a {@link UsageError} for sizes that make no window. */
export function maxPool(options: MaxPoolOptions): MaxPoolSpec {
  const example = 'maxPool({ kernel: 2 })';
  const given = parseOptions('maxPool', maxPoolSchema, options, { example });
  return { kind: 'maxPool', ...checkWindow('maxPool', given) };
}

/** The mean of each window. Throws a {@link UsageError} for sizes that make no window. */
export function avgPool(options: AvgPoolOptions): AvgPoolSpec {
  const example = 'avgPool({ kernel: 2 })';
  const given = parseOptions('avgPool', avgPoolSchema, options, { example });
  const { countIncludePad = true } = given;
  return { kind: 'avgPool', ...checkWindow('avgPool', given), countIncludePad };
}

/** The mean over all pixels of each channel: [H, W, C] to [C]. */
export function globalAvgPool(): GlobalAvgPoolSpec {
  return { kind: 'globalAvgPool' };
}

function checkWindow(name: string, options: MaxPoolOptions): PoolWindow {
  const kernel = toPair(options.kernel);
  const stride = toPair(options.stride ?? kernel);
  const padding = toPair(options.padding ?? 0);
  if (2 * padding[0] > kernel[0] || 2 * padding[1] > kernel[1]) {
    throw new UsageError({
      what: `${name} padding`,
      given: padding,
      allowed: `at most half the kernel ${showShape(kernel)}`,
      hint: 'a larger kernel, so that every window meets the image',
    });
  }
  return { kernel, stride, padding };
}

/** How JSON becomes a pool. */
export const poolForms: readonly LayerForm<MaxPoolSpec | AvgPoolSpec | GlobalAvgPoolSpec>[] = [
  layerForm('avgPool', avgPoolSchema.shape, (options) => avgPool(options)),
  layerForm('globalAvgPool', {}, () => globalAvgPool()),
  layerForm('maxPool', maxPoolSchema.shape, (options) => maxPool(options)),
];
