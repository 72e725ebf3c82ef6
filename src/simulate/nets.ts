// The networks that can be simulated by name: those of the library, for what they are published
// for. Specs only, so that each can also be trained.

import type { Shape } from '../base/shape.ts';
import { type ModelName, modelCard, namedModel } from '../nn/models/models.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';

/** A network by its name, with batch normalization; for other inputs than it is published for
 * give the shape, [H, W, C]. */
export function netModel(name: ModelName, inputShape?: Shape): LayerSpec {
  const { purpose } = modelCard(name);
  return namedModel(name, { ...purpose, ...(inputShape !== undefined && { inputShape }) });
}
