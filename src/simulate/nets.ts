// The networks that can be simulated by name: those of the library, with the inputs that they were
// published for. They are specs, so each can also be trained.

import type { Shape } from '../base/shape.ts';
import { type ModelName, modelCard, namedModel } from '../nn/models/models.ts';
import type { LayerSpec } from '../nn/specs/spec.ts';

/** A network by name, with batch normalization. For inputs other than the published ones, give the
 * shape, [H, W, C]. */
export function netModel(name: ModelName, inputShape?: Shape): LayerSpec {
  const { purpose } = modelCard(name);
  return namedModel(name, { ...purpose, ...(inputShape !== undefined && { inputShape }) });
}
