// Pooling over sequences [L, C]: specs and builders, checked. Conventions are PyTorch's (MaxPool1d,
// AvgPool1d; sizes rounded down). The implementation is in sequenceKinds.ts.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { type LayerForm, layerForm } from './form.ts';
import {
  optionalFlag,
  type Padding1d,
  type Padding1dOption,
  padding1dOption,
  size,
  toPadding1d,
} from './options.ts';

/** The window of a pool of sequences. */
export interface PoolWindow1d {
  /** The size of a window. */
  readonly kernel: number;
  /** Distance between windows. */
  readonly stride: number;
  /** Positions outside the sequence on each side. */
  readonly padding: Padding1d;
}

/** A maximum pool of sequences as plain data. */
export interface MaxPool1dSpec extends PoolWindow1d {
  /** The kind of layer. */
  readonly kind: 'maxPool1d';
}

/** An average pool of sequences as plain data. */
export interface AvgPool1dSpec extends PoolWindow1d {
  /** The kind of layer. */
  readonly kind: 'avgPool1d';
  /** Whether the padding's zeros count in the divisor. */
  readonly countIncludePad: boolean;
}

/** The options of `nn.maxPool1d`. */
export interface MaxPool1dOptions {
  /** Window size. */
  readonly kernel: number;
  /** Distance between windows; default: the kernel size. */
  readonly stride?: number;
  /** Positions outside the sequence on each side, a number, at most half the kernel, or
   * `{ left, right }`, less than the kernel. `same` adds as many as ceil(length / stride) outputs
   * need, the larger half on the right. Default 0. */
  readonly padding?: Padding1dOption;
}

/** The options of `nn.avgPool1d`. */
export interface AvgPool1dOptions extends MaxPool1dOptions {
  /** Whether the padding's zeros count in the divisor; default true, as in PyTorch. */
  readonly countIncludePad?: boolean;
}

const windowOptions = {
  kernel: size,
  stride: size.exactOptional(),
  padding: padding1dOption.exactOptional(),
};
export const maxPool1dSchema = optionsSchema<MaxPool1dOptions>()(windowOptions);
export const avgPool1dSchema = optionsSchema<AvgPool1dOptions>()({
  ...windowOptions,
  countIncludePad: optionalFlag,
});

/** The maximum of each window of a sequence. Throws a {@link UsageError} for sizes that do not make
 * a window.
 *
 * @example
 * nn.maxPool1d({ kernel: 2 }) // [100, 8] -> [50, 8] */
export function maxPool1d(options: MaxPool1dOptions): MaxPool1dSpec {
  const example = 'maxPool1d({ kernel: 2 })';
  const given = parseOptions('maxPool1d', maxPool1dSchema, options, { example });
  return { kind: 'maxPool1d', ...checkWindow('maxPool1d', given) };
}

/** The mean of each window of a sequence. Throws a {@link UsageError} for sizes that do not make a
 * window.
 *
 * @example
 * nn.avgPool1d({ kernel: 2 }) // [100, 8] -> [50, 8] */
export function avgPool1d(options: AvgPool1dOptions): AvgPool1dSpec {
  const example = 'avgPool1d({ kernel: 2 })';
  const given = parseOptions('avgPool1d', avgPool1dSchema, options, { example });
  const { countIncludePad = true } = given;
  return { kind: 'avgPool1d', ...checkWindow('avgPool1d', given), countIncludePad };
}

function checkWindow(name: string, options: MaxPool1dOptions): PoolWindow1d {
  const { kernel, stride = kernel } = options;
  const padding = toPadding1d(options.padding ?? 0);
  const isWide =
    typeof padding === 'number'
      ? 2 * padding > kernel
      : padding !== 'same' && Math.max(padding.left, padding.right) >= kernel;
  if (!isWide) return { kernel, stride, padding };
  throw new UsageError({
    what: `${name} padding`,
    given: padding,
    allowed: `at most half the kernel ${kernel}, or sides that are each less than it`,
    hint: 'a larger kernel, so that every window meets the sequence',
  });
}

/** The JSON forms of pools of sequences. */
export const pool1dForms: readonly LayerForm<AvgPool1dSpec | MaxPool1dSpec>[] = [
  layerForm('avgPool1d', avgPool1dSchema.shape, (options) => avgPool1d(options)),
  layerForm('maxPool1d', maxPool1dSchema.shape, (options) => maxPool1d(options)),
];
