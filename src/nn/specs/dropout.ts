// Dropout: spec and builder, checked. What the layer does is in dropoutKind.ts.

import { parseData } from '../../base/parse.ts';
import { shareBelowOne } from '../../base/values.ts';
import { layerForm } from './form.ts';

export interface DropoutSpec {
  readonly kind: 'dropout';
  /** Probability that an element is dropped. */
  readonly p: number;
}

const DEFAULT_P = 0.5;
/** Dropout with probability p in [0, 1); default 0.5. */
export function dropout(p = DEFAULT_P): DropoutSpec {
  parseData(shareBelowOne, p, 'dropout p');
  return { kind: 'dropout', p };
}

export const dropoutForm = layerForm('dropout', { p: shareBelowOne.exactOptional() }, ({ p }) =>
  dropout(p),
);
