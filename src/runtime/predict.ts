// Predictions for any number of inputs: batch by batch through the regions that the workers share.

import { UsageError } from '../base/errors.ts';
import { sizeOf } from '../base/shape.ts';
import { typedView } from '../memory/arena.ts';
import { outputSizeOf, type RunConfig } from '../train/config.ts';
import type { RunPlan } from '../train/plan.ts';

/** How many inputs these are, or a {@link UsageError} when they are none of this run's. */
export function countInputs(
  what: string,
  config: RunConfig,
  inputs: Uint8Array | Float32Array,
): number {
  const { inputShape, inputType } = config.data;
  const length = sizeOf(inputShape);
  const isBytes = inputType === 'u8';
  const isRightType = inputs instanceof (isBytes ? Uint8Array : Float32Array);
  if (isRightType && inputs.length % length === 0) return inputs.length / length;
  throw new UsageError({
    what: `inputs of ${what}`,
    given: `${inputs.constructor.name} of length ${inputs.length}`,
    allowed: `${isBytes ? 'Uint8Array' : 'Float32Array'} of n times ${length} values`,
  });
}

/** Outputs for `count` inputs, [n, outputs]; `run` has the workers predict the first so many that
 * lie in the arena. */
export async function predictAll(
  { plan, memory }: { readonly plan: RunPlan; readonly memory: WebAssembly.Memory },
  inputs: Uint8Array | Float32Array,
  count: number,
  run: (size: number) => Promise<unknown>,
): Promise<Float32Array> {
  const { config, layout } = plan;
  const { inputShape, inputType, task } = config.data;
  const length = sizeOf(inputShape);
  const outputLength = outputSizeOf(task);
  const outputs = new Float32Array(count * outputLength);
  const slots = typedView(memory, layout.get('predict.inputs'), inputType);
  const results = typedView(memory, layout.get('predict.outputs'), 'f32');
  for (let from = 0; from < count; from += config.globalBatch) {
    const size = Math.min(config.globalBatch, count - from);
    slots.set(inputs.subarray(from * length, (from + size) * length));
    await run(size);
    outputs.set(results.subarray(0, size * outputLength), from * outputLength);
  }
  return outputs;
}
