// A run on the calling thread: one worker, no data, weights that are given. For checks that need a
// few outputs of a model; it blocks while it computes.

import type { NamedValues } from '../checkpoint/foldNorm.ts';
import { fillArena, restoreTensors, type StateTensor, stateTensors } from '../checkpoint/state.ts';
import { placeholderData } from '../data/placeholder.ts';
import { storeSamples } from '../data/stored/storeSamples.ts';
import { compileKernels } from '../kernels/load.ts';
import { createArena, viewOf } from '../memory/arena.ts';
import { outputSizeOf, type RunConfig } from '../plan/config.ts';
import { planRun } from '../plan/plan.ts';
import { bindWorker } from '../train/worker.ts';
import type { AllOutputs } from './predict.ts';

export interface LoneRun {
  /** Everything that a checkpoint of the run holds; optimizer state is 0. */
  readonly tensors: readonly StateTensor[];
  /** Outputs for inputs as a run stores them. */
  predict(inputs: Uint8Array | Float32Array): AllOutputs;
}

/** Binds a model with its weights, by their names in it. What comes out does not depend on this
 * being one worker. Its custom layers and loss must be loaded. */
export function runAlone(config: RunConfig, weights: NamedValues): LoneRun {
  const { inputShape, task } = config.data;
  const { weighted: _weighted, ...unweighted } = config.data;
  const data = { ...unweighted, countTrain: 1, countTest: 0, countValidation: 0 };
  const plan = planRun({ ...config, data, workers: 1, shards: 'iid' });
  const memory = createArena(plan.layout);
  fillArena(plan, memory);
  const samples = storeSamples(placeholderData('nothing', config.data), config);
  const tensors = stateTensors(plan, memory);
  const saved = tensors.map(({ name, group, values }) => {
    const given = weights.get(name.replace(/^\S+ /, ''))?.values;
    return [name, group === 'optimizer' || given === undefined ? values : given] as const;
  });
  restoreTensors(tensors, new Map(saved));
  const module = compileKernels(config.mode);
  const worker = bindWorker({ plan, module, memory, samples, rank: 0 });
  const slots = viewOf(memory, plan.regions.inference.inputs);
  const { inference } = plan.regions;
  const results = [inference.outputs, ...inference.headOutputs].map((one) => viewOf(memory, one));
  const inputLength = inputShape.reduce((product, size) => product * size, 1);
  const outputLength = outputSizeOf(task);
  return {
    tensors,
    predict(inputs) {
      const count = inputs.length / inputLength;
      const outputs = results.map(() => new Float32Array(count * outputLength));
      for (let from = 0; from < count; from += config.globalBatch) {
        const size = Math.min(config.globalBatch, count - from);
        slots.set(inputs.subarray(from * inputLength, (from + size) * inputLength));
        worker.predict(size);
        for (const [i, output] of outputs.entries()) {
          output.set(results[i]!.subarray(0, size * outputLength), from * outputLength);
        }
      }
      return outputs;
    },
  };
}
