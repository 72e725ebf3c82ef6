// The builders of composite specs, which check that shapes fit.

import type { LayerSpec, ResidualSpec, SequentialSpec } from '../specs/spec.ts';
import { parseModel } from './parse.ts';

/** Layers that run one after the other; an empty list passes the input through. Shapes are checked
 * as far as they are known. Throws a {@link UsageError} that names the place of anything that is
 * not a layer, or the layer and both shapes if they do not fit.
 *
 * @example
 * nn.sequential([nn.flatten(), nn.linear(64, 10)]) // [8, 8, 1] -> [10] */
export function sequential(layers: readonly LayerSpec[]): SequentialSpec {
  return parseModel({ kind: 'sequential', layers }, 'sequential') as SequentialSpec;
}

/** Adds the input, or a projection of it, to the output of the body (He et al. 2016). Both branches
 * must end in the same shape. Throws as `sequential` does.
 *
 * @example
 * nn.residual(nn.conv2d(8, 8, { kernel: 3, padding: 1 })) // [7, 7, 8] -> [7, 7, 8] */
export function residual(body: LayerSpec, shortcut: LayerSpec | null = null): ResidualSpec {
  return parseModel({ kind: 'residual', body, shortcut }, 'residual') as ResidualSpec;
}
