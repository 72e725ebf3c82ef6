// Reads a run's initial weights: from a checkpoint, a safetensors file, or named tensors like those
// of `trainer.weights()`.

import { UsageError } from '../base/errors.ts';
import { isObject } from '../base/parse.ts';
import type { NamedValue, NamedValues } from '../checkpoint/foldNorm.ts';
import { isTensor } from '../checkpoint/namedTensor.ts';
import type { StartWeights } from '../checkpoint/startWeights.ts';
import type { WeightsModel } from './weights.ts';

/** The path of a checkpoint, or of a file with PyTorch's names and layouts whose name ends in
 * `.safetensors`; or tensors by their names in the model, such as `0.conv2d.weight`. */
export type WeightsSource = string | NamedValues | Readonly<Record<string, NamedValue>>;

/** Reads weights from the given source. Throws a {@link UsageError} for anything else. */
export async function startWeightsFrom(
  source: WeightsSource,
  isStrict: boolean,
  model: WeightsModel,
): Promise<StartWeights> {
  if (typeof source === 'string') {
    const { weightsIn } = await import('./weightsFile.ts');
    return { what: `weights of ${source}`, tensors: await weightsIn(source, model), isStrict };
  }
  const what = 'weights';
  if (!(source instanceof Map) && !isObject(source)) throw notWeights(what, source);
  const tensors = new Map<string, NamedValue>(
    source instanceof Map ? source : Object.entries(source),
  );
  for (const [name, tensor] of tensors) {
    if (!isTensor(tensor)) throw notWeights(`${what}, ${name}`, tensor);
  }
  return { what, tensors, isStrict };
}

function notWeights(what: string, given: unknown): UsageError {
  return new UsageError({
    what,
    given,
    allowed:
      'the path of a checkpoint or a .safetensors file, or tensors by name, { shape, values }',
    hint: "'pretrained.ckpt', or the result of trainer.weights()",
  });
}
