// Dropout of elements, channels and whole samples: specs and builders, checked. The implementation
// is in dropoutKind.ts and dropWholeKinds.ts.

import { parseData } from '../../base/parse.ts';
import { shareBelowOne } from '../../base/values.ts';
import { type LayerForm, layerForm } from './form.ts';

/** A dropout of elements as plain data. */
export interface DropoutSpec {
  /** The kind of layer. */
  readonly kind: 'dropout';
  /** Probability that an element is dropped. */
  readonly p: number;
}

/** A dropout of channels as plain data. */
export interface Dropout2dSpec {
  /** The kind of layer. */
  readonly kind: 'dropout2d';
  /** Probability that a channel of a sample is dropped. */
  readonly p: number;
}

/** A dropout of samples as plain data. */
export interface DropPathSpec {
  /** The kind of layer. */
  readonly kind: 'dropPath';
  /** Probability that a sample is dropped. */
  readonly p: number;
}

const DEFAULT_P = 0.5;

/** Dropout with probability p in [0, 1); default 0.5.
 *
 * @example
 * nn.dropout(0.2) // [64] -> [64]
 */
export function dropout(p = DEFAULT_P): DropoutSpec {
  parseData(shareBelowOne, p, 'dropout p');
  return { kind: 'dropout', p };
}

/** Drops whole channels of an image with probability p in [0, 1), independently for each sample,
 * and scales the others by 1 / (1 - p) (Tompson et al. 2015); default 0.5.
 *
 * @example
 * nn.dropout2d(0.1) // [14, 14, 8] -> [14, 14, 8] */
export function dropout2d(p = DEFAULT_P): Dropout2dSpec {
  parseData(shareBelowOne, p, 'dropout2d p');
  return { kind: 'dropout2d', p };
}

/** Stochastic depth (Huang et al. 2016), the `row` mode of torchvision: drops whole samples with
 * probability p in [0, 1) and scales the others by 1 / (1 - p). At the end of a residual's body, a
 * dropped sample only keeps its shortcut.
 *
 * @example
 * nn.residual(nn.sequential([nn.linear(8, 8), nn.dropPath(0.1)])) // [8] -> [8] */
export function dropPath(p: number): DropPathSpec {
  parseData(shareBelowOne, p, 'dropPath p');
  return { kind: 'dropPath', p };
}

/** The JSON forms of dropout layers. */
export const dropoutForms: readonly LayerForm<DropoutSpec | Dropout2dSpec | DropPathSpec>[] = [
  layerForm('dropout', { p: shareBelowOne.exactOptional() }, ({ p }) => dropout(p)),
  layerForm('dropout2d', { p: shareBelowOne.exactOptional() }, ({ p }) => dropout2d(p)),
  layerForm('dropPath', { p: shareBelowOne }, ({ p }) => dropPath(p)),
];
