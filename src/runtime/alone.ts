// A model with given weights, without a run that trains it: its outputs, computed on the calling
// thread as a loaded model computes them, and the state of a run with these weights.

import type { NamedValues } from '../checkpoint/foldNorm.ts';
import {
  fillArena,
  restoreTensors,
  type StateTensor,
  stateTensors,
  weightName,
} from '../checkpoint/state.ts';
import { createArena } from '../memory/arena.ts';
import type { RunConfig } from '../plan/config.ts';
import { planRun } from '../plan/plan.ts';
import { inferenceConfig, startInference } from './inferenceTeam.ts';
import { type AllOutputs, Predictions } from './predict.ts';

/** Outputs for a number of inputs in the form that a run stores. The model's custom layers and loss
 * must be loaded. Each batch of inputs blocks the thread. */
export async function outputsAlone(
  config: RunConfig,
  weights: NamedValues,
  inputs: Uint8Array | Float32Array,
  count: number,
): Promise<AllOutputs> {
  const { team, memory } = await startInference({
    config: inferenceConfig(config, { workers: 1 }),
    isOwnThread: true,
    fill(tensors) {
      for (const tensor of tensors) tensor.values.set(weights.get(weightName(tensor))!.values);
    },
  });
  const predictions = new Predictions({
    plan: team.plan,
    memory,
    run: (size) => team.callAll((api) => api.predict(size)),
    tryEnter: () => true,
    leave() {},
  });
  return predictions.add(inputs, count);
}

/** The whole state in a run's checkpoint; optimizer state is 0. */
export function stateAlone(config: RunConfig, weights: NamedValues): readonly StateTensor[] {
  const { weighted: _weighted, ...unweighted } = config.data;
  const data = { ...unweighted, countTrain: 1, countTest: 0, countValidation: 0 };
  const plan = planRun({ ...config, data, workers: 1, shards: 'iid' });
  const memory = createArena(plan.layout);
  fillArena(plan, memory);
  const tensors = stateTensors(plan, memory);
  const saved = tensors.map((tensor) => {
    const { name, group, values } = tensor;
    const given = weights.get(weightName(tensor))?.values;
    return [name, group === 'optimizer' || given === undefined ? values : given] as const;
  });
  restoreTensors(tensors, new Map(saved));
  return tensors;
}
