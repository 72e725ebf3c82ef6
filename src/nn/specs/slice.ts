// A part of each sample: spec and builder, checked. The implementation is in borderKinds.ts.

import { UsageError } from '../../base/errors.ts';
import { optionsSchema, parseOptions } from '../../base/parse.ts';
import { accept, jsonOf, wholeNumber } from '../../base/values.ts';
import { layerForm } from './form.ts';

/** From the first up to but not including the second, counted from 0. */
export type SliceRange = readonly [number, number];

/** A part of each sample as plain data. An absent axis is taken whole. */
export interface SliceSpec {
  /** The kind of layer. */
  readonly kind: 'slice';
  /** As {@link SliceOptions.rows}. */
  readonly rows?: SliceRange;
  /** As {@link SliceOptions.columns}. */
  readonly columns?: SliceRange;
  /** As {@link SliceOptions.channels}. */
  readonly channels?: SliceRange;
}

/** The options of `nn.slice`. */
export interface SliceOptions {
  /** Rows of images [H, W, C], or times of a sequence [T, C]: [first, end), counted from 0.
   * Default: all. */
  readonly rows?: SliceRange;
  /** Columns of images. Default: all. */
  readonly columns?: SliceRange;
  /** Channels of images and sequences, or the only axis of a vector [F]. Default: all. */
  readonly channels?: SliceRange;
}

const index = wholeNumber(0);
const range = accept<SliceRange>(
  '[first, end], whole numbers from 0 with first below end',
  (value) => {
    if (!Array.isArray(value) || value.length !== 2) return false;
    const [first, end] = value as unknown[];
    return [first, end].every((one) => index.safeParse(one).success) && Number(first) < Number(end);
  },
  { type: 'array', items: jsonOf(index), minItems: 2, maxItems: 2 },
).exactOptional();

export const sliceSchema = optionsSchema<SliceOptions>()({
  rows: range,
  columns: range,
  channels: range,
});

/** Takes these ranges of rows, columns and channels from each sample. An axis that is not named is
 * taken whole. Throws a {@link UsageError} for invalid ranges, and if no axis is named.
 *
 * @example
 * nn.slice({ rows: [0, 14], channels: [0, 4] }) // [28, 28, 8] -> [14, 28, 4] */
export function slice(options: SliceOptions): SliceSpec {
  const example = 'slice({ rows: [0, 14], channels: [0, 8] })';
  const given = parseOptions('slice', sliceSchema, options, { example });
  const spec = { kind: 'slice' } as const;
  if (Object.keys(given).length === 0) {
    throw new UsageError({
      what: 'slice',
      problem: 'would take the whole sample without rows, columns or channels',
      hint: example,
    });
  }
  const entries = Object.entries(given).map(([axis, [first, end]]) => [axis, [first, end]]);
  return { ...spec, ...Object.fromEntries(entries) };
}

export const sliceForm = layerForm('slice', sliceSchema.shape, (options) => slice(options), {
  rows: [0, 1],
});
