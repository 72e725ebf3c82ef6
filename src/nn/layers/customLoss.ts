// Runs a user's own loss. It works on typed arrays of a worker's samples and gets the same arrays
// again in later steps. Weights and the mean over the global batch are applied to its results in
// float64, sample by sample.

import { UsageError } from '../../base/errors.ts';
import type { CustomLoss, CustomLossInputs, CustomLossSpec } from '../specs/customLoss.ts';
import { factoryOf } from '../specs/modules.ts';
import type { BoundLoss, LossBinding, LossKind } from './loss.ts';

export const customLossKind: LossKind<CustomLossSpec> = {
  takes: ['classes', 'numbers'],
  knowsRight: false,
  check(spec) {
    if (factoryOf(spec.module) !== undefined) customLossOf(spec);
  },
  bind: (spec, binding) => bindCustomLoss(customLossOf(spec), binding),
};

/** The loss that the module, which is loaded, makes from the options. Throws a
 * {@link UsageError}. */
function customLossOf({ module, options }: CustomLossSpec): CustomLoss {
  const loss = factoryOf(module)!(options) as Partial<CustomLoss> | null | undefined;
  if (typeof loss?.run === 'function') return loss as CustomLoss;
  const what = `the loss that ${module} makes`;
  throw new UsageError({
    what,
    problem: 'lacks run',
    hint: 'export default (options) => ({ run({ outputs, targets, losses, gradients }) {} })',
  });
}

function bindCustomLoss(loss: CustomLoss, binding: LossBinding): BoundLoss {
  const { memory, step, capacity, outputLength, labelsPtr, weightsPtr } = binding;
  const weights =
    weightsPtr === 0 ? undefined : new Float64Array(memory.buffer, weightsPtr, capacity);
  const correct = new Int32Array(memory.buffer, binding.correctPtr, capacity);
  const viewsOf = bindViews(binding);

  /** Multiplies each loss by the weight of its sample, and the gradient by its share of the
   * mean. */
  const weigh = ({ losses, gradients }: CustomLossInputs): void => {
    const gradScale = 1 / step.globalCount;
    for (let n = 0; n < losses.length; n++) {
      const weight = weights === undefined ? 1 : weights[n]!;
      losses[n] = weight === 0 ? 0 : losses[n]! * weight;
      if (gradients === undefined) continue;
      const scale = gradScale * weight;
      for (let i = n * outputLength; i < (n + 1) * outputLength; i++) {
        gradients[i] = weight === 0 ? 0 : gradients[i]! * scale;
      }
    }
  };
  const flag = ({ outputs, targets, losses }: CustomLossInputs): void => {
    for (let n = 0; n < losses.length; n++) {
      let best = 0;
      for (let c = 1; c < outputLength; c++) {
        if (outputs[n * outputLength + c]! > outputs[n * outputLength + best]!) best = c;
      }
      const counts = weights === undefined || weights[n] !== 0;
      correct[n] = counts && best === targets[n] ? 1 : 0;
    }
  };
  return {
    run() {
      if (step.countSamples === 0) return;
      const views = viewsOf();
      loss.run(views);
      weigh(views);
      if (labelsPtr !== 0) flag(views);
    },
  };
}

/** Returns a function that gives the arrays of a step. A worker's batches come in a handful of
 * sizes. The arrays for each size are made once and kept. */
function bindViews(binding: LossBinding): () => CustomLossInputs {
  const { memory, step, outputLength, labelsPtr, numbersPtr, outputGradPtr } = binding;
  const floats = (ptr: number, count: number): Float32Array =>
    new Float32Array(memory.buffer, ptr, count * outputLength);
  const made = (count: number, training: boolean): CustomLossInputs => ({
    count,
    outputLength,
    training,
    outputs: floats(binding.outputPtr, count),
    targets:
      labelsPtr === 0 ? floats(numbersPtr, count) : new Int32Array(memory.buffer, labelsPtr, count),
    losses: new Float64Array(memory.buffer, binding.lossesPtr, count),
    gradients: training && outputGradPtr !== 0 ? floats(outputGradPtr, count) : undefined,
  });
  const known = new Map<number, CustomLossInputs>();
  return () => {
    const count = step.countSamples;
    const key = step.training ? count : -count;
    let views = known.get(key);
    if (views === undefined) {
      views = made(count, step.training);
      known.set(key, views);
    }
    return views;
  };
}
