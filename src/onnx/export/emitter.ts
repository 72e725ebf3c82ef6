// The interface of what writes one kind of layer. The emitters are listed in emitters.ts.

import type { Shape } from '../../base/shape.ts';
import type { LeafSpec } from '../../nn/specs/spec.ts';
import type { LayerPlace, OnnxValue } from './graphWriter.ts';

export interface Emitter<Spec extends LeafSpec = LeafSpec> {
  readonly kind: Spec['kind'];
  /** Why ONNX cannot express what the layer computes in evaluation; absent if it always can. */
  refuses?(spec: Spec, input: Shape): string | undefined;
  /** Writes nodes that compute the layer in evaluation, and returns their output. */
  emit(spec: Spec, input: OnnxValue, place: LayerPlace): OnnxValue;
}
