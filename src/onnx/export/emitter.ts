// What writes the layers of one kind: an object that satisfies Emitter. They stand in emitters.ts.

import type { Shape } from '../../base/shape.ts';
import type { LeafSpec } from '../../nn/specs/spec.ts';
import type { LayerPlace, OnnxValue } from './graphWriter.ts';

export interface Emitter<Spec extends LeafSpec = LeafSpec> {
  readonly kind: Spec['kind'];
  /** Why ONNX cannot say what the layer computes in evaluation; absent where it always can. */
  refuses?(spec: Spec, input: Shape): string | undefined;
  /** Writes nodes that compute the layer in evaluation, and returns what comes out. */
  emit(spec: Spec, input: OnnxValue, place: LayerPlace): OnnxValue;
}
