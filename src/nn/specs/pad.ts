// A border of zeros around images [H, W, C], PyTorch's ZeroPad2d: spec and builder, checked. The
// implementation is in borderKinds.ts.

import { parseOptions } from '../../base/parse.ts';
import { layerForm } from './form.ts';
import { checkSize, type Sides, type SidesOption, sidesSchema, toSides } from './options.ts';

/** A border of zeros as plain data. */
export interface PadSpec extends Sides {
  /** The kind of layer. */
  readonly kind: 'pad';
}

/** Adds zeros around an image: the given number on each side, none on sides that are not named. A
 * single number stands for all four sides. Throws a {@link UsageError} for anything but whole
 * numbers from 0.
 *
 * @example
 * nn.pad({ top: 1, left: 1 }) // [7, 7, 8] -> [8, 8, 8] */
export function pad(sides: number | SidesOption): PadSpec {
  if (typeof sides === 'number') return { kind: 'pad', ...toSides(checkSize('pad', sides)) };
  const given = parseOptions('pad', sidesSchema, sides, { example: 'pad({ top: 1, left: 2 })' });
  return { kind: 'pad', ...toSides(given) };
}

export const padForm = layerForm('pad', sidesSchema.shape, (sides) => pad(sides));
