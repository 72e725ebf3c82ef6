// The table of all emitters, one for each kind of layer.

import type { LeafSpec } from '../../nn/specs/spec.ts';
import { activationEmitters } from './activations.ts';
import type { Emitter } from './emitter.ts';
import { normEmitters } from './norms.ts';
import { poolEmitters } from './pools.ts';
import { productEmitters } from './products.ts';
import { recurrentEmitters } from './recurrent.ts';
import { shapeEmitters } from './shapes.ts';

const emitters = [
  ...activationEmitters,
  ...normEmitters,
  ...poolEmitters,
  ...productEmitters,
  ...recurrentEmitters,
  ...shapeEmitters,
];

// An emitter receives only specs of its own kind, which the table cannot express in types.
const table = new Map<string, Emitter>(
  emitters.map((one) => [one.kind, one as unknown as Emitter]),
);

/** The emitter of a layer; undefined for custom layers. */
export function emitterOf({ kind }: LeafSpec): Emitter | undefined {
  return table.get(kind);
}
