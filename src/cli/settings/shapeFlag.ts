// The shape of a sample in a flag: `224x224x3`.

import { UsageError } from '../../base/errors.ts';
import type { Shape } from '../../base/shape.ts';
import type { Flags } from './flags.ts';

/** The shape in the flag; undefined without it. */
export function shapeFrom(flags: Flags, flag: string): Shape | undefined {
  const text = flags.text(flag);
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,5}(x[1-9]\d{0,5}){0,3}$/.test(text)) return text.split('x').map(Number);
  throw new UsageError({
    what: `--${flag}`,
    given: text,
    allowed: 'sizes of a sample, channels last',
    hint: `--${flag} 224x224x3`,
  });
}
